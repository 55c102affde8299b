"""A rain water sump: what runs in must be pumped out again. Two pumps, duty changes at every start."""

from dataclasses import dataclass, field
from random import Random

AREA, DEEP = 2.2, 2.5  # m², and m at which it spills
START, ASSIST, STOP, DRY = (
    1.1,
    1.5,
    0.4,
    0.1,
)  # m: first pump on, second pump too, both off, whatever is ordered
HIGH, BACKUP = 1.6, 2.0  # m: the floats
HOUR = 3600.0  # s
PUMPS_OUT = 18.0  # m³/h each
DRIZZLE, SHOWER = 2.0, 22.0  # m³/h that run in


@dataclass(slots=True)
class SumpPump:
    ordered: bool = False  # a master wants it to run, whatever the level
    running: bool = False
    starts: int = 0
    starts_before: int = 0  # when this hour began
    starts_hour: int = 0  # in the last whole hour
    hours: float = 0.0


@dataclass(slots=True)
class Sump:
    chance: Random
    level: float = 0.8
    duty: int = 0
    inflow: float = DRIZZLE
    pumps: tuple[SumpPump, SumpPump] = field(default_factory=lambda: (SumpPump(), SumpPump()))
    _weather_left: float = 0.0
    _hour_left: float = HOUR

    @property
    def spills(self) -> bool:
        return self.level >= DEEP

    def advance(self, seconds: float) -> None:
        self._weather_left -= seconds
        if self._weather_left <= 0.0:
            self.inflow = SHOWER if self.chance.random() < 0.1 else DRIZZLE * self.chance.random()
            self._weather_left = self.chance.uniform(900.0, 5400.0)
        self._control()
        running = sum(pump.running for pump in self.pumps)
        change = (self.inflow - PUMPS_OUT * running) * seconds / 3600.0 / AREA
        self.level = min(DEEP, max(0.0, self.level + change))
        for pump in self.pumps:
            pump.hours += seconds / HOUR * pump.running
        self._hour_left -= seconds
        if self._hour_left <= 0.0:
            self._hour_left += HOUR
            for pump in self.pumps:
                pump.starts_hour = pump.starts - pump.starts_before
                pump.starts_before = pump.starts

    def _control(self) -> None:
        if self.level <= STOP:
            for pump in self.pumps:
                pump.running = False
        first, second = self.pumps[self.duty], self.pumps[1 - self.duty]
        if self.level >= START and not (first.running or second.running):
            self._start(first)
            self.duty = 1 - self.duty
        if self.level >= ASSIST:
            for pump in (first, second):
                self._start(pump)
        for pump in self.pumps:
            if pump.ordered and self.level > DRY:
                self._start(pump)

    def _start(self, pump: SumpPump) -> None:
        pump.starts += not pump.running
        pump.running = True
