"""The live picture of the site: what the page and the API show, one small step behind the core.

The main loop feeds it; the API's thread reads it without locks. Every value is frozen and replaced
whole, and no mapping that is read from outside changes its size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from sitewarden.config.plan import Site
from sitewarden.drivers.modbus.points import Point
from sitewarden.drivers.plan import BusPlan, ReaderPlan
from sitewarden.rules.cells import Fire, Place, Strangers
from sitewarden.rules.fire import meaning
from sitewarden.rules.model import (
    Alarm,
    Decision,
    Effect,
    FireChange,
    FireKind,
    FireStage,
    Keep,
    LinkChanged,
    Passage,
    Quality,
    Reading,
    Severity,
    Stamp,
)
from sitewarden.rules.parking.occupancy import cars_inside
from sitewarden.rules.plan import FireInput, Lane

T = TypeVar("T")

RECENT = 20  # swipes remembered for each lane
SLOW = 120.0  # s, time constant of the average that a trend is judged against
NOTABLE = 0.01  # of the point's magnitude: smaller drifts are no trend


_RANK = {severity: rank for rank, severity in enumerate(Severity)}


class Trend(StrEnum):
    RISING = "rising"
    FALLING = "falling"
    STEADY = "steady"


class Arm(StrEnum):
    UP = "up"
    DOWN = "down"
    MOVING = "moving"
    UNKNOWN = "unknown"  # not wired, or the wire is not to be believed


@dataclass(frozen=True, slots=True)
class LaneNow:
    arm: Arm
    car_before: bool
    car_under: bool
    swipes: tuple[Decision, ...]  # newest first
    passage: Passage | None

    @property
    def last(self) -> Decision | None:
        return self.swipes[0] if self.swipes else None


@dataclass(frozen=True, slots=True)
class FireNow:
    stage: FireStage = FireStage.NORMAL
    since: Stamp | None = None
    panel: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True)
class DevicePlace:
    """Where a device hangs. `profile` is empty for a card reader; `kind` is then the reader's."""

    link: str
    profile: str
    kind: str = ""
    family: str = ""  # of the profile


@dataclass(slots=True)
class _Average:
    value: float
    mono: float


