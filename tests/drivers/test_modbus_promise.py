"""The ages that are promised beforehand, against the bus itself on a line as slow as a real one."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

import pytest

from sitewarden.drivers.modbus.bus import Bus
from sitewarden.drivers.modbus.feasible import Poll, forecast
from sitewarden.drivers.modbus.points import Kind, Point, Profile, Table, Unit
from sitewarden.drivers.modbus.request import read
from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, SerialPort, build, pace
from sitewarden.rules.model import Do
from tests.drivers.virtual import Slave, Tables, Virtual, coil, register

PORT = SerialPort("ports/bus", 9600)
LINE = pace(PORT, Framing.RTU)
CHECK = 3  # bytes of an RTU frame around its PDU
EVERYTHING: Tables = {table: dict.fromkeys(range(1000), 1) for table in Table}


class Line:
    """Frames take their time on it, and so do the devices: `thinks` s, by unit id."""

    def __init__(self, thinks: Callable[[int], float]) -> None:
        self.thinks = thinks
        self.took: list[tuple[float, float]] = []  # of each request: s on the line, s until it was answered

    def __call__(self, request: bytes, answer: bytes) -> Iterable[tuple[float, bytes]]:
        asked, answered = (LINE.lasts(len(frame) - CHECK) for frame in (request, answer))
        whole = asked + max(LINE.silence, self.thinks(request[0])) + answered
        self.took.append((asked, whole))
        return [(whole, answer)]


class World(Virtual):
    """The bus of these units, and a command now and then."""

    def __init__(self, units: tuple[Unit, ...], thinks: Callable[[int], float]) -> None:
        self.units, self.line = units, Line(thinks)
        driver = build(LinkPlan("bus", PORT, BusPlan(Framing.RTU, units)))
        assert isinstance(driver, Bus)
        super().__init__(driver, Slave({unit.unit_id: EVERYTHING for unit in units}, tcp=False), self.line)

    def oldest(self) -> dict[bytes, float]:
        """By request of a read: s that its values were old at most, each as old as the end of its request."""
        last: dict[bytes, float] = {}
        oldest: dict[bytes, float] = {}
        for (sent, frame), (asked, whole) in zip(self.sent, self.line.took, strict=True):
            request = frame[:-2]
            oldest[request] = max(oldest.get(request, 0.0), sent + whole - last.get(request, sent))
            last[request] = sent + asked
        return {request: max(oldest[request], self.now - last[request]) for request in oldest}


def asked(poll: Poll) -> bytes:
    request = read(poll.unit.unit_id, poll.block.table, poll.block.first, poll.block.count)
    return bytes([request.unit_id]) + request.pdu


def kept(world: World) -> list[float]:
    """How much of the promised age each poll came to: never more than all of it."""
    said = forecast(PORT, BusPlan(Framing.RTU, world.units))
    assert not said.late
    found = world.oldest()
    return [found[asked(poll)] / said.oldest(poll) for poll in said.polls]


def commanded(world: World, random: Random, seconds: float, pause: float) -> None:
    """Runs it, and switches a coil now and then."""
    outputs = [(unit.device, p.name) for unit in world.units for p in unit.profile.points if p.writable]
    end = world.now + seconds
    while world.now < end:
        world.run(min(pause * random.uniform(1.0, 2.0), end - world.now))
        if outputs:
            device, output = random.choice(outputs)
            world.command(output, random.choice([Do.SET, Do.CLEAR]), device=device)


def relay(n: int) -> Unit:
    """8 outputs and 8 inputs."""
    inputs = (Point(f"in{at}", Table.DISCRETE, at, Kind.BOOL, scan="fast") for at in range(8))
    points = (*(coil(f"out{at}", at) for at in range(8)), *inputs)
    return Unit(f"io-{n}", 100 + n, Profile("relay", points, turnaround=0.01), {"fast": 0.5})


def pump(n: int) -> Unit:
    """12 registers that change and 4 or 5 that seldom do."""
    points = [register(f"r{at}", 200 + at) for at in range(12)]
    points += [register(f"s{at}", 300 + at, scan="slow") for at in range(4 + (n < 8))]
    scan = {"normal": 1.0, "slow": 10.0}
    return Unit(f"pump-{n}", 1 + n, Profile("pump", tuple(points), turnaround=0.02), scan)


@pytest.mark.slow
def test_no_value_is_older_than_was_promised_in_an_hour() -> None:
    """12 units and 200 points at 9600 baud, each as slow as it may be."""
    units = (*map(relay, range(2)), *map(pump, range(10)))
    assert sum(len(unit.profile.points) for unit in units) == 200
    turnarounds = {unit.unit_id: unit.profile.turnaround for unit in units}
    world = World(units, turnarounds.__getitem__)
    commanded(world, Random(1), 3600.0, pause=20.0)
    shares = kept(world)
    assert 0.75 < max(shares) <= 1.0, "promised far too carefully" if max(shares) <= 0.75 else shares
    assert not any(counters.skipped or counters.timeouts for counters in world.bus.counters.values())


@pytest.mark.parametrize("seed", range(8))
def test_no_value_is_older_than_was_promised_on_any_bus(seed: int) -> None:
    """Nearly as much as the line can do, and devices that are as slow as they may be or quicker."""
    random = Random(seed)
    units = full(tuple(some_unit(random, n) for n in range(random.randint(2, 8))))
    quickest = random.choice([0.0, 1.0])

    def thinks(unit_id: int) -> float:
        return units[unit_id - 1].profile.turnaround * random.uniform(quickest, 1.0)

    world = World(units, thinks)
    commanded(world, random, 120.0, pause=60.0)
    assert max(kept(world)) <= 1.0 + 1e-9


def some_unit(random: Random, n: int) -> Unit:
    points = []
    for at in range(random.randint(1, 12)):
        scan, address = random.choice(["fast", "normal", "slow"]), random.randrange(60)
        table = random.choice([Table.HOLDING, Table.HOLDING, Table.INPUT, Table.COIL])
        kind = Kind.BOOL if table is Table.COIL else random.choice([Kind.U16, Kind.F32])
        points.append(Point(f"p{at}", table, address, kind, scan=scan, writable=table is Table.COIL))
    profile = Profile("some", tuple(points), turnaround=random.uniform(0.001, 0.05))
    scan = {"fast": random.choice([0.1, 0.2, 0.25]), "normal": random.choice([0.5, 1.0]), "slow": 5.0}
    return Unit(f"u{n}", n + 1, profile, scan)


def full(units: tuple[Unit, ...]) -> tuple[Unit, ...]:
    """With intervals just so long that the bus can keep them."""
    while forecast(PORT, BusPlan(Framing.RTU, units)).late:
        units = tuple(
            replace(unit, scan={name: period * 1.1 for name, period in unit.scan.items()}) for unit in units
        )
    return units
