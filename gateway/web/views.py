"""What the rooms show of points and devices: words, and numbers with their unit, band, trend
and age."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final

from sitewarden.drivers.modbus.limits import is_writable
from sitewarden.drivers.modbus.points import Kind, Point
from sitewarden.gateway.board import Board, Trend
from sitewarden.gateway.words import Words
from sitewarden.rules.alarms.lifecycle import STANDING
from sitewarden.rules.model import Alarm, AlarmState, Quality, Reason, Value

ARROWS: Final[Mapping[Trend, str]] = {Trend.RISING: "↗", Trend.FALLING: "↘", Trend.STEADY: ""}


class Sort(StrEnum):
    """What a point tells: how the device is, what it measures, how it is set."""

    STATE = "state"
    MEASURED = "measured"
    SETTING = "setting"


@dataclass(frozen=True, slots=True)
class Bar:
    """A value on its scale: the normal band and the mark, in hundredths of the width."""

    band: float
    band_width: float
    mark: float


@dataclass(frozen=True, slots=True)
class Gauge:
    point: str
    name: str  # without the device
    label: str
    text: str
    unit: str
    arrow: str
    trend: Trend
    quality: str  # of `Quality`, or "never"
    why: str  # in words, when it is not good
    at: datetime | None
    bar: Bar | None
    beyond: bool  # outside the normal band
    off: bool  # a state that is not so


@dataclass(frozen=True, slots=True)
class Picture:
    """How a kind of device is drawn, and which two or three values say most about it."""

    shape: str  # a macro of pictures.html
    points: Sequence[str] = ()
    spark: str = ""  # the point whose last hour is drawn


PICTURES: Final[Mapping[str, Picture]] = {
    "grundfos-cim": Picture("pump", ("pressure", "flow", "power"), "pressure"),
    "grundfos-cu352": Picture("pump", ("pressure", "flow", "power"), "pressure"),
    "danfoss-fc": Picture("pump", ("frequency", "current", "power"), "frequency"),
    "abb-acs580": Picture("pump", ("frequency", "current", "speed"), "frequency"),
    "level-4-20ma": Picture("tank", ("level",), "level"),
    "two-pump-sump": Picture("sump", ("level", "p1_running", "p2_running"), "level"),
    "lift-monitor-a": Picture("lift", ("floor", "speed", "door_open"), "floor"),
    "vanke-ba": Picture("box", ("trapped", "starts", "hours")),
    "supervised-input-4": Picture("panel", ("line1",)),
    "relay-8in-8out": Picture("box"),
    "": Picture("reader"),
}
"""By profile, or by the one that it extends; a card reader has none."""
NEVER: Final = "never"
MANY = 16  # combinations of bits that are too many to choose from
WORDED: Final = frozenset({Kind.BOOL, Kind.BIT, Kind.ENUM, Kind.BITS, Kind.STRING})
PLAIN: Final = Picture("box")
SAID: Final = frozenset({Reason.OUT_OF_RANGE, Reason.NOT_AVAILABLE})
"""Why a value is bad that was read."""


@dataclass(frozen=True, slots=True)
class Device:
    id: str
    title: str
    picture: Picture
    up: bool | None
    since: datetime | None
    why: str
    state: str  # how it is now, in a word
    well: bool  # nothing speaks against it
    alarms: Sequence[Alarm]  # open ones about it, the worst first
    alarm: Alarm | None  # the worst of those whose cause is there
    ended: AlarmState | None  # of the worst of those whose cause is gone
    values: Mapping[str, Value | None]  # by the point's own name, for the picture
    level: float  # 0 to 1, for tanks
    states: Sequence[Gauge]
    measured: Sequence[Gauge]
    settings: Sequence[Gauge]
    key: Sequence[Gauge]  # those of the picture


@dataclass(frozen=True, slots=True)
class Setting:
    """A point that an engineer may write. `choices`: what to type and what it means; none: any value."""

    point: str
    label: str
    unit: str
    limits: str
    choices: Sequence[tuple[str, str]]


def settings(board: Board, words: Words, device: str) -> list[Setting]:
    writable = {
        name: point
        for name, point in board.points.items()
        if name.startswith(f"{device}.") and is_writable(point) and name not in board.barrier_outputs
    }
    return [
        Setting(name, words.point(name), point.unit, _limits(point), _choices(words, name, point))
        for name, point in writable.items()
    ]


def _limits(point: Point) -> str:
    low, high = (f"{limit:g}" if limit is not None else "" for limit in (point.write_low, point.write_high))
    return f"{low} … {high}" if low or high else ""


def _choices(words: Words, name: str, point: Point) -> list[tuple[str, str]]:
    match point.kind:
        case Kind.BOOL:
            return [("on", words.value(name, True)), ("off", words.value(name, False))]
        case Kind.ENUM:
            numbers: Iterable[int] = point.names
        case Kind.BITS if point.write_high is not None and point.write_high < MANY:
            numbers = range(int(point.write_low or 0), int(point.write_high) + 1)
        case _:
            return []
    return [(str(number), words.value(name, number)) for number in numbers]


def gauge(board: Board, words: Words, name: str) -> Gauge:
    point, reading = board.points[name], board.latest[name]
    value = reading.value if reading else None
    quality = reading.quality if reading else None
    number = _number(value)
    bar = _bar(point, number) if number is not None else None
    return Gauge(
        name,
        point.name,
        words.point(name),
        words.value(name, value),
        point.unit if number is not None else "",
        ARROWS[board.trend(name)],
        board.trend(name),
        quality or NEVER,
        words.text(f"reason.{reading.reason}") if reading and quality is not Quality.GOOD else "",
        reading.at.wall if reading else None,
        bar,
        number is not None and _beyond(point, number),
        value is False,
    )


def device(board: Board, words: Words, id: str) -> Device:  # noqa: A002 - it is one
    change, place = board.devices[id], board.places[id]
    picture = PICTURES.get(place.profile) or PICTURES.get(place.family, PLAIN)
    points = {name: point for name, point in board.points.items() if name.startswith(f"{id}.")}
    gauges = {name: gauge(board, words, name) for name in points}
    sorts = {sort: [gauges[name] for name, point in points.items() if _sort(point) is sort] for sort in Sort}
    values = {point.name: _value(board, name) for name, point in points.items()}
    up = change.up if change else None
    alarms = _about(board, id)
    standing = [alarm for alarm in alarms if alarm.state in STANDING]
    ended = [alarm.state for alarm in alarms if alarm.state not in STANDING]
    state = _state(picture.shape, up, values)
    unread = _unread(board, points) if up else []
    why = [change.reason] if change and not change.up else unread[:1]
    reason = words.text(f"reason.{why[0]}") if why else ""
    return Device(
        id,
        words.title(id),
        picture,
        up,
        change.at.wall if change else None,
        words.text("ui.unread", count=len(unread), all=len(points), why=reason) if unread else reason,
        words.text(f"state.{state}"),
        up is True and not (standing or unread or state == "fault"),
        alarms,
        standing[0] if standing else None,
        ended[0] if ended else None,
        values,
        _fill(board.points.get(f"{id}.level"), _number(values.get("level"))),
        sorts[Sort.STATE],
        sorted(sorts[Sort.MEASURED], key=partial(_rank, picture)),
        sorts[Sort.SETTING],
        [gauges[f"{id}.{name}"] for name in picture.points if name in values],
    )


def _sort(point: Point) -> Sort:
    return Sort.SETTING if point.setting else Sort.STATE if point.kind in WORDED else Sort.MEASURED


def _rank(picture: Picture, each: Gauge) -> tuple[bool, bool, bool]:
    """What says most comes first."""
    return each.name not in picture.points, each.bar is None, each.quality == NEVER


def _value(board: Board, name: str) -> Value | None:
    reading = board.latest[name]
    return reading.value if reading and reading.quality is Quality.GOOD else None


def _unread(board: Board, points: Iterable[str]) -> list[Reason]:
    """Why each of the points has no value of now, though its device answers."""
    readings = filter(None, map(board.latest.__getitem__, points))
    return [each.reason for each in readings if each.quality is Quality.BAD and each.reason not in SAID]


def _number(value: Value | None) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _about(board: Board, device: str) -> list[Alarm]:
    """Open alarms about the device, its points and the fire panel that is wired to it; the worst first."""
    subjects = {device, *(panel for panel, wired in board.panels.items() if wired == device)}
    return [alarm for alarm in board.open_alarms() if alarm.subject.partition(".")[0] in subjects]


def _state(shape: str, up: bool | None, values: Mapping[str, Value | None]) -> str:
    """A code for the one word that says how it is."""
    if up is None:
        return "unheard"
    if not up:
        return "away"
    state = STATES.get(shape)
    return state(values) if state else "works"


def _lift(values: Mapping[str, Value | None]) -> str:
    if any(value is True for name, value in values.items() if name.startswith("fault_")):
        return "fault"
    up, down = values.get("up"), values.get("down")
    return "up" if up else "down" if down else "works" if up is None and down is None else "stands"


def _pump(values: Mapping[str, Value | None]) -> str:
    running = values.get("running")
    return (
        "fault" if values.get("alarm") else "works" if running is None else "runs" if running else "stopped"
    )


STATES: Final[Mapping[str, Callable[[Mapping[str, Value | None]], str]]] = {"lift": _lift, "pump": _pump}


def _fill(point: Point | None, level: float | None) -> float:
    """How full, of the range that can be measured."""
    if point is None or level is None:
        return 0.0
    low, high = _scale(point)
    low, high = point.low if point.low is not None else low, point.high if point.high is not None else high
    return _share(level, low, high) / 100


def _scale(point: Point) -> tuple[float, float]:
    """The ends of the bar: the normal band and half as much again on both sides, where that can be."""
    low = point.normal_low if point.normal_low is not None else 0.0
    high = point.normal_high if point.normal_high is not None else low + 1.0
    margin = (high - low) / 2
    least = low - margin if point.low is None else max(low - margin, point.low)
    most = high + margin if point.high is None else min(high + margin, point.high)
    return least, max(most, least + 1e-9)


def _bar(point: Point, value: float) -> Bar | None:
    if point.normal_low is None and point.normal_high is None:
        return None
    low, high = _scale(point)
    start = _share(point.normal_low if point.normal_low is not None else low, low, high)
    end = _share(point.normal_high if point.normal_high is not None else high, low, high)
    return Bar(start, round(end - start, 1), _share(value, low, high))


def _share(value: float, low: float, high: float) -> float:
    return round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 1)


def _beyond(point: Point, value: float) -> bool:
    low, high = point.normal_low, point.normal_high
    return (low is not None and value < low) or (high is not None and value > high)
