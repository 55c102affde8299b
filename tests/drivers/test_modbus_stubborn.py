"""Units that answer some things and not others: each is the affair of what it is about alone."""

from collections.abc import Callable

import pytest
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU

from sitewarden.drivers.modbus.bus import CHATTER
from sitewarden.drivers.modbus.points import Kind, Point, Table
from sitewarden.drivers.modbus.request import WRITE_COIL, WRITE_COILS, WRITE_REGISTER
from sitewarden.drivers.modbus.station import REJOIN
from sitewarden.rules.model import Command, Do, Quality, Reason, Trouble, WriteEnded
from tests.drivers.virtual import (
    TURNAROUND,
    Slave,
    Tables,
    Virtual,
    bus,
    coil,
    holding,
    register,
    stamp,
    unit,
)

CONTACT = Point("contact", Table.DISCRETE, 0, Kind.BOOL, scan="fast")
SETTINGS = [Point(name, Table.HOLDING, n, Kind.U16, writable=True) for n, name in enumerate("ab")]
Answers = Callable[[bytes], bool]


def tables() -> Tables:
    return {Table.COIL: dict.fromkeys(range(6), 0), Table.DISCRETE: {0: 0}, Table.HOLDING: {0: 1, 1: 2}}


def served(answers: Answers) -> Virtual:
    """An io module beside a pump; `answers`: whether the frame of a request has an answer at all."""
    io = unit("io", 1, CONTACT, coil("out1", 0), coil("out2", 1), coil("gate", 5), *SETTINGS)
    pump = unit("pump", 2, register("speed", 0))
    world = Virtual(bus([io, pump]), Slave({1: tables(), 2: holding({0: 7})}, False))
    world.wire = lambda asked, said: [(TURNAROUND, said)] if answers(asked) else []
    world.run(2)
    return world


def write(world: Virtual, point: str, value: int) -> None:
    world.take(world.bus.command(Command("io", point, Do.WRITE, value=value), stamp(world.now)))


def outcomes(world: Virtual) -> list[tuple[str, str]]:
    return [(event.point, str(event.outcome)) for event in world.events if isinstance(event, WriteEnded)]


@pytest.mark.parametrize("outputs", [("out1",), ("out1", "out2")], ids=["one", "neighbours"])
def test_a_held_output_that_is_never_answered_does_not_take_the_unit_with_it(
    outputs: tuple[str, ...],
) -> None:
    world = served(lambda asked: asked[1] not in (WRITE_COIL, WRITE_COILS))
    for output in outputs:
        world.command(output, Do.SET)
    world.run(60)
    reads = len(world.requests(1, 2))
    world.slave.tables[1][Table.DISCRETE][0] = 1
    world.run(60)
    assert len(world.requests(1, 2)) - reads >= 0.75 * 60 / 0.2, "a contact that is read five times a second"
    assert world.readings("io.contact")[-1].value is True
    assert {link.up for link in world.links()} == {True}
    assert len(world.requests(1, WRITE_COIL)) <= 2 * 120, "and still it is tried"
    told = [event for event in world.events if isinstance(event, Trouble)]
    assert {(event.code, event.subject, event.on) for event in told} == {
        ("output_fails", f"io.{output}", True) for output in outputs
    }
    world.wire = lambda asked, said: [(TURNAROUND, said)]
    world.run(5)
    assert world.slave.tables[1][Table.COIL][0] == 1
    over = {event.subject for event in world.events if isinstance(event, Trouble) and not event.on}
    assert over == {f"io.{output}" for output in outputs}


def test_a_setting_that_is_never_answered_lapses_while_the_unit_is_read() -> None:
    world = served(lambda asked: asked[1] != WRITE_REGISTER)
    write(world, "a", 9)
    world.run(12)
    assert {link.up for link in world.links()} == {True}
    assert {reading.quality for reading in world.readings()} == {Quality.GOOD}
    assert len(world.requests(1, WRITE_REGISTER)) >= 4


def test_what_is_not_answered_holds_up_no_other_command() -> None:
    world = served(lambda asked: asked[1:4] != bytes([WRITE_REGISTER, 0, 0]))
    write(world, "a", 9)
    world.run(1)
    write(world, "b", 9)
    world.command("gate", Do.PULSE, 0.5)
    told = world.now
    world.run(1.5)
    assert world.requests(1, WRITE_COIL)[0] - told <= 0.6, "the one that is out, at most"
    assert world.slave.tables[1][Table.COIL][5] == 0, "and its end"
    assert outcomes(world) == [("io.b", "verified")]


def test_a_late_refusal_is_not_told_of_another_write() -> None:
    """The refusal of the first try ends the second; that of the second comes while another is out."""

    def refusing(asked: bytes, said: bytes) -> list[tuple[float, bytes]]:
        if asked[1] != WRITE_REGISTER:
            return [(TURNAROUND, said)]
        if asked[1:4] != bytes([WRITE_REGISTER, 0, 0]):
            return [(0.31, said)]
        world.slave.refuses = {WRITE_REGISTER: 4}
        refusal = world.slave.answer(asked) or b""
        world.slave.refuses = {}
        return [(0.34, refusal)]

    world = served(lambda asked: True)
    world.wire = refusing
    write(world, "a", 5)
    world.run(0.35)
    write(world, "b", 9)
    world.run(12)
    assert [outcome for point, outcome in outcomes(world) if point == "io.b"] == ["verified"]
    assert world.slave.tables[1][Table.HOLDING][1] == 9


