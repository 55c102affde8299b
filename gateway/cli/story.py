"""What a run of a site brought, counted from the same fan-out that every sink hangs off."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sitewarden.gateway.hub import Hub
from sitewarden.rules.model import (
    AlarmChange,
    AlarmState,
    Decision,
    Effect,
    FireChange,
    FireStage,
    Passage,
    Reading,
    Verdict,
)
from sitewarden.rules.plan import SitePlan

WANTED = frozenset({Decision, Passage, AlarmChange, FireChange, Reading})
MOST = 1_000_000  # effects that are remembered; older ones are counted as not heard

ACTIVE = (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED)


@dataclass(frozen=True, slots=True)
class Points:
    points: int
    readings: int
    stored: int  # for the charts: of the readings, the good numbers


@dataclass(frozen=True, slots=True)
class Fire:
    stages: list[str]
    released_after_s: Mapping[
        str, float | None
    ]  # by lane; None: its arm did not come up, or no switch says so


@dataclass(frozen=True, slots=True)
class Told:
    """Counts by reason, direction and id."""

    swipes: Mapping[str, Mapping[str, int]]
    passages: Mapping[str, int]
    alarms: Mapping[str, Mapping[str, int]]
    points: Points
    fire: Fire
    not_heard: int  # effects that came too fast to be counted above


class Story:
    def __init__(self, hub: Hub, plan: SitePlan) -> None:
        self._heard, self._plan = hub.subscribe("story", MOST, WANTED), plan

    def told(self, stored: int) -> Told:
        """`stored`: good numeric readings in the trend store, which keeps no others."""
        effects = self._heard.take(0.0)
        decisions = [effect for effect in effects if isinstance(effect, Decision)]
        changes = [effect for effect in effects if isinstance(effect, AlarmChange)]
        readings = [effect for effect in effects if isinstance(effect, Reading)]
        return Told(
            swipes={verdict.value: _whys(decisions, verdict) for verdict in Verdict},
            passages=_counted(e.direction.value for e in effects if isinstance(e, Passage)),
            alarms={
                "raised": _counted(c.alarm.id for c in changes if _raised(c)),
                "cleared": _counted(c.alarm.id for c in changes if _cleared(c)),
            },
            points=Points(len({reading.point for reading in readings}), len(readings), stored),
            fire=Fire([e.after.value for e in effects if isinstance(e, FireChange)], self._released(effects)),
            not_heard=self._heard.dropped,
        )

    def _released(self, effects: Sequence[Effect]) -> Mapping[str, float | None]:
        """From the fire to each arm being up."""
        lanes = {lane.barrier.opened: lane.id for lane in self._plan.parking.lanes if lane.barrier.opened}
        after: dict[str, float | None] = dict.fromkeys(lane.id for lane in self._plan.parking.lanes)
        up: set[str] = set()
        begun: float | None = None
        for effect in effects:
            match effect:
                case FireChange(after=FireStage.FIRE, at=at) if begun is None:
                    begun = at.mono
                    after |= dict.fromkeys(up, 0.0)
                case Reading(point=point, value=value, at=at) if point in lanes:
                    lane = lanes[point]
                    up = up | {lane} if value else up - {lane}
                    if value and begun is not None and after[lane] is None:
                        after[lane] = round(at.mono - begun, 3)
        return after


def _whys(decisions: Sequence[Decision], verdict: Verdict) -> Mapping[str, int]:
    return _counted(decision.why.value for decision in decisions if decision.verdict is verdict)


def _counted(names: Iterable[str]) -> Mapping[str, int]:
    return dict(Counter(names))


def _raised(change: AlarmChange) -> bool:
    return change.alarm.state is AlarmState.UNACKNOWLEDGED


def _cleared(change: AlarmChange) -> bool:
    """Its cause is over; whether somebody has seen it is another matter."""
    return change.before in ACTIVE and change.alarm.state not in ACTIVE
