"""A booster set: three pumps with converters hold the pressure behind them, whatever is drawn.

Stepped in small fixed steps by whoever owns it. Units: bar, m³/h, s, W.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from math import sqrt
from random import Random

from sitewarden.simulators.plant.water import DENSITY, GRAVITY, Pump, demand

BAR = 10.2  # m of water
CAPACITY = 8.0  # m³/h of a pump before the next one joins it
JOINS, LEAVES = 0.95, 0.75  # of the capacity of those that run; of those that would be left
SETPOINT, FULL_SCALE = 4.5, 10.0  # bar, and the end of the sensor's scale
LOW_FLOW, DROP = 1.5, 0.5  # m³/h below which the set stops, and bar after which it starts again
INLET = 1.2  # bar of the street
SLACK = 3.0  # s in which the pressure follows the pumps upwards
SAGS = 0.002  # bar/s that the pressure tank gives way behind the check valves


class Force(IntEnum):
    """What a master writes to a pump's register."""

    AUTOMATIC, START, STOP = 0, 1, 2


@dataclass(slots=True)
class BoosterPump:
    hours: float
    force: Force = Force.AUTOMATIC
    fault: int = 0
    running: bool = False
    speed: float = 0.0  # of the rated speed
    power: float = 0.0
    celsius: float = 24.0

    @property
    def able(self) -> bool:
        return not self.fault and self.force is not Force.STOP

    @property
    def current(self) -> float:
        """A, three phases of 400 V."""
        return self.power / (sqrt(3.0) * 400.0 * 0.85) if self.running else 0.0

    def advance(self, seconds: float, speed: float, flow: float, head: float) -> None:
        """`speed`: wanted; `flow` of this pump and `head` (m) behind it."""
        change = seconds / Pump.RAMP
        goal = speed if self.running else 0.0
        self.speed += max(-change, min(change, goal - self.speed))
        hydraulic = DENSITY * GRAVITY * flow / 3600.0 * head
        idle = 280.0 * self.speed**3
        self.power = Pump.STANDBY + (idle + hydraulic / Pump.EFFICIENCY if self.running else 0.0)
        self.celsius += (24.0 + 0.011 * self.power - self.celsius) * seconds / 600.0
        self.hours += seconds / 3600.0 if self.running else 0.0


@dataclass(slots=True)
class Booster:
    chance: Random
    pumps: tuple[BoosterPump, ...] = field(init=False)
    pressure: float = SETPOINT  # behind the pumps
    inlet: float = INLET
    flow: float = 0.0
    energy: float = 0.0  # kWh
    idle: bool = False  # stopped for low flow

    def __post_init__(self) -> None:
        self.pumps = tuple(BoosterPump(self.chance.uniform(900, 9000)) for _ in range(3))
        self.energy = 1.1 * sum(pump.hours for pump in self.pumps)

    @property
    def head(self) -> float:
        """bar that the set adds."""
        return max(0.0, self.pressure - self.inlet)

    @property
    def power(self) -> float:
        return sum(pump.power for pump in self.pumps)

    @property
    def running(self) -> list[BoosterPump]:
        return [pump for pump in self.pumps if pump.running]

    def advance(self, seconds: float, second_of_day: float) -> None:
        self._stage()
        running = self.running
        share = self.flow / len(running) if running else 0.0
        speed = self._speed(share)
        for pump in self.pumps:
            pump.advance(seconds, speed, share if pump.running else 0.0, self.head * BAR)
        self.energy += self.power * seconds / 3.6e6
        # The street and the houses move on; the controller hears of it a step later.
        self.flow = demand(second_of_day) * (1.0 + self.chance.gauss(0.0, 0.01))
        self.inlet = INLET - 0.004 * self.flow + self.chance.gauss(0.0, 0.005)
        fastest = max((pump.speed for pump in running), default=0.0)
        made = max(0.0, Pump.SHUT_OFF * fastest**2 - Pump.CURVE * share**2) / BAR
        gap = self.inlet + made - self.pressure
        self.pressure += max(-SAGS * seconds, gap * min(1.0, seconds / SLACK))
        self.pressure = max(self.pressure, self.inlet)

    def _speed(self, share: float) -> float:
        """At which a pump that gives so much holds the set point."""
        lift = (SETPOINT - self.inlet) * BAR + Pump.CURVE * share**2
        return min(1.0, sqrt(max(0.0, lift) / Pump.SHUT_OFF))

    def _stage(self) -> None:
        """As many as the flow needs; who has run least joins first."""
        filled = self.pressure > SETPOINT - (DROP if self.idle else 0.02)
        self.idle = self.flow < LOW_FLOW and filled
        for pump in self.pumps:
            pump.running = pump.able and (pump.running or pump.force is Force.START)
        able = sorted((pump for pump in self.pumps if pump.able), key=lambda pump: pump.hours)
        count = len(self.running)
        if not self.idle and (count == 0 or self.flow > JOINS * CAPACITY * count):
            for pump in able:
                if not pump.running:
                    pump.running = True
                    break
        elif self.idle or (count > 1 and self.flow < LEAVES * CAPACITY * (count - 1)):
            free = [pump for pump in able if pump.running and pump.force is Force.AUTOMATIC]
            for pump in free[-1:]:
                pump.running = False