def test_an_output_that_reads_back_otherwise_is_told_again_at_leisure() -> None:
    world = served(lambda asked: True)
    world.command("gate", Do.SET)
    stuck = world.slave.answer

    def answer(frame: bytes) -> bytes | None:
        world.slave.tables[1][Table.COIL][5] = 0
        return stuck(frame)

    world.slave.answer = answer  # type: ignore[method-assign]
    before, pump = len(world.requests(1, WRITE_COIL)), len(world.requests(2))
    world.run(60)
    assert 25 <= len(world.requests(1, WRITE_COIL)) - before <= 65
    assert len(world.requests(2)) - pump >= 0.98 * 60
    troubles = [(e.subject, e.on) for e in world.events if isinstance(e, Trouble)]
    assert troubles == [("io.gate", True)]


def test_a_frame_that_nobody_asked_for_is_let_come_to_its_end() -> None:
    world = served(lambda asked: True)
    world.run(0.99)
    beat = world.now + 0.01 + 2 * TURNAROUND
    asked = len(world.sent)
    for n in range(60):
        world.arrive(b"\x03", n * 0.001)
    world.run(0.5)
    assert world.sent[asked][0] > beat, "the reads that were due meanwhile"
    assert world.sent[asked][0] == pytest.approx(world.now - 0.5 + 0.059 + 3.5 * 11 / 9600)


def test_a_line_that_never_rests_is_spoken_on_and_told() -> None:
    """A transmitter that is stuck: a byte each 2 ms, where the silence is 4 ms."""
    world = served(lambda asked: True)
    asked = len(world.sent)
    for n in range(10_000):
        world.arrive(b"\xaa", n * 0.002)
    world.run(20)
    assert len(world.sent) > asked + 5
    assert {link.device: link.reason for link in world.links() if not link.up} == {
        "io": Reason.PROTOCOL,
        "pump": Reason.PROTOCOL,
    }
    assert CHATTER < 1.0
    world.run(40)
    assert {reading.point: reading.quality for reading in world.readings()}["pump.speed"] is Quality.GOOD


def test_a_unit_that_refuses_everything_for_a_while_is_read_by_its_plan_again() -> None:
    forty = unit("u", 1, *(register(f"r{n}", n) for n in range(40)))
    cells = {n: n for n in range(40)}
    world = Virtual(bus([forty]), Slave({1: holding(cells)}, False))
    world.run(5)
    world.slave.refuses = {3: 2}
    world.run(3)
    world.slave.refuses = {}
    world.run(REJOIN + 2)
    before = len(world.sent)
    world.run(30)
    assert len(world.sent) - before == 30, "one read a second, as planned"
    assert {reading.point: reading.quality for reading in world.readings()} == dict.fromkeys(
        (f"u.r{n}" for n in range(40)), Quality.GOOD
    )
    del world.slave.tables[1][Table.HOLDING][7]
    world.run(5)
    world.lost()
    world.slave.tables[1][Table.HOLDING][7] = 7
    world.connected()
    world.run(1)
    before = len(world.sent)
    world.run(10)
    assert len(world.sent) - before == 10, "a new connection begins with the plan"


def test_a_lost_answer_costs_a_unit_with_one_read_nothing_more() -> None:
    inputs = unit("io", 1, *(Point(f"in{n}", Table.DISCRETE, n, Kind.BOOL, scan="fast") for n in range(8)))
    world = Virtual(bus([inputs]), Slave({1: {Table.DISCRETE: dict.fromkeys(range(8), 0)}}, False))
    lost = [True]
    world.wire = lambda asked, said: [] if world.now > 105 and lost and lost.pop() else [(TURNAROUND, said)]
    world.run(10)
    assert world.bus.counters["io"].timeouts == 1
    gaps = [b - a for (a, _), (b, _) in zip(world.sent, world.sent[1:], strict=False)]
    assert max(gaps) <= 0.3


@pytest.mark.parametrize("refuses", [True, False], ids=["refused", "unanswered"])
def test_a_unit_of_which_a_part_is_not_read_is_told_and_told_over(refuses: bool) -> None:
    def half(asked: bytes, said: bytes) -> list[tuple[float, bytes]]:
        if asked[1] != 3 or asked[0] != 1:
            return [(TURNAROUND, said)]
        return [(TURNAROUND, FramerRTU(DecodePDU(False)).encode(b"\x83\4", 1, 0))] if refuses else []

    world = served(lambda asked: True)
    world.wire = half
    world.run(8)
    assert [e for e in world.events if isinstance(e, Trouble)] == [], "it may be back at once"
    world.run(40)
    world.wire = lambda asked, said: [(TURNAROUND, said)]
    world.run(60)
    told = [(e.code, e.subject, e.on, dict(e.params)) for e in world.events if isinstance(e, Trouble)]
    assert told == [
        ("points_unread", "io", True, {"unread": 2, "points": 6}),
        ("points_unread", "io", False, {}),
    ]
    assert {link.up for link in world.links()} == {True}


def test_a_plan_is_not_joined_while_a_read_of_its_parts_is_out() -> None:
    """Its answer would come to a read that is no more, which nobody would ever take out of the schedule."""
    many = unit("u", 1, *(register(f"r{n}", n) for n in range(12)), scan={"normal": 0.2})
    world = Virtual(bus([many], tcp=True, window=4), Slave({1: holding({n: n for n in range(12)})}, True))
    world.run(3)
    world.slave.refuses = {3: 2}
    slow = [0.001, 0.15, 0.03, 0.09, 0.18]
    world.wire = lambda asked, said: [(slow[len(world.sent) % len(slow)], said)]
    world.run(60)
    world.slave.refuses = {}
    world.wire = lambda asked, said: [(TURNAROUND, said)]
    world.run(REJOIN + 2)
    before = len(world.sent)
    world.run(20)
    assert len(world.sent) - before == 100, "five reads a second, of the plan and of nothing else"
