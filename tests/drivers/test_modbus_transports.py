"""What differs from framing to framing, on a whole bus: ASCII, echoes, several requests out, broadcasts."""

from collections.abc import Sequence
from random import Random

import pytest

from sitewarden.drivers.modbus.bus import BROADCAST_REST, Bus
from sitewarden.drivers.modbus.pace import ascii_line, rtu
from sitewarden.drivers.modbus.points import Kind, Point, Table, Unit
from sitewarden.drivers.modbus.wire import Ascii, Echoing, Rtu, Tcp, Wire
from sitewarden.drivers.plan import Framing
from sitewarden.rules.model import Command, Do, LinkChanged, Quality, Trouble
from sitewarden.simulators.drift import Drift
from sitewarden.simulators.modbus_slave import ModbusSlave, SlaveUnit
from tests.drivers.paced import Paced
from tests.drivers.virtual import Slave, Virtual, bus, coil, holding, register, unit

BAUD = 9600
CHARACTER = 10 / BAUD
RTU, ASCII = rtu(CHARACTER, BAUD), ascii_line(CHARACTER)
POINTS = (register("a", 0), register("b", 40), Point("on", Table.COIL, 3, Kind.BOOL, writable=True))


def served(wire: Wire, framing: Framing, units: Sequence[Unit], echo: bool = False) -> Paced:
    slaves = [SlaveUnit(one, Drift(one.profile, Random(one.device))) for one in units if one.unit_id]
    for slave in slaves:
        slave.turnaround = 0.005
    return Paced(
        Bus("line", wire, units),
        ModbusSlave(framing, slaves),
        0.0 if framing is Framing.TCP else CHARACTER,
        echo=echo,
    )


@pytest.mark.parametrize(
    ("wire", "framing", "echo"),
    [
        (Ascii(ASCII), Framing.ASCII, False),
        (Echoing(Ascii(ASCII)), Framing.ASCII, True),
        (Echoing(Rtu(RTU)), Framing.RTU, True),
        (Tcp(window=4), Framing.TCP, False),
    ],
    ids=["ascii", "ascii-echo", "rtu-echo", "tcp-4"],
)
def test_everything_is_read_and_written(wire: Wire, framing: Framing, echo: bool) -> None:
    world = served(wire, framing, [unit("u1", 1, *POINTS), unit("u2", 2, *POINTS)], echo)
    world.run(5)
    world.command(Command("u2", "on", Do.SET))
    world.run(5.5)
    newest = {reading.point: reading for reading in world.readings()}
    assert set(newest) == {f"{device}.{name}" for device in ("u1", "u2") for name in ("a", "b", "on")}
    assert {reading.quality for reading in newest.values()} == {Quality.GOOD}
    assert newest["u2.on"].value is True
    for counters in world.bus.counters.values():
        assert counters.requests == counters.answers >= 20
        assert counters.garbled == counters.timeouts == counters.discarded == 0


def test_an_echo_that_nobody_spoke_of_is_counted_and_never_a_value() -> None:
    world = served(Rtu(RTU), Framing.RTU, [unit("u1", 1, *POINTS)], echo=True)
    world.run(10.5)
    quiet = served(Rtu(RTU), Framing.RTU, [unit("u1", 1, *POINTS)])
    quiet.run(10.5)
    assert {r.value for r in world.readings("u1.a")} <= {r.value for r in quiet.readings("u1.a")}
    counters = world.bus.counters["u1"]
    assert counters.discarded == counters.requests > 0


@pytest.mark.parametrize(("window", "prompt"), [(1, 0), (3, 20)])
def test_with_several_out_a_slow_unit_does_not_hold_up_the_others(window: int, prompt: int) -> None:
    units = [unit(f"u{n}", n, register("a", 0), timeout=2.0) for n in (1, 2, 3)]
    world = served(Tcp(window=window), Framing.TCP, units)
    assert isinstance(world.twin, ModbusSlave)
    world.twin.units[1].turnaround = 0.95
    world.run(19.99)
    assert {reading.quality for reading in world.readings("u1.a")} == {Quality.GOOD}
    of_the_second = [mono for mono, frame in world.heard if frame[6] == 2]
    assert sum((mono - 100.0) % 1.0 < 0.1 for mono in of_the_second) == prompt


