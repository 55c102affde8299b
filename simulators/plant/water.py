"""Drinking water of an estate: two pumps fill a roof tank through one riser, the houses drain it.

Stepped in small fixed steps by whoever owns it. Volume is conserved: `filled` minus `drawn`, `leaked`
and `spilt` is what the tank gained. Units: m, m³, m³/h, s, bar.
"""

from dataclasses import dataclass, field
from math import sqrt
from random import Random

GRAVITY, DENSITY = 9.81, 998.0
BAR = 10.2  # m of water
RISE = 26.0  # m from the pumps to the tank's floor

AREA, FULL = 3.0, 3.0  # the tank: m², and m where it spills
START, ASSIST, STOP = 1.6, 1.2, 2.4  # m: duty pump on, second pump too, both off
HOLE = 0.0045  # m² of a torn DN 80 branch
DISCHARGE = 0.62  # contraction of the jet (Torricelli)
TORN = 0.15  # of the static head that is left in a torn riser

HOUSEHOLDS, PER_DAY = 300, 0.4  # m³ a household draws a day
DEMAND = (  # of a day's water in each hour, per mille: a morning and an evening peak
    *(9, 6, 5, 5, 8, 24, 62, 84, 66, 48, 42, 44),
    *(50, 42, 36, 34, 38, 50, 70, 82, 78, 60, 39, 18),
)


def demand(second_of_day: float) -> float:
    """m³/h that the houses draw, linear between the middles of the hours."""
    hour, part = divmod(second_of_day / 3600.0 - 0.5, 1.0)
    before, after = DEMAND[int(hour) % 24], DEMAND[int(hour + 1) % 24]
    return HOUSEHOLDS * PER_DAY * (before + (after - before) * part) / sum(DEMAND)


class PumpFault:
    """Alarm codes a Grundfos CIM module shows."""

    NONE, BLOCKED, DRY = 0, 51, 57


class Pump:
    """A multistage pump with a frequency converter. The head curve is H = SHUT_OFF n² - CURVE Q²."""

    SHUT_OFF, CURVE, PIPE = 48.0, 0.062, 0.040  # m, m/(m³/h)², and the riser's friction
    RATED = 2900.0  # rpm
    RAMP = 4.0  # s from standstill to the rated speed
    EFFICIENCY, STANDBY = 0.55, 18.0  # and W of the electronics

    def __init__(self, hours: float = 0.0, starts: int = 0) -> None:
        self.on = False  # what the controller wants
        self.released = True  # nobody has switched it off by bus
        self.fault = PumpFault.NONE
        self.speed = 0.0  # 0 to 1
        self.flow, self.head, self.power, self.current = 0.0, 0.0, self.STANDBY, 0.0
        self.celsius = 24.0
        self.hours, self.starts, self.energy = hours, starts, hours * 2.4

    @property
    def running(self) -> bool:
        return self.on and self.able

    @property
    def able(self) -> bool:
        return self.released and self.fault == PumpFault.NONE

    def switch(self, on: bool) -> None:
        self.starts += on and not self.on
        self.on = on

    def advance(self, seconds: float, static: float, torn: bool) -> None:
        """`static`: m of water the pump works against; `torn`: the riser is open below the tank."""
        change = seconds / self.RAMP
        self.speed = min(1.0, self.speed + change) if self.running else max(0.0, self.speed - change)
        lift = self.SHUT_OFF * self.speed**2 - static * (TORN if torn else 1.0)
        friction = self.CURVE + self.PIPE * (TORN if torn else 1.0)
        self.flow = sqrt(lift / friction) if lift > 0.0 else 0.0
        self.head = max(self.SHUT_OFF * self.speed**2 - self.CURVE * self.flow**2, 0.0)
        hydraulic = DENSITY * GRAVITY * self.flow / 3600.0 * self.head
        idle = 280.0 * self.speed**3  # W that bearings and windage take
        self.power = self.STANDBY + idle + hydraulic / self.EFFICIENCY
        self.current = self.power / (sqrt(3.0) * 400.0 * 0.85) if self.running else 0.0
        self.celsius += (24.0 + 0.011 * self.power - self.celsius) * seconds / 600.0
        self.energy += self.power * seconds / 3.6e6
        self.hours += seconds / 3600.0 if self.running else 0.0


@dataclass(slots=True)
class Tank:
    level: float = 2.0
    filled: float = 0.0
    drawn: float = 0.0
    leaked: float = 0.0
    spilt: float = 0.0

    def advance(self, seconds: float, inflow: float, wanted: float, leak: float) -> None:
        """All three in m³/h; an empty tank gives no more than what comes in."""
        came, drawn, leaked = (rate * seconds / 3600.0 for rate in (inflow, wanted, leak))
        stock = self.level * AREA + came
        if drawn + leaked > stock:
            share = stock / (drawn + leaked)
            drawn, leaked = drawn * share, leaked * share
        left = max(0.0, stock - drawn - leaked)
        spilt = max(0.0, left - FULL * AREA)
        self.level = (left - spilt) / AREA
        self.filled, self.spilt = self.filled + came, self.spilt + spilt
        self.drawn, self.leaked = self.drawn + drawn, self.leaked + leaked


@dataclass(slots=True)
class Waterworks:
    """The tank, its pumps, and the controller that changes the duty pump at every start."""

    pumps: list[Pump]
    chance: Random
    tank: Tank = field(default_factory=Tank)
    torn: bool = False
    ripple: float = 0.0  # relative, what the sensors see of turbulence
    _duty: int = 0

    @property
    def pressure(self) -> float:
        """bar at the gauge at the foot of the riser, behind the check valves."""
        static = (RISE + self.tank.level) * (TORN if self.torn else 1.0)
        return max([static, *(pump.head for pump in self.pumps)]) / BAR * (1.0 + self.ripple)

    def advance(self, seconds: float, second_of_day: float) -> None:
        self._control()
        static = RISE + self.tank.level
        for pump in self.pumps:
            pump.advance(seconds, static, self.torn)
        leak = DISCHARGE * HOLE * sqrt(2 * GRAVITY * static) * 3600.0 if self.torn else 0.0
        inflow = 0.0 if self.torn else sum(pump.flow for pump in self.pumps)  # torn: it runs into the street
        self.ripple = self.chance.gauss(0.0, 0.002)
        self.tank.advance(seconds, inflow, demand(second_of_day), leak)

    def _control(self) -> None:
        level, able = self.tank.level, [pump for pump in self.pumps if pump.able]
        on = [pump for pump in able if pump.on]
        if level >= STOP:
            for pump in on:
                pump.switch(False)
        elif able and (level <= ASSIST or (level <= START and not on) or self._lost_one(on)):
            self._start(able, len(able) if level <= ASSIST else 1)
        for pump in self.pumps:
            if not pump.able:
                pump.switch(False)

    def _lost_one(self, on: list[Pump]) -> bool:
        """The duty pump tripped while it filled: the other one takes over."""
        return not on and any(pump.on for pump in self.pumps)

    def _start(self, able: list[Pump], wanted: int) -> None:
        running = sum(pump.on for pump in able)
        for turn in range(len(self.pumps)):
            pump = self.pumps[(self._duty + turn) % len(self.pumps)]
            if running < wanted and pump in able and not pump.on:
                pump.switch(True)
                running += 1
        self._duty = (self._duty + 1) % len(self.pumps)
