"""A full serial line in virtual time: its use, its dead units, a TCP gateway's, and how long commands wait.

How fast the machine is makes no difference to any figure here.
"""

from collections.abc import Iterator
from itertools import pairwise
from random import Random

from sitewarden.drivers.modbus.request import WRITE_COIL
from sitewarden.drivers.modbus.station import PROBE_MOST
from sitewarden.rules.model import Command, Do
from tests.bench.measure import Figure, quantile
from tests.drivers.full_line import BOXED_UNITS, COILS, PACE, TURNAROUND, UNITS, Line, boxed_line, full_line

AT_ONCE = 0.001  # s; due again as soon as it was read: the line never rests
SPAN = 600.0  # s
LOAD = 0.9  # of the line's time, where it is to have some left
DEAD = 3, 7
COMMANDS = 2000


def figures() -> Iterator[Figure]:
    yield _use()
    yield _dead()
    yield _revived()
    yield from _boxed()
    yield from _commands()


def _use() -> Figure:
    line = full_line(AT_ONCE)
    line.world.run(SPAN)
    note = "12 units, 200 points, 9600 baud; baseline: what the reads of a round cannot do without"
    return Figure("line.round", SPAN / line.rounds(), "s", line.must_last(), 1 / 0.95, note=note)


def _dead() -> Figure:
    period = full_line(AT_ONCE).must_last() / LOAD
    line = full_line(period)
    line.world.run(10)
    line.dead(*DEAD)
    before = {unit.device: line.delivered(unit) for unit in line.units}
    line.world.run(SPAN)
    rates = [
        (line.delivered(unit) - before[unit.device]) / (SPAN / period * len(line.requests(unit)))
        for unit in line.units
        if unit.unit_id not in DEAD
    ]
    note = f"the worst of ten units while two are dead, on a line that is used to {LOAD:.0%}"
    return Figure("line.rate_beside_dead", min(rates), "of all", target=0.93, best="high", note=note)


def _revived() -> Figure:
    waits = []
    for seed in range(8):
        line, chance = full_line(2.0), Random(seed)
        line.world.run(10)
        line.dead(*range(1, UNITS + 1))
        line.world.run(chance.uniform(200, 300))
        alive = chance.randint(1, UNITS)
        line.dead(*(n for n in range(1, UNITS + 1) if n != alive))
        begun = line.world.now
        line.world.run(2 * PROBE_MOST)
        back, _ = line.world.links(f"unit-{alive}")[-1]
        waits.append(back - begun)
    note = "the slowest of eight, all other units dead; baseline: the probe interval"
    return Figure("line.revived_after", max(waits), "s", PROBE_MOST, 1.05, note=note)


def _boxed() -> Iterator[Figure]:
    delivered, gaps = [], []
    for silent in (False, True):
        line = boxed_line(1.0, silent)
        line.dead(DEAD[0])
        line.world.run(SPAN)
        for unit in line.units:
            if unit.unit_id != DEAD[0]:
                answered = [mono for mono, frame in line.world.heard if frame[6] == unit.unit_id]
                delivered.append(line.world.bus.counters[unit.device].answers / SPAN)
                gaps.append(max(after - before for before, after in pairwise(answered)))
    note = (
        f"{BOXED_UNITS} units of ten registers each second behind a TCP gateway, one dead: the worst live one"
    )
    yield Figure("line.gateway_delivered", min(delivered), "of all", target=0.98, best="high", note=note)
    yield Figure("line.gateway_longest_gap", max(gaps), "s", target=2.0, note="the same; it waits 1 s itself")


def _commands() -> Iterator[Figure]:
    """A coil is switched at any instant while the line is full."""
    line, chance = full_line(AT_ONCE), Random(7)
    line.world.run(5)
    waits = []
    for n in range(COMMANDS):
        line.world.run(chance.uniform(0.15, 0.35))
        told, seen = line.world.now, len(line.world.asked)
        line.world.command(Command("unit-12", f"out{n % COILS}", Do.SET if n // COILS % 2 else Do.CLEAR))
        line.world.run(0.15)
        waits.append(next(mono for mono, frame in line.world.asked[seen:] if frame[1] == WRITE_COIL) - told)
    waits.sort()
    longest = _longest(line)
    note = "baseline: the longest exchange on the line, turnaround and silences included"
    for name, wait in (("p50", quantile(waits, 0.5)), ("p99", quantile(waits, 0.99)), ("longest", waits[-1])):
        yield Figure(f"line.command_waits_{name}", wait * 1000, "ms", longest * 1000, 1.0, note=note)


def _longest(line: Line) -> float:
    """s of the longest exchange that the line was used for."""
    return max(
        PACE.exchange(5, 2 + 2 * int.from_bytes(frame[4:6], "big"), TURNAROUND)
        for frame in line.requests()
        if frame[1] == 3
    )
