"""Whatever the wire does to the bytes: right values or a stated error, never a wrong value."""

import itertools
from collections.abc import Callable, Mapping
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.framer import FramerAscii
from pymodbus.pdu import DecodePDU

from sitewarden.drivers.modbus.bus import Bus
from sitewarden.drivers.modbus.pace import ascii_line
from sitewarden.drivers.modbus.points import Table
from sitewarden.drivers.modbus.wire import Ascii, Echoing, Tcp, Wire
from sitewarden.rules.model import Quality
from tests.drivers.virtual import TURNAROUND, Slave, Tables, Virtual, bus, coil, holding, line, register, unit

GAP = 0.0004  # s between the pieces of one burst: below any silence


def mangle(chance: Random, answer: bytes, badness: float, tcp: bool) -> list[tuple[float, bytes]]:
    """Duplication, noise before and after, loss, delay, truncation, a flipped bit; and splits anywhere."""
    kinds = 5 if tcp else 7  # TCP itself neither loses nor flips a byte, and Modbus adds no check to it
    gap = 0.0 if tcp else GAP  # nor does a frame come between the pieces of another
    if chance.random() < badness:
        match chance.randrange(kinds):
            case 0:
                answer = answer + answer
            case 1:
                answer = chance.randbytes(chance.randrange(1, 9)) + answer
            case 2:
                answer = answer + chance.randbytes(chance.randrange(1, 9))
            case 3:
                answer = b""
            case 4:
                return [(chance.uniform(0.2, 0.9), answer)]
            case 5:
                answer = answer[: chance.randrange(len(answer))]
            case 6:
                place = chance.randrange(len(answer))
                answer = (
                    answer[:place] + bytes([answer[place] ^ 1 << chance.randrange(8)]) + answer[place + 1 :]
                )
    cuts = sorted({0, len(answer), *(chance.randrange(len(answer) + 1) for _ in range(chance.randrange(4)))})
    return [
        (TURNAROUND + n * gap, answer[start:end]) for n, (start, end) in enumerate(itertools.pairwise(cuts))
    ]


class AsciiSlave(Slave):
    def __init__(self, tables: dict[int, Tables]) -> None:
        super().__init__(tables, tcp=False)
        self._framer = FramerAscii(DecodePDU(is_server=True))


Served = tuple[Wire, Slave]
SERVED: Mapping[str, Callable[[dict[int, Tables]], Served]] = {
    "rtu": lambda tables: (line(19200), Slave(tables, tcp=False)),
    "rtu-over-tcp": lambda tables: (line(None), Slave(tables, tcp=False)),
    "rtu-echo": lambda tables: (Echoing(line(19200)), Slave(tables, tcp=False)),
    "ascii": lambda tables: (Ascii(ascii_line(10 / 19200)), AsciiSlave(tables)),
    "ascii-echo": lambda tables: (Echoing(Ascii(ascii_line(10 / 19200))), AsciiSlave(tables)),
    "tcp": lambda tables: (Tcp(), Slave(tables, tcp=True)),
    "tcp-4": lambda tables: (Tcp(window=4), Slave(tables, tcp=True)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVED)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), badness=st.sampled_from([0.1, 0.5, 1.0]))
def test_no_wrong_value_ever_and_good_ones_again_afterwards(name: str, seed: int, badness: float) -> None:
    """Every register holds what only this register of this unit can hold."""
    chance = Random(seed)
    units, tables = [], {}
    for n in (1, 2, 3):
        addresses = [0, 1, 50, 51, 100, 300]
        coils = [coil(f"c{k}", k) for k in range(3)]
        units.append(
            unit(f"u{n}", n, *(register(f"r{a}", a, scan="fast") for a in addresses), *coils, heartbeat=2)
        )
        tables[n] = {
            Table.HOLDING: {a: 1000 * n + a for a in addresses},
            Table.COIL: {0: n & 1, 1: n >> 1 & 1, 2: 1},
        }
    right = {f"u{n}.r{a}": value for n in tables for a, value in tables[n][Table.HOLDING].items()}
    right |= {f"u{n}.c{k}": value for n in tables for k, value in tables[n][Table.COIL].items()}

    wire, slave = SERVED[name](tables)
    echo = isinstance(wire, Echoing)
    world = Virtual(Bus("bus", wire, units), slave)
    world.wire = lambda asked, said: mangle(chance, asked + said if echo else said, badness, slave.tcp)
    world.run(20)
    for reading in world.readings():
        assert reading.value in (None, right[reading.point]), reading
        assert reading.value is not None or reading.quality is Quality.BAD

    world.wire = lambda asked, said: [(TURNAROUND, asked + said if echo else said)]
    world.run(35)
    last = {reading.point: reading for reading in world.readings()}
    assert {point: reading.value for point, reading in last.items()} == right
    assert {reading.quality for reading in last.values()} == {Quality.GOOD}


@pytest.mark.parametrize("jitter", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("latency", [0.35, 0.9, 1.65, 2.9])
def test_a_network_slower_than_the_time_out_gives_no_wrong_value(latency: float, jitter: float) -> None:
    """RTU through a serial server: nothing in a late answer says which read it is about."""
    chance = Random(1)
    registers = {0: 1000, 50: 1050, 200: 1200, 300: 1300}
    slow = unit("u", 1, *(register(f"r{address}", address) for address in registers))
    world = Virtual(bus([slow], baud=None), Slave({1: holding(registers)}, False))
    world.wire = lambda asked, said: [(latency + chance.uniform(0, jitter), said)]
    world.run(300)
    for address, value in registers.items():
        assert {r.value for r in world.readings(f"u.r{address}")} <= {None, value}
    world.wire = lambda asked, said: [(TURNAROUND, said)]
    world.run(60)
    assert {r.point: r.value for r in world.readings()} == {f"u.r{a}": v for a, v in registers.items()}
