"""What the rooms show of points and devices: numbers with their unit, band, trend and age."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sitewarden.drivers.modbus.points import Point
from sitewarden.gateway.board import Board, Trend
from sitewarden.gateway.words import Words
from sitewarden.rules.model import Alarm, Quality, Severity, Value

ARROWS: Final[Mapping[Trend, str]] = {Trend.RISING: "↗", Trend.FALLING: "↘", Trend.STEADY: ""}


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


@dataclass(frozen=True, slots=True)
class Picture:
    """How a kind of device is drawn, and which two or three values say most about it."""

    shape: str  # a macro of pictures.html
    points: Sequence[str] = ()
    spark: str = ""  # the point whose last hour is drawn


PICTURES: Final[Mapping[str, Picture]] = {
    "grundfos-cim": Picture("pump", ("pressure", "flow", "power"), "pressure"),
    "grundfos-cu352": Picture("pump", ("pressure", "flow", "power"), "pressure"),
    "level-4-20ma": Picture("tank", ("level",), "level"),
    "two-pump-sump": Picture("sump", ("level", "p1_running", "p2_running"), "level"),
    "lift-monitor-a": Picture("lift", ("floor", "speed", "door_open"), "floor"),
    "supervised-input-4": Picture("panel", ("line1",)),
    "relay-8in-8out": Picture("box"),
    "": Picture("reader"),
}
"""By profile; a card reader has none."""
NEVER: Final = "never"
PLAIN: Final = Picture("box")


@dataclass(frozen=True, slots=True)
class Device:
    id: str
    title: str
    picture: Picture
    up: bool | None
    since: datetime | None
    why: str
    state: str  # a word; empty when an alarm says more
    severity: Severity | None  # of the worst alarm about it
    values: Mapping[str, Value | None]  # by the point's own name, for the picture
    level: float  # 0 to 1, for tanks
    gauges: Sequence[Gauge]
    key: Sequence[Gauge]  # those of the picture


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
    )


def device(board: Board, words: Words, id: str) -> Device:  # noqa: A002 - it is one
    change, place = board.devices[id], board.places[id]
    picture = PICTURES.get(place.profile, PLAIN)
    gauges = [gauge(board, words, name) for name in board.points if name.startswith(f"{id}.")]
    gauges.sort(key=lambda each: (each.bar is None, each.quality == NEVER))
    values = {each.name: _value(board, each.point) for each in gauges}
    up = change.up if change else None
    panels = [panel for panel, wired in board.panels.items() if wired == id]
    severity = _worst(board.alarms.values(), (id, *panels))
    state = _state(picture.shape, up, values)
    return Device(
        id,
        words.title(id),
        picture,
        up,
        change.at.wall if change else None,
        words.text(f"reason.{change.reason}") if change and not change.up else "",
        "" if severity and state == "works" else words.text(f"state.{state}"),
        severity,
        values,
        _fill(board.points.get(f"{id}.level"), _number(values.get("level"))),
        gauges,
        [each for name in picture.points for each in gauges if each.name == name],
    )


def _value(board: Board, name: str) -> Value | None:
    reading = board.latest[name]
    return reading.value if reading and reading.quality is Quality.GOOD else None


def _number(value: Value | None) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _worst(alarms: Iterable[Alarm], subjects: Sequence[str]) -> Severity | None:
    ranked = list(Severity)
    found = [alarm.severity for alarm in alarms if alarm.subject.partition(".")[0] in subjects]
    return min(found, key=ranked.index, default=None)


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
    return "up" if values.get("up") else "down" if values.get("down") else "stands"


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
