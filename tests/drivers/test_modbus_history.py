"""Whatever happened to a bus: once all is well again, every unit is read and does as it was told."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.drivers.modbus.points import Table
from sitewarden.rules.model import Do, Quality, Trouble
from tests.drivers.virtual import TURNAROUND, Slave, Tables, Virtual, bus, coil, register, unit

UNITS, STEPS = range(1, 5), 40
REGISTERS, COILS = (0, 1, 50, 51, 200), range(3)
HEALED = 90.0  # s; a probe comes after 30 s at most, and others before it


def tables(number: int) -> Tables:
    holding = {address: 1000 * number + address for address in REGISTERS}
    return {Table.HOLDING: holding, Table.COIL: dict.fromkeys(COILS, 0)}


class History:
    def __init__(self, tcp: bool, baud: int | None, window: int, seed: int) -> None:
        points = *(register(f"r{a}", a) for a in REGISTERS), *(coil(f"out{k}", k) for k in COILS)
        units = [unit(f"u{n}", n, *points) for n in UNITS]
        self.world = Virtual(bus(units, tcp, baud, window), Slave({n: tables(n) for n in UNITS}, tcp))
        self.held: dict[tuple[int, int], bool] = {}
        self._chance = Random(seed)

    def suffer(self) -> None:
        chance, slave = self._chance, self.world.slave
        what = chance.choice([self._lose, self._break, self._tell, self._tell])
        match chance.randrange(6):
            case 0:
                slave.dead.add(chance.choice(UNITS))
            case 1:
                slave.dead.discard(chance.choice(UNITS))
            case 2:
                slave.refuses = chance.choice([{}, {}, {3: 2}, {3: 2}, {3: 4}, {5: 6}, {1: 1}, {15: 1}])
            case _:
                what()
        self.world.run(chance.uniform(0.05, 4.0))

    def heal(self) -> None:
        self.world.slave.dead.clear()
        self.world.slave.refuses = {}
        self.world.wire = lambda _, said: [(TURNAROUND, said)]
        self.world.run(HEALED)

    def _lose(self) -> None:
        chance = self._chance
        loss, slow = chance.choice([0.0, 0.3]), chance.choice([0.0, 0.4])
        self.world.wire = lambda _, said: (
            [] if chance.random() < loss else [(TURNAROUND + chance.random() * slow, said)]
        )

    def _break(self) -> None:
        self.world.lost()
        self.world.run(self._chance.uniform(0.1, 2.0))
        self.world.connected()

    def _tell(self) -> None:
        number, output, on = (
            self._chance.choice(UNITS),
            self._chance.choice(COILS),
            self._chance.random() < 0.5,
        )
        self.held[number, output] = on
        self.world.command(f"out{output}", Do.SET if on else Do.CLEAR, device=f"u{number}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tcp", "baud", "window"),
    [(False, 9600, 1), (False, None, 1), (True, None, 1), (True, None, 4)],
    ids=["rtu", "rtu-over-tcp", "tcp", "tcp-4"],
)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_once_all_is_well_everything_is_as_it_should_be(
    tcp: bool, baud: int | None, window: int, seed: int
) -> None:
    history = History(tcp, baud, window, seed)
    world = history.world
    for _ in range(STEPS):
        history.suffer()
    history.heal()
    newest = {reading.point: (reading.value, reading.quality) for reading in world.readings()}
    asked = {n: len(world.requests(n)) for n in UNITS}
    world.run(5)
    for n in UNITS:
        assert [link.up for link in world.links() if link.device == f"u{n}"][-1]
        assert len(world.requests(n)) >= asked[n] + 5, "it is read on"
        for address in REGISTERS:
            assert newest[f"u{n}.r{address}"] == (1000 * n + address, Quality.GOOD)
    for (n, output), on in history.held.items():
        assert world.slave.tables[n][Table.COIL][output] == on
    troubles = [event for event in world.events if isinstance(event, Trouble) and event.lasts]
    standing = {(event.code, event.subject): event.on for event in troubles}
    assert not any(standing.values()), "what was told is told to be over"