@pytest.mark.parametrize(
    ("wire", "framing", "allowed"),
    [
        (Rtu(RTU), Framing.RTU, 1),
        (Ascii(ASCII), Framing.ASCII, 1),
        (Tcp(), Framing.TCP, 1),
        (Tcp(window=3), Framing.TCP, 3),
    ],
    ids=["rtu", "ascii", "tcp", "tcp-3"],
)
def test_never_more_are_out_than_the_device_allows(wire: Wire, framing: Framing, allowed: int) -> None:
    units = [unit("u", 1, *(register(f"r{n}", 200 * n) for n in range(9)), timeout=2.0)]
    world = served(wire, framing, units)
    assert isinstance(world.twin, ModbusSlave)
    world.twin.units[1].turnaround, world.twin.units[1].in_turn = 0.05, False
    world.run(3)
    out = most = 0
    for _, step in sorted([(mono, 1) for mono, _ in world.asked] + [(mono, -1) for mono, _ in world.heard]):
        out += step
        most = max(most, out)
    assert most == allowed


def test_a_unit_that_dies_with_several_out_is_probed_as_any_other() -> None:
    units = [
        unit("u", 1, *(register(f"r{n}", 200 * n) for n in range(9))),
        unit("other", 2, register("a", 0)),
    ]
    world = served(Tcp(window=4), Framing.TCP, units)
    assert isinstance(world.twin, ModbusSlave)
    slave = world.twin.units[1]
    for _ in range(5):
        world.run(9.3)
        slave.deaf = True
        world.run(4.2)
        died = len(world.asked)
        world.run(10)
        probes = [mono for mono, frame in world.asked[died:] if frame[6] == 1]
        assert 1 <= len(probes) <= 4
        slave.deaf = False
        world.run(31)
        assert world.links("u")[-1][1]
        newest = {reading.point: reading.quality for reading in world.readings()}
        assert set(newest.values()) == {Quality.GOOD}
    assert [up for _, up in world.links("other")] == [True]


def test_what_everyone_is_told_is_sent_once_and_the_line_rests() -> None:
    """Nobody answers a broadcast; what is read next is read after the units have done it."""
    everyone, one = unit("everyone", 0, coil("on", 3)), unit("u1", 1, *POINTS)
    world = served(Rtu(RTU), Framing.RTU, [everyone, one])
    world.run(2.5)
    told = world.now
    world.command(Command("everyone", "on", Do.SET))
    world.run(5)
    (sent,) = [mono for mono, frame in world.asked if frame[0] == 0]
    after = min(mono for mono, frame in world.asked if frame[0] == 1 and mono > sent)
    assert sent - told <= 0.1
    assert after - sent >= BROADCAST_REST
    assert world.readings("u1.on")[-1].value is True
    assert [up for _, up in world.links("everyone")] == [True]
    assert not world.readings("everyone.on")
    assert world.bus.counters["everyone"].timeouts == 0


def test_over_tcp_unit_0_is_the_device_itself() -> None:
    world = Virtual(bus([unit("u", 0, register("a", 0))], tcp=True), Slave({0: holding({0: 7})}, True))
    world.run(2)
    assert [reading.value for reading in world.readings("u.a")] == [7.0]


def test_a_time_out_is_learned_and_a_slower_unit_still_heard() -> None:
    world = served(Rtu(RTU), Framing.RTU, [unit("u", 1, register("a", 0), timeout=1.0, retries=1)])
    assert isinstance(world.twin, ModbusSlave)
    slave = world.twin.units[1]
    world.run(20.5)
    slave.deaf = True
    before = len(world.asked)
    world.run(2)
    first, second, *_ = [mono for mono, _ in world.asked[before:]]
    assert 0.1 <= second - first <= 0.2, "ten times what the unit takes, and a fifth of what was configured"
    slave.deaf, slave.turnaround = False, 0.5
    world.run(60)
    assert world.links("u")[-1][1]
    assert world.readings("u.a")[-1].quality is Quality.GOOD
    timeouts = world.bus.counters["u"].timeouts
    world.run(60)
    assert world.bus.counters["u"].timeouts == timeouts, "what it takes now is known"


def test_a_plan_that_had_to_be_split_is_said_once() -> None:
    cells = {n: n for n in range(30) if n not in {4, 17}}
    world = Virtual(
        bus([unit("u", 1, *(register(f"r{n}", n) for n in cells))]), Slave({1: holding(cells)}, False)
    )
    world.run(20)
    said = [event for event in world.events if isinstance(event, Trouble)]
    assert [(event.code, event.subject, event.lasts) for event in said] == [("read_split", "u", False)]
    assert said[0].params == {"table": "holding", "first": 0, "last": 29}
    assert [event.up for event in world.events if isinstance(event, LinkChanged)] == [True]
    assert {reading.quality for reading in world.readings()} == {Quality.GOOD}
