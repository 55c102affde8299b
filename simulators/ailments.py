"""What may be wrong with a Modbus unit, by name, as bad as it is met in the field."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from sitewarden.drivers.modbus.codec import width
from sitewarden.simulators.modbus_slave import SlaveUnit
from sitewarden.simulators.registers import ILLEGAL_ADDRESS
from sitewarden.simulators.wire import Faults

SLOW, JITTER = 0.15, 0.3  # s
NOISE = Faults(noise=0.02, loss=0.01, stray=0.05, split=0.2)


class Ailment(StrEnum):
    DEAF = "deaf"  # switched off, or its wires are cut
    SLOW = "slow"  # its answers take long, each another time
    NOISY = "noisy"  # bits of its answers flip, bytes get lost
    HALF_DEAD = "half_dead"  # it refuses one half of its points
    BABBLING = "babbling"  # it speaks unasked as well


def ail(unit: SlaveUnit, ailment: Ailment, mono: float) -> None:
    AILMENTS[ailment](unit, mono)


def heal(unit: SlaveUnit) -> None:
    unit.deaf, unit.turnaround, unit.jitter = False, 0.0, 0.0
    unit.faults = unit.babbles_at = None
    unit.registers.refused.clear()


def health(unit: SlaveUnit) -> tuple[object, ...]:
    """Equal as long as nothing else is wrong with it."""
    refused, babbles = len(unit.registers.refused), unit.babbles_at is not None
    return unit.deaf, unit.turnaround, unit.faults, refused, babbles


def _deaf(unit: SlaveUnit, mono: float) -> None:
    unit.deaf = True


def _slow(unit: SlaveUnit, mono: float) -> None:
    unit.turnaround, unit.jitter = SLOW, JITTER


def _noisy(unit: SlaveUnit, mono: float) -> None:
    unit.faults = NOISE


def _half_dead(unit: SlaveUnit, mono: float) -> None:
    points = sorted(unit.unit.profile.points, key=lambda point: (point.table, point.address))
    for point in points[len(points) // 2 :]:
        for address in range(point.address, point.address + width(point)):
            unit.registers.refused[point.table, address] = ILLEGAL_ADDRESS


def _babbling(unit: SlaveUnit, mono: float) -> None:
    unit.babbles_at = mono


AILMENTS: Mapping[Ailment, Callable[[SlaveUnit, float], None]] = {
    Ailment.DEAF: _deaf,
    Ailment.SLOW: _slow,
    Ailment.NOISY: _noisy,
    Ailment.HALF_DEAD: _half_dead,
    Ailment.BABBLING: _babbling,
}