class Board:
    def __init__(self, site: Site, cells: Mapping[str, object] = MappingProxyType({})) -> None:
        """`cells`: what the core starts with."""
        self.revision = 0  # grows with whatever is seen
        self.points: Mapping[str, Point] = MappingProxyType(points_of(site))
        self.places: Mapping[str, DevicePlace] = MappingProxyType(places_of(site))
        self.latest: dict[str, Reading | None] = dict.fromkeys(self.points)
        self.devices: dict[str, LinkChanged | None] = dict.fromkeys(self.places)
        self.lanes: Mapping[str, Lane] = MappingProxyType({lane.id: lane for lane in site.plan.parking.lanes})
        self._lines = site.plan.fire
        self.panels = {fire.panel: fire.point.partition(".")[0] for fire in site.plan.fire}
        self.alarms: Mapping[str, Alarm] = MappingProxyType({})
        self.fire = FireNow()
        self.inside = 0  # cars on the places that monthly and temporary cards share
        self._averages: dict[str, _Average] = {}
        self._placed: set[str] = set()  # cards whose car is known to be inside, or to have left
        self._shared: set[str] = set()  # of those, the ones that `inside` counts
        self._strangers = Strangers(0)
        self._swipes: dict[str, tuple[Decision, ...]] = dict.fromkeys(self.lanes, ())
        self._passages: dict[str, Passage | None] = dict.fromkeys(self.lanes)
        self.apply([Keep(key, cell) for key, cell in cells.items()])

    def apply(self, effects: Sequence[Effect]) -> None:
        """Takes up what a step returned. Called in the main loop only."""
        for effect in effects:
            match effect:
                case Reading():
                    self._reading(effect)
                case LinkChanged(device=device) if device in self.devices:
                    known = self.devices[device]  # a driver that is new, for a recording say, says it again
                    if known is None or (known.up, known.reason) != (effect.up, effect.reason):
                        self.devices[device] = effect
                case Decision(lane=lane) if lane in self._swipes:
                    self._swipes[lane] = (effect, *self._swipes[lane][: RECENT - 1])
                case Passage(lane=lane) if lane in self._passages:
                    self._passages[lane] = effect
                case FireChange():
                    self.fire = FireNow(effect.after, effect.at, effect.panel, effect.zone)
                case Keep(key=key, cell=cell):
                    self._keep(key, cell)
        self.revision += 1

    def carried(self, site: Site) -> "Board":
        """The board of an altered site, with all that is known of what stayed."""
        board = Board(site)
        board.revision, board.alarms, board.fire = self.revision + 1, self.alarms, self.fire
        board._placed, board._shared, board._strangers = self._placed, self._shared, self._strangers
        board.inside = self.inside
        board._averages = self._averages
        _carry(self.latest, board.latest)
        _carry(self.devices, board.devices)
        _carry(self._swipes, board._swipes)
        _carry(self._passages, board._passages)
        return board

    def open_alarms(self) -> list[Alarm]:
        """Worst first, and of the same severity the oldest first."""
        return sorted(self.alarms.values(), key=lambda alarm: (_RANK[alarm.severity], alarm.raised.wall))

    @property
    def barrier_outputs(self) -> set[str]:
        """The points that move a barrier: nobody but a lane writes them."""
        barriers = [lane.barrier for lane in self.lanes.values()]
        return {f"{barrier.device}.{name}" for barrier in barriers for name in (barrier.open, barrier.close)}

    @property
    def unheard(self) -> list[str]:
        """Fire panels whose line is in fault or silent. While there are any, nobody knows that there is no
        fire, whatever the stage is."""
        return [line.panel for line in self._lines if not self._hears(line)]

    def lane(self, lane: str) -> LaneNow:
        """Raises KeyError for a lane that the site does not have."""
        barrier = self.lanes[lane].barrier
        up, down = self._contact(barrier.opened), self._contact(barrier.closed)
        return LaneNow(
            _arm(up, down),
            self._contact(barrier.loop_before) is True,
            self._contact(barrier.loop_under) is True,
            self._swipes[lane],
            self._passages[lane],
        )

    def knows_place(self, card: str) -> bool:
        """Whether the card's car is known to be inside, or known to be outside."""
        return card in self._placed

    def trend(self, point: str) -> Trend:
        """Where the value goes, against its average over the last minutes."""
        average, latest = self._averages.get(point), self.latest.get(point)
        if average is None or latest is None or latest.value is None or isinstance(latest.value, str):
            return Trend.STEADY
        drift, least = latest.value - average.value, max(abs(average.value) * NOTABLE, 1e-9)
        return Trend.RISING if drift > least else Trend.FALLING if drift < -least else Trend.STEADY

    def _reading(self, reading: Reading) -> None:
        if reading.point not in self.latest:
            return
        self.latest[reading.point] = reading
        value = reading.value
        if type(value) is not float and type(value) is not int:
            return
        average, mono = self._averages.get(reading.point), reading.at.mono
        if average is None:
            self._averages[reading.point] = _Average(value, mono)
        else:
            weight = min(1.0, max(0.0, (mono - average.mono) / SLOW))
            average.value += (value - average.value) * weight
            average.mono = mono

    def _keep(self, key: str, cell: object | None) -> None:
        """The core's own cells say what is open, who is inside and whether it burns: after a restart
        as well, when no change will be told again."""
        kind, _, name = key.partition("/")
        match kind, cell:
            case "alarm", Alarm():
                self.alarms = MappingProxyType({**self.alarms, name: cell})
            case "alarm", None:
                self.alarms = MappingProxyType({k: alarm for k, alarm in self.alarms.items() if k != name})
            case "inside", _:
                _member(self._placed, name, isinstance(cell, Place))
                _member(self._shared, name, isinstance(cell, Place) and cell.shared)
            case "strangers", Strangers():
                self._strangers = cell
            case "fire", Fire(stage, panels):
                self.fire = replace(self.fire, stage=stage, panel=self.fire.panel or "".join(panels[:1]))
            case "fire", None:
                self.fire = FireNow()
        self.inside = cars_inside(len(self._shared), self._strangers)

    def _hears(self, line: FireInput) -> bool:
        reading, link = self.latest[line.point], self.devices[self.panels[line.panel]]
        away = link is not None and not link.up  # its driver may have failed, which spoils no reading
        return reading is not None and not away and meaning(line, reading).kind is not FireKind.FAULT

    def _contact(self, point: str) -> bool | None:
        reading = self.latest.get(point)
        if reading is None or reading.quality is not Quality.GOOD or not isinstance(reading.value, bool):
            return None
        return reading.value


def _member(group: set[str], name: str, belongs: bool) -> None:
    group.add(name) if belongs else group.discard(name)


def _carry(old: Mapping[str, T], new: dict[str, T]) -> None:
    new |= {name: old[name] for name in new.keys() & old.keys()}


def _arm(up: bool | None, down: bool | None) -> Arm:
    match up, down:
        case (True, False) | (True, None):
            return Arm.UP
        case (False, True) | (None, True):
            return Arm.DOWN
        case False, False:
            return Arm.MOVING
    return Arm.UNKNOWN


def points_of(site: Site) -> dict[str, Point]:
    """Every point of the site by its full name, in the order of the configuration."""
    return {
        f"{unit.device}.{point.name}": point
        for link in site.links
        if isinstance(link.wire, BusPlan)
        for unit in link.wire.units
        for point in unit.profile.points
    }


def places_of(site: Site) -> dict[str, DevicePlace]:
    places: dict[str, DevicePlace] = {}
    for link in site.links:
        match link.wire:
            case ReaderPlan(device, kind):
                places[device] = DevicePlace(link.name, "", kind)
            case BusPlan(_, units):
                for unit in units:
                    profile = unit.profile
                    places[unit.device] = DevicePlace(link.name, profile.name, family=profile.family)
    return places
