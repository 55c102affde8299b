"""What the core is told about the site: frozen values that `config/` builds and nobody alters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from zoneinfo import ZoneInfo

from sitewarden.rules.model import Direction, FireKind, Severity, Value


class AntiPassback(StrEnum):
    OFF = "off"
    SOFT = "soft"  # let through and record `exempt`
    HARD = "hard"


@dataclass(frozen=True, slots=True)
class Barrier:
    """Relay outputs and inputs of one barrier. Points are full names ("io-1.in3"), outputs are the
    device's own ("out1"). Empty: not wired."""

    device: str
    open: str
    loop_under: str  # presence under the arm; its trailing edge is the passage
    loop_before: str = ""
    opened: str = ""  # limit switch: arm up
    closed: str = ""  # limit switch: arm down
    close: str = ""  # output to close with; without it the barrier closes by itself
    pulse: float = 0.5  # s
    opens_within: float = 6.0  # s from the command to `opened`, else the alarm `barrier_stuck`


@dataclass(frozen=True, slots=True)
class Lane:
    id: str
    direction: Direction
    reader: str  # the device whose CardRead counts here
    barrier: Barrier
    anti_passback: AntiPassback = AntiPassback.HARD
    grant_lapses: float = 60.0  # s without a passage until a grant is forgotten
    repeat: float = 3.0  # s in which the same card at the same reader is one swipe


@dataclass(frozen=True, slots=True)
class Parking:
    lanes: tuple[Lane, ...] = ()
    places: int = 0  # for temporary and monthly cards; 0: not counted
    private_spaces: frozenset[str] = frozenset()
    """What private cards may be issued for; empty: anything. Asked when a card is issued, where somebody is
    told, and not at the gate: a list that was shortened by mistake must not shut residents out."""


@dataclass(frozen=True, slots=True)
class Band:
    """An interval of a supervised line's value [low, high) and what it means."""

    low: float
    high: float
    kind: FireKind
    zone: str = ""
    text: str = ""  # "open", "short": a code, for faults


@dataclass(frozen=True, slots=True)
class FireInput:
    """A supervised contact: the value of `point` falls into one of `bands`; outside all of them, or
    not good, it is a fault (code `unreadable`), never a fire. A bool point reads as 0.0 or 1.0."""

    panel: str
    point: str
    bands: tuple[Band, ...]
    debounce: float = 0.2  # s a new band must last


class Test(StrEnum):
    ABOVE = "above"
    BELOW = "below"
    IS = "is"


@dataclass(frozen=True, slots=True)
class Condition:
    """An alarm while `point` is beyond `limit` for `on_delay` s, over once it is back by `hysteresis`
    for `off_delay` s."""

    id: str
    point: str
    test: Test
    limit: Value
    severity: Severity
    hysteresis: float = 0.0
    on_delay: float = 0.0
    off_delay: float = 0.0
    latch: bool = False  # needs an operator's reset after it is over
    text: Mapping[str, str] = field(default_factory=dict)  # language -> the site's own words
    todo: Mapping[str, str] = field(default_factory=dict)  # language -> what whoever sees it is to do


@dataclass(frozen=True, slots=True)
class Stale:
    """An alarm of its own when `point` has had no good reading for `after` s. After a start
    that time begins with the first tick."""

    point: str
    after: float
    severity: Severity = Severity.MEDIUM


@dataclass(frozen=True, slots=True)
class SitePlan:
    id: str
    tz: ZoneInfo
    devices: frozenset[str] = frozenset()  # all there are; one that is gone is not away
    parking: Parking = Parking()
    fire: tuple[FireInput, ...] = ()
    conditions: tuple[Condition, ...] = ()
    stale: tuple[Stale, ...] = ()
    link_alarm_after: float = 10.0  # s a device may be away before `device_offline`, or not come up
