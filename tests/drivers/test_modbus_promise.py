"""The ages that are promised beforehand, against the bus itself on a line as slow as a real one."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

import pytest

from sitewarden.drivers.modbus.bus import Bus
from sitewarden.drivers.modbus.feasible import Poll, forecast
from sitewarden.drivers.modbus.planner import READ_PDU
from sitewarden.drivers.modbus.points import Kind, Point, Profile, Table, Unit
from sitewarden.drivers.modbus.request import read
from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, Port, SerialPort, TcpPort, build, pace
from sitewarden.rules.model import Do
from tests.drivers.virtual import Slave, Tables, Virtual, coil, register

pytestmark = pytest.mark.slow

SERIAL = SerialPort("ports/bus", 9600)
NETWORK, GATEWAY = TcpPort("plc", 502), TcpPort("gateway", 502, line_baud=9600)
START = 100.0  # s, as `Virtual` begins
EVERYTHING: Tables = {table: dict.fromkeys(range(1000), 1) for table in Table}
Thinks = Callable[[Unit], float]


class Line:
    """The devices take their time: `thinks` s. One exchange after the other where there is a line, or where
    they work `in_turn`."""

    def __init__(self, port: Port, plan: BusPlan, thinks: Thinks, in_turn: bool) -> None:
        self.pace, self.thinks = pace(port, plan.framing), thinks
        self.in_turn = in_turn or self.pace.character > 0
        self.head, self.around = (0, 3) if plan.framing is Framing.RTU else (6, 7)  # bytes of a frame
        self.units = {unit.unit_id: unit for unit in plan.units}
        self.world: Virtual | None = None
        self.free = 0.0
        self.asked: list[tuple[float, float]] = []  # when each request had been received, and answered

    def __call__(self, request: bytes, answer: bytes) -> Iterable[tuple[float, bytes]]:
        now = self.world.now if self.world else START
        received = max(now, self.free) + self.pace.lasts(len(request) - self.around)
        thinks = max(self.pace.silence, self.thinks(self.units[request[self.head]]))
        answered = received + thinks + self.pace.lasts(len(answer) - self.around)
        if self.in_turn:
            self.free = answered + self.pace.silence
        self.asked.append((received, answered))
        return [(answered - now, answer)]


class World:
    """The bus of these units on a line as slow as a real one."""

    def __init__(self, port: Port, plan: BusPlan, thinks: Thinks, in_turn: bool = False) -> None:
        self.port, self.plan = port, plan
        driver = build(LinkPlan("bus", port, plan))
        assert isinstance(driver, Bus)
        self.line = Line(port, plan, thinks, in_turn)
        slave = Slave({unit.unit_id: EVERYTHING for unit in plan.units}, tcp=plan.framing is Framing.TCP)
        self.line.world = self.virtual = Virtual(driver, slave, self.line)

    def run(self, random: Random, seconds: float, pause: float) -> None:
        """And switches a coil now and then."""
        outputs = [
            (unit.device, p.name) for unit in self.plan.units for p in unit.profile.points if p.writable
        ]
        end = self.virtual.now + seconds
        while self.virtual.now < end:
            self.virtual.run(min(pause * random.uniform(1.0, 2.0), end - self.virtual.now))
            if outputs:
                device, output = random.choice(outputs)
                self.virtual.command(output, random.choice([Do.SET, Do.CLEAR]), device=device)

    def kept(self) -> list[float]:
        """What part of the promised age each read came to."""
        assert not any(unit.timeouts for unit in self.virtual.bus.counters.values())
        said = forecast(self.port, self.plan)
        assert not said.late
        found = self._oldest()
        return [found[self._request(poll)] / said.oldest(poll) for poll in said.polls]

    def _oldest(self) -> dict[bytes, float]:
        """By unit id and PDU: s that its values were old at most, each as old as the end of its request."""
        last: dict[bytes, float] = {}
        oldest: dict[bytes, float] = {}
        for (_, frame), (received, answered) in zip(self.virtual.sent, self.line.asked, strict=True):
            request = frame[self.line.head :][: 1 + READ_PDU]
            oldest[request] = max(oldest.get(request, 0.0), answered - last.get(request, answered))
            last[request] = received
        return {request: max(oldest[request], self.virtual.now - last[request]) for request in oldest}

    def _request(self, poll: Poll) -> bytes:
        request = read(poll.unit.unit_id, poll.block.table, poll.block.first, poll.block.count)
        return bytes([request.unit_id]) + request.pdu


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
    world = World(SERIAL, BusPlan(Framing.RTU, units), lambda unit: unit.profile.turnaround)
    world.run(Random(1), 3600.0, pause=20.0)
    assert 0.75 < max(world.kept()) <= 1.0  # kept, and not promised far too carefully
    assert not any(unit.skipped for unit in world.virtual.bus.counters.values())


@pytest.mark.parametrize(
    ("port", "outstanding", "in_turn"),
    [
        (SERIAL, 1, True),
        (NETWORK, 1, True),
        (NETWORK, 3, False),
        (NETWORK, 3, True),
        (GATEWAY, 1, True),
        (GATEWAY, 3, True),
    ],
    ids=["serial", "network", "network-3", "network-3-in-turn", "gateway", "gateway-3"],
)
@pytest.mark.parametrize("seed", range(3))
def test_no_value_is_older_than_was_promised_on_any_bus(
    seed: int, port: Port, outstanding: int, in_turn: bool
) -> None:
    """Nearly as much as the line can do, and devices that are as slow as they may be or quicker."""
    random = Random(f"{seed} {port} {outstanding}")
    framing = Framing.RTU if port is SERIAL else Framing.TCP
    units = tuple(some_unit(random, n) for n in range(random.randint(2, 8)))
    plan = full(port, BusPlan(framing, units, outstanding=outstanding))
    quickest = random.choice([0.0, 1.0])
    world = World(port, plan, lambda unit: unit.profile.turnaround * random.uniform(quickest, 1.0), in_turn)
    world.run(random, 60.0, pause=40.0)
    assert max(world.kept()) <= 1.0 + 1e-9


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


def full(port: Port, plan: BusPlan) -> BusPlan:
    """With intervals just so long that the bus can keep them."""
    while forecast(port, plan).late:
        longer = ({name: period * 1.1 for name, period in unit.scan.items()} for unit in plan.units)
        units = (replace(unit, scan=scan) for unit, scan in zip(plan.units, longer, strict=True))
        plan = replace(plan, units=tuple(units))
    return plan
