"""Effects as InfluxDB line protocol.

    reading,site=,device=,point=           value= | state= | text=  quality= [reason=]
    device,site=,device=                   up= [reason=]
    alarm,site=,id=,code=,severity=        state= before= [subject=] [params=] raised= [by=]
    decision,site=,lane=,direction=,verdict=   why= [card=] [kind=] [by=]
    passage,site=,lane=,direction=         known= [card=] [kind=]
    fire,site=                             stage= before= [panel=] [zone=] [by=]
    write,site=,device=,point=,outcome=    value= | state= | text=  [reason=] [by=]
    loss,site=,why=,cause=[,device=]       count= first= last= [point=] [destination=] [note=]

Timestamps are ns since 1970. A number is always a float (`value`), a bool is `state`, a string `text`:
the type of a field never changes, whatever a device sends. `raised`, `first` and `last` are integers, ms
since 1970. What has many values (cards, texts) is a field and never a tag. Cards are masked; what an operator
gave as a reason is free text, which may name anybody, and stays in the journal. All of it, and the gateway's
own measurements (`vitals.py`), is told to whoever reads the data in docs/telemetry.md.

Source: InfluxDB 1.8 line protocol reference. A backslash in a tag has no sound escape there (before a
comma it would hide it, at the end the blank), so it becomes a slash; a line break would end the line, so
it becomes a blank. Measured: 1.3 µs of CPU a reading.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from math import isfinite

from sitewarden.gateway.ledger.causes import cause_of
from sitewarden.gateway.mask import mask
from sitewarden.gateway.records import micros
from sitewarden.gateway.spool.blocks import Loss
from sitewarden.rules.model import (
    AlarmChange,
    Decision,
    Effect,
    FireChange,
    LinkChanged,
    Passage,
    Quality,
    Reading,
    Stamp,
    Value,
    Write,
)

WANTED = frozenset({Reading, LinkChanged, AlarmChange, Decision, Passage, FireChange, Write})
"""What becomes lines."""

PERSONAL = frozenset({"card", "kind", "by"})
"""Fields that say who it was; no line consists of these alone."""

MOVE = 1_000_000  # ns by which the later of two points of one series at one instant is moved
SERIES = 20_000  # whose last instants are remembered: alarms come and go

_MS = 1_000_000  # ns
_KEY: Mapping[type, str] = {bool: "state", int: "value", float: "value", str: "text"}
_GOOD = 'quality="good"'
_TAG = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\\": "/", "\n": r"\ ", "\r": r"\ "})
_TEXT = str.maketrans({'"': r"\"", "\\": r"\\", "\n": " ", "\r": " "})


def head(measurement: str, **tags: str) -> str:
    """A line as far as its fields; an empty tag is not allowed and left out."""
    pairs = "".join(f",{key}={tag.translate(_TAG)}" for key, tag in tags.items() if tag)
    return f"{measurement}{pairs} "


def fields(**values: Value | None) -> str:
    """Fields of stable types: every number, which has to be finite, is a float. None is left out."""
    return ",".join(f"{key}={_field(value)}" for key, value in values.items() if value is not None)


def texts(**values: str) -> str:
    """Text fields, each with its comma before it; empty ones are left out."""
    return "".join(f',{key}="{value.translate(_TEXT)}"' for key, value in values.items() if value)


def wall_ns(at: Stamp) -> int:
    return micros(at.wall) * 1000


class Lines:
    """One site's formatter. It remembers the head of each point, and the last instant of each series, from
    batch to batch; whatever comes after a restart comes later than that took."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.dropped = 0  # values that are no numbers: NaN and the infinities
        self._heads: dict[str, str] = {}
        self._last: dict[str, tuple[int, int]] = {}  # head -> the first instant of a run, the last given

    def format(
        self, effects: Iterable[Effect], instant: Callable[[Stamp], int] = wall_ns
    ) -> list[tuple[int, bytes]]:
        """Instants in ns, and lines without their line breaks. Effects that are not telemetry give none."""
        formatted = []
        known, ns = None, 0  # of all that one answer brought
        for effect in effects:
            parts = self._reading(effect) if type(effect) is Reading else self._event(effect)
            if parts:
                first, fields, at = parts
                if at is not known:
                    known, ns = at, instant(at)
                formatted.append(self._line(first, fields, ns))
        return formatted

    def lost(self, losses: Iterable[Loss], now: int) -> list[tuple[int, bytes]]:
        """Lines of what the ledger says. `now` (ns): of what happened nobody knows when."""
        return [
            self._line(
                head("loss", site=self.site, why=loss.why, cause=cause_of(loss.why), device=device),
                f"{fields(count=loss.count)},first={loss.first // _MS}i,last={loss.last // _MS}i"
                + texts(point=point, destination=loss.destination, note=loss.note),
                loss.last or now,
            )
            for loss in losses
            for device, _, point in [loss.subject.partition(".")]
        ]

    def stamped(self, told: Mapping[str, str], now: int) -> list[tuple[int, bytes]]:
        """Lines of heads and fields."""
        return [self._line(first, rest, now) for first, rest in told.items()]

    def _line(self, first: str, rest: str, at: int) -> tuple[int, bytes]:
        ns = self._instant(first, at)
        return ns, f"{first}{rest} {ns}".encode("utf-8", "replace")

    def _reading(self, reading: Reading) -> tuple[str, str, Stamp] | None:
        first = self._heads.get(reading.point)
        if first is None:
            device, _, point = reading.point.partition(".")
            first = self._heads[reading.point] = head("reading", site=self.site, device=device, point=point)
        quality = _GOOD
        if reading.quality is not Quality.GOOD:
            quality = f'quality="{reading.quality}",reason="{reading.reason}"'
        match reading.value:
            case bool(state):
                return first, f"state={_truth(state)},{quality}", reading.at
            case float() | int() as number if isfinite(number):
                return first, f"value={float(number)!r},{quality}", reading.at
            case float():
                self.dropped += 1
                return None
            case str(words):
                return first, quality + texts(text=words), reading.at
        return first, quality, reading.at

    def _event(self, effect: Effect) -> tuple[str, str, Stamp] | None:
        site = self.site
        match effect:
            case LinkChanged(device, up, at, reason):
                first = head("device", site=site, device=device)
                return first, f"up={_truth(up)}{texts(reason=reason)}", at
            case AlarmChange(alarm, before, at, by):
                first = head("alarm", site=site, id=alarm.id, code=alarm.code, severity=alarm.severity)
                params = json.dumps(dict(alarm.params), ensure_ascii=False) if alarm.params else ""
                more = texts(before=before, subject=alarm.subject, params=params, by=by)
                return first, f'state="{alarm.state}",raised={_ms(alarm.raised.wall)}i{more}', at
            case Decision(lane, card, verdict, why, at, direction, kind, by):
                first = head("decision", site=site, lane=lane, direction=direction, verdict=verdict)
                return first, f'why="{why}"{_whose(card, kind)}{texts(by=by)}', at
            case Passage(lane, card, direction, at, kind):
                first = head("passage", site=site, lane=lane, direction=direction)
                return first, f"known={_truth(bool(card))}{_whose(card, kind)}", at
            case FireChange(before, after, at, panel, zone, by):
                more = texts(before=before, panel=panel, zone=zone, by=by)
                return head("fire", site=site), f'stage="{after}"{more}', at
            case Write(point, value, by, outcome=outcome, at=at, reason=reason):
                device, _, name = point.partition(".")
                first = head("write", site=site, device=device, point=name, outcome=outcome)
                return first, fields(**{_KEY[type(value)]: value}) + texts(reason=reason, by=by), at
        return None

    def _instant(self, series: str, ns: int) -> int:
        """The instant in ns, moved on where the series has a point there already."""
        first, given = self._last.get(series, (0, -1))
        if first <= ns <= given:
            ns = given + MOVE
            self._last[series] = first, ns
            return ns
        if len(self._last) >= SERIES:
            self._last = {head: run for head, run in self._last.items() if run[1] >= ns}
        self._last[series] = ns, ns
        return ns


def _field(value: Value) -> str:
    match value:
        case bool():
            return _truth(value)
        case str():
            return f'"{value.translate(_TEXT)}"'
    return repr(float(value))


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _ms(wall: datetime) -> int:
    return micros(wall) // 1000


def _whose(card: str, kind: str | None) -> str:
    return texts(card=mask(card) if card else "", kind=kind or "")
