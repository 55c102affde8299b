"""How well a serial line's time is used, in virtual time, and what a value costs the processor."""

import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from random import Random

from sitewarden.config.profile import SHIPPED, load_profile
from sitewarden.drivers.modbus.bus import Bus
from sitewarden.drivers.modbus.codec import BIT_TABLES, width
from sitewarden.drivers.modbus.feasible import forecast
from sitewarden.drivers.modbus.pace import NETWORK, rtu
from sitewarden.drivers.modbus.planner import plan
from sitewarden.drivers.modbus.points import Kind, Point, Profile, Table, Unit
from sitewarden.drivers.modbus.wire import Rtu
from sitewarden.drivers.plan import BusPlan, Framing, TcpPort
from sitewarden.simulators.drift import Drift
from sitewarden.simulators.modbus_slave import ModbusSlave, SlaveUnit
from tests.bench.measure import Figure, seconds
from tests.bench.stream import POINTS, at, images, polls

BAUD, BITS = 9600, 11  # a character: start, eight data, parity, stop
CHARACTER = BITS / BAUD
SILENCE = 3.5 * CHARACTER  # between two frames (serial line V1.02, 2.5.1.1)
REQUEST, FRAME = 8, 5  # bytes of a read, and of its answer without the data
SPAN = 60.0  # s
ALWAYS = dict.fromkeys(("fast", "normal", "slow"), 0.001)  # s; due at once again: the line never rests
ROUNDS = 20


def figures() -> Iterator[Figure]:
    units = [_unit("pump-1", 11, "grundfos-cim"), _unit("pump-2", 12, "grundfos-cim")]
    units.append(_unit("tank", 21, "level-4-20ma"))
    used, rounds = _line(units)
    note = f"two pumps and a tank at {BAUD} baud, in frames and the silences that must be"
    yield Figure("modbus.line_time_used", used, "of all", target=0.95, best="high", note=note)
    joined = SPAN / rounds
    best = sum(_best(unit.profile) for unit in units)
    alone = sum(
        _exchange(_size(point.table, width(point))) for unit in units for point in unit.profile.points
    )
    note = "every point once; baseline: the quickest of all ways to join the reads"
    yield Figure("modbus.round", joined, "s", best, 1.05, note=note)
    yield Figure("modbus.round_point_by_point", joined, "s", alone, note="baseline: a read for each point")
    yield from _reckoned()
    yield from _cpu()


# -- before anything runs ------------------------------------------------------------------------


def _reckoned() -> Iterator[Figure]:
    """s to plan the reads of ten thousand registers, and to reckon their ages. Baseline: ten times the time
    for a thousand."""
    few, many = _registers(1_000), _registers(10_000)
    note = "10,000 registers; baseline: ten times what 1,000 take"
    ways: dict[str, Callable[[Unit], object]] = {
        "plan": lambda unit: plan(unit, NETWORK),
        "forecast": lambda unit: forecast(TcpPort("127.0.0.1", 502), BusPlan(Framing.TCP, (unit,))),
    }
    for name, way in ways.items():
        baseline = 10 * seconds(partial(way, few))
        yield Figure(f"modbus.{name}_10k", seconds(partial(way, many)), "s", baseline, 2.0, note=note)


def _registers(count: int) -> Unit:
    points = tuple(Point(f"r{n}", Table.HOLDING, n, Kind.U16) for n in range(count))
    return Unit("unit", 1, Profile("wide", points))


# -- a serial line -------------------------------------------------------------------------------


def _unit(device: str, unit_id: int, profile: str) -> Unit:
    return Unit(device, unit_id, load_profile(profile, [SHIPPED]), ALWAYS)


def _line(units: Sequence[Unit]) -> tuple[float, float]:
    """How much of the time the line is in use, and how often everything was read, in `SPAN` s."""
    bus = Bus("pumps", Rtu(rtu(CHARACTER, BAUD)), units)
    slave = ModbusSlave(
        Framing.RTU, [SlaveUnit(unit, Drift(unit.profile, Random(unit.device))) for unit in units]
    )
    now, used, answers = 0.0, 0.0, 0
    outputs = bus.connected(at(now))
    while now < SPAN:
        request = b"".join(output for output in outputs if isinstance(output, bytes))
        if not request:
            due = bus.wake_at
            assert due is not None
            now = max(now, due - at(0.0).mono)
            outputs = bus.woken(at(now))
            continue
        now += len(request) * CHARACTER + SILENCE
        (answer,) = slave.received(request, at(now))
        now += len(answer) * CHARACTER
        used += (len(request) + len(answer)) * CHARACTER + 2 * SILENCE
        answers += 1
        outputs = bus.received(answer, at(now))
    return used / now, answers / sum(len(plan(unit, rtu(CHARACTER, BAUD))) for unit in units)


def _exchange(size: int) -> float:
    """s of a read whose answer has so many bytes of data."""
    return (REQUEST + FRAME + size) * CHARACTER + 2 * SILENCE


def _size(table: Table, count: int) -> int:
    return -(-count // 8) if table in BIT_TABLES else 2 * count


def _best(profile: Profile) -> float:
    """s of the quickest reads that fetch every point once: of all ways to join neighbours the best, whatever
    their scan class, since all are due at once."""
    points = sorted(profile.points, key=lambda point: (point.table, point.address))
    total = 0.0
    for table, together in groupby(points, lambda point: point.table):
        spans = [(point.address, point.address + width(point)) for point in together]
        best = [0.0]  # of the first so many points
        for end in range(1, len(spans) + 1):
            reach = max(last for _, last in spans[:end])
            firsts = enumerate(first for first, _ in spans[:end])
            best.append(min(best[n] + _exchange(_size(table, reach - first)) for n, first in firsts))
        total += best[-1]
    return total


# -- the processor -------------------------------------------------------------------------------


def _cpu() -> Iterator[Figure]:
    """µs a value through the bus driver, the engine and the core, over Modbus TCP from memory."""
    packed = images(1.0)[0]

    def bare() -> None:
        for _ in range(ROUNDS):
            for (raw,) in struct.iter_unpack(">H", packed):
                raw * 0.1

    floor = seconds(bare) / (ROUNDS * POINTS) * 1e6
    for changing, name in ((1.0, "changing"), (0.0, "steady")):
        stream = polls(changing)
        next(stream)

        def read(stream: Iterator[object] = stream) -> None:
            for _ in islice(stream, ROUNDS):
                pass

        value = seconds(read) / (ROUNDS * POINTS) * 1e6
        note = "baseline: struct and a multiplication" if changing else "no value changes"
        yield Figure(f"modbus.us_per_value_{name}", value, "µs", floor, note=note)
