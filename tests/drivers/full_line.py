"""Twelve units with two hundred points on one line at 9600 baud; and a box with five units behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from sitewarden.drivers.modbus.bus import Bus
from sitewarden.drivers.modbus.pace import rtu
from sitewarden.drivers.modbus.planner import plan
from sitewarden.drivers.modbus.points import PROBES, Kind, Point, Profile, Table, Unit
from sitewarden.drivers.modbus.wire import Rtu, Tcp
from sitewarden.drivers.plan import Framing
from sitewarden.simulators.drift import Drift
from sitewarden.simulators.modbus_slave import ModbusSlave, SlaveUnit
from sitewarden.simulators.serial_gateway import GatewayLine, SerialGateway
from sitewarden.simulators.wire import Faults
from tests.drivers.paced import Paced

BAUD = 9600
CHARACTER = 10 / BAUD  # s; 8N1
PACE = rtu(CHARACTER, BAUD)
UNITS, POINTS = 12, 200
TURNAROUND = 0.005  # s that a unit thinks
COILS = 4  # of the last unit, to be written
BOXED_UNITS, BOXED_POINTS = 5, 10


@dataclass(slots=True)
class Line:
    world: Paced
    units: Sequence[Unit]
    slaves: Sequence[SlaveUnit]

    def dead(self, *unit_ids: int) -> None:
        """These units answer nothing; the others do."""
        for slave in self.slaves:
            slave.deaf = slave.unit.unit_id in unit_ids

    def noisy(self, noise: float) -> None:
        """So much of all bytes that the units say come with a bit flipped."""
        for slave in self.slaves:
            slave.faults = Faults(noise=noise)

    def delivered(self, unit: Unit) -> int:
        """How many reads of the unit brought values, from the beginning on."""
        counters = self.world.bus.counters[unit.device]
        return counters.answers - counters.exceptions

    def rounds(self) -> float:
        """How often all values came, from the beginning on. Nothing but reads was asked."""
        return sum(map(self.delivered, self.units)) / len(self.requests())

    def asked(self, unit: Unit, since: float) -> int:
        """How many requests went to the unit since then."""
        return sum(frame[0] == unit.unit_id for mono, frame in self.world.asked if mono >= since)

    def requests(self, unit: Unit | None = None) -> set[bytes]:
        """The different ones that were made, of this unit or of all."""
        return {frame for _, frame in self.world.asked if unit is None or frame[0] == unit.unit_id}

    def must_last(self) -> float:
        """s that the line cannot do without for one round of all reads."""
        return sum(
            PACE.exchange(5, 2 + (2 * block.count if block.table is Table.HOLDING else 1), TURNAROUND)
            for unit in self.units
            for block in plan(unit, PACE)
        )


def full_line(period: float, probes: float = PROBES) -> Line:
    """Every point is read each `period` s."""
    chance = Random(12)
    scan = dict.fromkeys(("fast", "normal", "slow"), period)
    units = []
    for number in range(1, UNITS + 1):
        writable = COILS if number == UNITS else 0
        share = POINTS // UNITS + (number <= POINTS % UNITS) - writable
        addresses = sorted(chance.sample(range(60), share))
        points = [Point(f"r{address}", Table.HOLDING, address, Kind.U16) for address in addresses]
        points += [
            Point(f"out{n}", Table.COIL, n, Kind.BOOL, scan="fast", writable=True) for n in range(writable)
        ]
        profile = Profile("some", tuple(points), turnaround=TURNAROUND)
        units.append(Unit(f"unit-{number}", number, profile, scan))
    slaves = _slaves(units, TURNAROUND)
    world = Paced(Bus("line", Rtu(PACE), units, probes), ModbusSlave(Framing.RTU, slaves), CHARACTER)
    return Line(world, units, slaves)


def boxed_line(timeout: float, silent: bool) -> Line:
    """Five units of ten registers behind a TCP gateway, polled each second; see `GatewayLine`."""
    points = tuple(Point(f"r{n}", Table.HOLDING, n, Kind.U16) for n in range(BOXED_POINTS))
    units = [Unit(f"unit-{n}", n, Profile("ten", points)) for n in range(1, BOXED_UNITS + 1)]
    slaves = _slaves(units, 0.02)
    box = SerialGateway(GatewayLine(slaves, PACE, timeout, silent))
    return Line(Paced(Bus("box", Tcp(), units), box), units, slaves)


def _slaves(units: Sequence[Unit], turnaround: float) -> list[SlaveUnit]:
    slaves = [SlaveUnit(unit, Drift(unit.profile, Random(unit.device))) for unit in units]
    for slave in slaves:
        slave.turnaround = turnaround
    return slaves
