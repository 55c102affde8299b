"""A motor behind a frequency converter: it ramps, draws current, warms up, trips and is reset.

The ramps are formulas, so that the speed is exact however seldom somebody looks.
"""

from dataclasses import dataclass, field
from math import exp, sin, tau
from random import Random

RATED_HZ, RATED_RPM = 50.0, 1455.0
RATED_KW, RATED_AMPERE = 7.5, 15.2
RAMP, COAST = 3.0, 12.0  # s from the rated speed to standstill: by the converter, and without it
IDLE = 0.35  # of the rated current that a motor without load draws
AMBIENT, WARMTH, SOAK = 28.0, 34.0, 400.0  # °C, °C above it at the rated power, s
WAVE, SWAY = 97.0, 0.03  # s and part of the load that comes and goes
OVERLOAD = 0x0000_0100  # an alarm word; the sources do not name its bits


@dataclass(slots=True)
class Drive:
    chance: Random
    mono: float  # now
    on: bool = True  # what the master wants
    coasts: bool = False  # stops without its ramp
    reference: float = 0.7  # of the rated speed; negative: the other way around
    backwards: bool = False  # the master has turned the sense
    speed: float = 0.7  # of the rated speed
    alarm: int = 0  # the alarm word; the drive has tripped while it is not 0
    celsius: float = AMBIENT
    _phase: float = field(init=False)

    def __post_init__(self) -> None:
        self._phase = self.chance.random()

    @property
    def running(self) -> bool:
        return self.on and not self.alarm

    @property
    def goal(self) -> float:
        """The speed that it ramps to."""
        return (-self.reference if self.backwards else self.reference) if self.running else 0.0

    @property
    def at_reference(self) -> bool:
        return self.running and abs(self.speed - self.goal) < 0.001

    @property
    def load(self) -> float:
        """Of the rated load at this speed: a fan or a pump."""
        return self.speed**2 * (1.0 + SWAY * sin(tau * (self.mono / WAVE + self._phase)))

    @property
    def power(self) -> float:
        """kW"""
        return RATED_KW * abs(self.speed) * self.load if self.running else 0.0

    @property
    def current(self) -> float:
        """A"""
        return RATED_AMPERE * (IDLE + (1.0 - IDLE) * self.load) if self.running else 0.0

    def advance(self, mono: float) -> None:
        seconds, self.mono = mono - self.mono, mono
        most = seconds / (COAST if self.coasts or self.alarm else RAMP)
        self.speed += max(-most, min(most, self.goal - self.speed))
        warm = AMBIENT + WARMTH * self.power / RATED_KW
        self.celsius = warm + (self.celsius - warm) * exp(-seconds / SOAK)

    def switch(self, on: bool, coasts: bool = False) -> None:
        self.on, self.coasts = on, coasts

    def trip(self, alarm: int = OVERLOAD) -> None:
        self.alarm = alarm

    def reset(self) -> None:
        """Who tripped starts only when it is told so once more."""
        if self.alarm:
            self.alarm, self.on = 0, False
