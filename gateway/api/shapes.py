"""From the house's values to what the API says."""

from importlib.metadata import version

from sitewarden.drivers.modbus.limits import is_writable
from sitewarden.gateway.api.access import Permission, may
from sitewarden.gateway.api.house import House
from sitewarden.gateway.api.models import (
    AlarmChangeOut,
    AlarmOut,
    CardOut,
    DecisionOut,
    DeviceChangeOut,
    DeviceOut,
    Fire,
    FireChangeOut,
    LaneOut,
    Model,
    PassageOut,
    PointOut,
    ReadingOut,
    Sink,
    SiteOut,
    WriteOut,
)
from sitewarden.gateway.mask import mask
from sitewarden.gateway.tokens import Caller
from sitewarden.gateway.words import Words
from sitewarden.rules.model import (
    Alarm,
    AlarmChange,
    Decision,
    Effect,
    FireChange,
    LinkChanged,
    Passage,
    Permit,
    Reading,
    Reason,
    Write,
)

VERSION = version("sitewarden")


class Shapes:
    """For one caller: their language, and what they may know of people."""

    def __init__(self, house: House, words: Words, caller: Caller) -> None:
        self._house, self._words = house, words
        self._personal = may(caller, Permission.PERSONAL)

    def site(self) -> SiteOut:
        house, site, board, status = self._house, self._house.site, self._house.board, self._house.status()
        fire = board.fire
        return SiteOut(
            id=site.id,
            name=site.name,
            language=site.language,
            now=house.now().wall,
            started=status.started.wall,
            version=VERSION,
            clock_trusted=status.clock_trusted,
            fire=Fire(
                stage=fire.stage,
                since=fire.since.wall if fire.since else None,
                panel=fire.panel,
                zone=fire.zone,
                unknown=board.unheard,
            ),
            inside=board.inside,
            places=site.plan.parking.places,
            open_alarms=len(board.alarms),
            sinks=[Sink(name=s.name, up=s.up, waiting=s.waiting, lost=s.lost) for s in status.sinks],
            spool_bytes=status.spool_bytes,
            spool_limit=status.spool_limit,
        )

    def point(self, name: str) -> PointOut:
        board = self._house.board
        point, reading = board.points[name], board.latest[name]
        return PointOut(
            point=name,
            device=name.partition(".")[0],
            label=self._words.point(name),
            unit=point.unit,
            value=reading.value if reading else None,
            text=self._words.value(name, reading.value if reading else None),
            quality=reading.quality if reading else None,
            reason=reading.reason if reading else Reason.NONE,
            at=reading.at.wall if reading else None,
            trend=board.trend(name),
            normal=(point.normal_low, point.normal_high),
            type=point.kind,
            writable=is_writable(point),
            limits=(point.write_low, point.write_high),
        )

    def device(self, device: str) -> DeviceOut:
        board = self._house.board
        change, place = board.devices[device], board.places[device]
        return DeviceOut(
            device=device,
            title=self._words.title(device),
            link=place.link,
            profile=place.profile,
            up=change.up if change else None,
            since=change.at.wall if change else None,
            reason=change.reason if change else Reason.NONE,
        )

    def lane(self, lane: str) -> LaneOut:
        now = self._house.board.lane(lane)
        return LaneOut(
            lane=lane,
            title=self._words.title(lane),
            direction=self._house.board.lanes[lane].direction,
            arm=now.arm,
            car_before=now.car_before,
            car_under=now.car_under,
            decision=self.decision(now.last) if now.last else None,
            passage=self.passage(now.passage) if now.passage else None,
        )

    def decision(self, decision: Decision) -> DecisionOut:
        return DecisionOut(
            lane=decision.lane,
            card=self._person(decision.card),
            verdict=decision.verdict,
            why=decision.why,
            text=self._words.text(f"why.{decision.why}"),
            at=decision.at.wall,
            direction=decision.direction,
            kind=decision.kind,
            by=decision.by,
            note=decision.note,
        )

    def passage(self, passage: Passage) -> PassageOut:
        return PassageOut(
            lane=passage.lane,
            card=self._person(passage.card),
            direction=passage.direction,
            at=passage.at.wall,
            kind=passage.kind,
        )

    def write(self, write: Write) -> WriteOut:
        return WriteOut(
            point=write.point,
            value=write.value,
            by=write.by,
            note=write.note,
            asked=write.asked.wall,
            outcome=write.outcome,
            text=self._words.text(f"outcome.{write.outcome}"),
            at=write.at.wall,
            before=write.before,
            read=write.read,
            reason=write.reason,
        )

    def alarm(self, alarm: Alarm) -> AlarmOut:
        return AlarmOut(
            id=alarm.id,
            code=alarm.code,
            severity=alarm.severity,
            state=alarm.state,
            raised=alarm.raised.wall,
            subject=alarm.subject,
            params=alarm.params,
            by=alarm.by,
            text=self._words.alarm(alarm),
            todo=self._words.todo(alarm),
        )

    def alarm_change(self, change: AlarmChange) -> AlarmChangeOut:
        return AlarmChangeOut(
            alarm=self.alarm(change.alarm), before=change.before, at=change.at.wall, by=change.by
        )

    def happening(self, effect: Effect) -> Model:
        """One message of the event stream."""
        match effect:
            case Reading(point, value, at, quality, reason):
                return ReadingOut(point=point, value=value, quality=quality, reason=reason, at=at.wall)
            case LinkChanged(device, up, at, reason):
                return DeviceChangeOut(device=device, up=up, reason=reason, at=at.wall)
            case Decision():
                return self.decision(effect)
            case Passage():
                return self.passage(effect)
            case AlarmChange():
                return self.alarm_change(effect)
            case Write():
                return self.write(effect)
            case FireChange(before, after, at, panel, zone, by):
                return FireChangeOut(before=before, after=after, panel=panel, zone=zone, by=by, at=at.wall)
        raise TypeError(f"a {type(effect).__name__} is not for the stream")

    def card(self, permit: Permit) -> CardOut:
        return CardOut(
            card=self._person(permit.card),
            kind=permit.kind,
            valid_from=permit.valid_from,
            valid_to=permit.valid_to,
            holder=permit.holder if self._personal else "",
            plate=self._person(permit.plate),
            space=permit.space,
            blocked=permit.blocked,
            lanes=sorted(permit.lanes),
        )

    def _person(self, text: str) -> str:
        return text if self._personal or not text else mask(text)
