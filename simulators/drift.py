"""Plausible values for points of which nothing else is known: slow waves inside each point's range."""

from collections.abc import Mapping
from math import sin, tau
from random import Random

from sitewarden.drivers.modbus.points import Kind, Point, Profile
from sitewarden.rules.model import Stamp, Value

SLOWEST, QUICKEST = 5400.0, 900.0  # s of a whole wave
QUANTUM = 10.0  # s in which the value stands still
FULL_SCALE = {Kind.U8H: 255.0, Kind.U8L: 255.0, Kind.I16: 32_767.0, Kind.BCD: 9_999.0}


class Drift:
    """A source for any profile. What is written stays as it was written."""

    def __init__(self, profile: Profile, chance: Random) -> None:
        self._waves = {
            point.name: (point, chance.uniform(QUICKEST, SLOWEST), chance.random())
            for point in profile.points
        }
        self._written: dict[str, Value] = {}
        self._slot, self._values = -1.0, dict[str, Value | None]()

    def values(self, at: Stamp) -> Mapping[str, Value | None]:
        if (slot := at.mono // QUANTUM) != self._slot:
            self._slot = slot
            for name, (point, period, phase) in self._waves.items():
                self._values[name] = _value(point, sin(tau * (slot * QUANTUM / period + phase)))
            self._values |= self._written
        return self._values

    def write(self, point: str, value: Value, at: Stamp) -> None:
        self._written[point] = self._values[point] = value


def _value(point: Point, wave: float) -> Value:
    """`wave`: -1 to 1. Switches are off, words are the point's name, the rest stays in its middle."""
    match point.kind:
        case Kind.BOOL | Kind.BIT:
            return False
        case Kind.BITS:
            return 0
        case Kind.ENUM:
            return min(point.names, default=0)
        case Kind.STRING:
            return point.name.upper()[: 2 * point.words]
    scale_end = FULL_SCALE.get(point.kind, 65_534.0 if point.kind is Kind.U16 else 1e5)
    ends = point.offset, point.offset + point.scale * scale_end
    low = _first(point.normal_low, point.low, min(ends))
    high = _first(point.normal_high, point.high, max(ends))
    return (low + high) / 2 + wave * (high - low) / 4


def _first(*numbers: float | None) -> float:
    return next(number for number in numbers if number is not None)
