"""A whole bus in virtual time: what is read, what is said of it, and what one bad unit does to the others."""

import pytest

from sitewarden.drivers.modbus import watch
from sitewarden.drivers.modbus.codec import Decoded, decode
from sitewarden.drivers.modbus.compiled import Read
from sitewarden.drivers.modbus.points import Kind, Point, Table, Unit
from sitewarden.rules.model import Do, LinkChanged, Quality, Reading, Reason, Trouble
from tests.drivers.virtual import (
    TURNAROUND,
    Slave,
    Tables,
    Virtual,
    Wire,
    bus,
    coil,
    holding,
    promptly,
    register,
    unit,
)

RTU, TCP = False, True


def run(
    units: list[Unit], tables: dict[int, Tables], tcp: bool = RTU, wire: Wire = promptly, baud: int = 9600
) -> Virtual:
    return Virtual(bus(units, tcp, baud), Slave(tables, tcp), wire)


def values(world: Virtual, point: str) -> list[object]:
    return [reading.value for reading in world.readings(point)]


@pytest.mark.parametrize("tcp", [RTU, TCP])
def test_every_table_is_read_and_a_unit_comes_up_before_its_readings(tcp: bool) -> None:
    points = [
        Point("on", Table.COIL, 3, Kind.BOOL),
        Point("open", Table.DISCRETE, 9, Kind.BOOL),
        register("speed", 7),
        register("level", 2, Table.INPUT),
    ]
    tables: Tables = {
        Table.COIL: {3: 1},
        Table.DISCRETE: {9: 0},
        Table.HOLDING: {7: 1450},
        Table.INPUT: {2: 88},
    }
    world = run([unit("pump", 5, *points)], {5: tables}, tcp)
    world.run(0.5)
    first, *rest = world.events
    assert isinstance(first, LinkChanged)
    assert (first.device, first.up) == ("pump", True)
    assert {r.point: r.value for r in rest if isinstance(r, Reading)} == {
        "pump.on": True,
        "pump.open": False,
        "pump.speed": 1450.0,
        "pump.level": 88.0,
    }
    assert len(rest) == 4


def test_a_reading_has_the_instant_of_its_answer() -> None:
    world = run([unit("pump", 5, register("speed", 7))], {5: holding({7: 1})})
    world.run(0.5)
    assert [reading.at.mono for reading in world.readings()] == [pytest.approx(100.0 + TURNAROUND)]


def test_only_what_has_changed_is_said_and_everything_once_a_heartbeat() -> None:
    tables = holding({0: 10, 1: 20})
    world = run([unit("pump", 5, register("a", 0), register("b", 1), heartbeat=30)], {5: tables})
    world.run(10)
    tables[Table.HOLDING][1] = 21
    world.run(10)
    assert (values(world, "pump.a"), values(world, "pump.b")) == ([10.0], [20.0, 21.0])
    world.run(40)
    assert (values(world, "pump.a"), values(world, "pump.b")) == ([10.0, 10.0], [20.0, 21.0, 21.0])


def test_a_change_within_the_dead_band_is_not_said_but_a_slow_drift_is() -> None:
    tables = holding({0: 100})
    point = Point("p", Table.HOLDING, 0, Kind.U16, deadband=5)
    world = run([unit("pump", 5, point)], {5: tables})
    for value in (102, 104, 106, 104, 100):
        world.run(1)
        tables[Table.HOLDING][0] = value
    world.run(1)
    assert values(world, "pump.p") == [100.0, 106.0, 100.0]


def test_a_bad_value_repeats_the_last_one_and_says_why() -> None:
    tables = holding({0: 50})
    point = Point("p", Table.HOLDING, 0, Kind.U16, absent=0xFFFF, high=100)
    world = run([unit("pump", 5, point)], {5: tables})
    for value in (0xFFFF, 0xFFFF, 101, 50):
        world.run(1)
        tables[Table.HOLDING][0] = value
    world.run(1)
    assert [(r.value, r.quality, r.reason) for r in world.readings()] == [
        (50.0, Quality.GOOD, Reason.NONE),
        (50.0, Quality.BAD, Reason.NOT_AVAILABLE),
        (50.0, Quality.BAD, Reason.OUT_OF_RANGE),
        (50.0, Quality.GOOD, Reason.NONE),
    ]


def test_a_lost_link_makes_everything_bad_and_the_first_answer_good_again() -> None:
    world = run([unit("a", 1, register("p", 0)), unit("b", 2, register("p", 0))], {1: holding({0: 7}), 2: {}})
    world.run(0.5)
    world.events.clear()
    world.lost()
    world.lost()
    assert world.bus.wake_at is None
    assert world.links()[0] == LinkChanged("a", False, world.links()[0].at, Reason.LINK_DOWN)
    assert [(r.point, r.value, r.reason) for r in world.readings()] == [
        ("a.p", 7.0, Reason.LINK_DOWN),
        ("b.p", None, Reason.LINK_DOWN),
    ]
    world.run(5)
    world.events.clear()
    world.connected()
    world.run(0.5)
    assert ("a", True) in [(link.device, link.up) for link in world.links()]
    assert [(r.value, r.quality) for r in world.readings("a.p")] == [(7.0, Quality.GOOD)]


def test_a_refused_read_is_bad_while_the_unit_stays_up() -> None:
    tables = holding({0: 7})
    world = run([unit("a", 1, register("p", 0), register("q", 200))], {1: tables})
    world.run(3)
    assert [(r.value, r.reason) for r in world.readings("a.q")] == [(None, Reason.ILLEGAL_ADDRESS)]
    assert values(world, "a.p") == [7.0]
    assert [link.up for link in world.links()] == [True]
    tables[Table.HOLDING][200] = 1
    world.run(2)
    assert values(world, "a.q") == [None, 1.0]


def test_a_join_over_an_illegal_address_is_split_and_stays_split() -> None:
    cells = {n: n for n in range(12) if n not in {4, 7}}
    points = [register(f"r{n}", n) for n in range(12) if n != 4]
    world = run([unit("a", 1, *points)], {1: holding(cells)})
    world.run(0.9)
    good = {r.point for r in world.readings() if r.quality is Quality.GOOD}
    assert good == {f"a.r{n}" for n in cells}
    assert [(r.point, r.reason) for r in world.readings() if r.quality is Quality.BAD] == [
        ("a.r7", Reason.ILLEGAL_ADDRESS)
    ]
    refused = world.bus.counters["a"].exceptions
    world.run(10)
    assert world.bus.counters["a"].exceptions == refused + 10, "only the one address is refused from now on"


def test_a_gateway_that_speaks_for_a_silent_unit_is_no_sign_of_life() -> None:
    slave = Slave({1: holding({0: 1})}, TCP)
    slave.refuses[3] = 0x0B
    world = Virtual(bus([unit("a", 1, register("p", 0))], TCP), slave)
    world.run(5)
    assert [(link.up, link.reason) for link in world.links()] == [(False, Reason.NO_ANSWER)]
    world.slave.refuses.clear()
    world.run(10)
    assert values(world, "a.p") == [None, 1.0]


@pytest.mark.parametrize("tcp", [RTU, TCP])
def test_a_dead_unit_does_not_slow_the_others(tcp: bool) -> None:
    units = [unit(f"u{n}", n, *(register(f"p{k}", 100 * k) for k in range(3))) for n in range(1, 6)]
    tables = {n: holding({0: n, 100: n, 200: n}) for n in range(1, 6)}
    world = run(units, tables, tcp, baud=19200)
    world.slave.dead.add(3)
    world.run(120)
    for alive in (1, 2, 4, 5):
        assert len(world.requests(alive)) >= 3 * 120 * 0.98
    assert len(world.requests(3)) <= 3 + 8, "three to be sure of it, then probes that grow rare"
    assert [(link.device, link.reason) for link in world.links() if not link.up] == [("u3", Reason.TIMEOUT)]
    assert len(world.readings("u3.p0")) == 1
    world.slave.dead.clear()
    world.run(31)
    assert [link.up for link in world.links() if link.device == "u3"] == [False, True]
    assert values(world, "u3.p2") == [None, 3.0]


def test_a_read_that_is_never_answered_is_bad_by_itself() -> None:
    def deaf_to_200(request: bytes, answer: bytes) -> list[tuple[float, bytes]]:
        return [] if request[2:4] == b"\0\xc8" else [(TURNAROUND, answer)]

    world = run(
        [unit("a", 1, register("p", 0), register("q", 200))], {1: holding({0: 1, 200: 2})}, wire=deaf_to_200
    )
    world.run(60)
    assert [link.up for link in world.links()] == [True]
    assert [(r.value, r.reason) for r in world.readings("a.q")] == [(None, Reason.TIMEOUT)]
    assert sum(frame[2:4] == b"\0\0" for _, frame in world.sent) >= 55
    assert sum(frame[2:4] == b"\0\xc8" for _, frame in world.sent) <= 8


def test_one_lost_or_garbled_answer_is_made_good_by_the_retry() -> None:
    spoil = [b"", b"\xaa" * 7]

    def spoiling(request: bytes, answer: bytes) -> list[tuple[float, bytes]]:
        return [(TURNAROUND, spoil.pop() if spoil and len(world.sent) % 2 == 0 else answer)]

    world = run([unit("a", 1, register("p", 0))], {1: holding({0: 1})})
    world.wire = spoiling
    world.run(6)
    counters = world.bus.counters["a"]
    assert (counters.timeouts, counters.garbled) == (1, 1)
    assert counters.requests == counters.answers + 2
    assert [reading.quality for reading in world.readings()] == [Quality.GOOD]


@pytest.mark.parametrize("tcp", [RTU, TCP])
def test_after_half_an_answer_the_next_one_is_read(tcp: bool) -> None:
    world = run([unit("a", 1, register("p", 0))], {1: holding({0: 1})}, tcp)
    world.wire = lambda request, answer: [(TURNAROUND, answer[: -3 if len(world.sent) == 2 else None])]
    world.run(3)
    counters = world.bus.counters["a"]
    assert (counters.timeouts, counters.answers) == (1, counters.requests - 1)
    assert [reading.quality for reading in world.readings()] == [Quality.GOOD]


def test_a_garbling_unit_goes_down_with_that_reason() -> None:
    world = run(
        [unit("a", 1, register("p", 0)), unit("b", 2, register("p", 0))],
        {1: holding({0: 1}), 2: holding({0: 2})},
        wire=lambda request, answer: [(TURNAROUND, answer if answer[0] == 2 else answer[:-1] + b"?")],
    )
    world.run(20)
    assert [(link.device, link.up, link.reason) for link in world.links()] == [
        ("a", False, Reason.PROTOCOL),
        ("b", True, Reason.NONE),
    ]
    assert [(r.value, r.reason) for r in world.readings("a.p")] == [(None, Reason.PROTOCOL)]
    assert len(world.requests(2)) == 20


@pytest.mark.parametrize("tcp", [RTU, TCP])
@pytest.mark.parametrize("late", [0.35, 0.45, 0.7, 1.2])
def test_a_late_answer_is_never_taken_for_another(tcp: bool, late: float) -> None:
    """Two reads of one shape: the answer to the first, taken for the second's, would swap the values."""
    slow = {1, 4, 5, 9, 14, 15, 16, 22, 30}

    def sometimes_late(request: bytes, answer: bytes) -> list[tuple[float, bytes]]:
        return [(late if len(world.sent) in slow else TURNAROUND, answer)]

    points = [register("p", 0), register("q", 200)]
    world = run([unit("a", 1, *points)], {1: holding({0: 1111, 200: 2222})}, tcp)
    world.wire = sometimes_late
    world.run(40)
    assert {r.value for r in world.readings("a.p")} <= {None, 1111.0}
    assert {r.value for r in world.readings("a.q")} <= {None, 2222.0}
    assert world.readings("a.q")[-1].quality is Quality.GOOD
    assert world.bus.counters["a"].timeouts >= 5


def test_the_line_rests_between_two_frames() -> None:
    points = [register("p", 0), register("q", 200)]
    world = run([unit("a", 1, *points)], {1: holding({0: 1, 200: 2})}, baud=9600)
    world.run(0.5)
    (first, _), (second, _) = world.sent
    assert second - first == pytest.approx(TURNAROUND + 3.5 * 11 / 9600)


def test_a_poll_that_could_not_be_fitted_in_is_skipped_and_counted() -> None:
    points = [register(f"p{n}", 200 * n, scan="fast") for n in range(4)]
    units = [unit("a", 1, *points, timeout=1.0)]
    world = run(units, {1: holding({200 * n: n for n in range(4)})}, wire=lambda _, answer: [(0.1, answer)])
    world.run(10)
    assert 90 <= len(world.sent) <= 100, "the wire is busy all the time"
    assert world.bus.counters["a"].skipped >= 90
    assert {
        len([1 for _, f in world.sent if f[2:4] == a]) // 10 for a in {f[2:4] for _, f in world.sent}
    } == {2}


def test_our_own_bug_over_one_units_answer_stays_that_units_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(point: Point, place: int) -> Read:
        def read(raw: bytes) -> Decoded:
            if raw == b"\0\x09":
                raise ZeroDivisionError
            return decode(point, raw)

        return read

    monkeypatch.setattr(watch, "compiled", failing)
    units = [unit("a", 1, register("p", 0)), unit("b", 2, register("p", 0))]
    world = run(units, {1: holding({0: 1}), 2: holding({0: 2})})
    world.run(0.5)
    world.slave.tables[1][Table.HOLDING][0] = 9
    world.run(3)
    assert [(e.subject, e.on) for e in world.events if isinstance(e, Trouble)][:1] == [("a", True)]
    assert [(r.value, r.reason) for r in world.readings("a.p")] == [(1.0, Reason.NONE), (1.0, Reason.DRIVER)]
    world.slave.tables[1][Table.HOLDING][0] = 3
    world.slave.tables[2][Table.HOLDING][0] = 4
    world.run(30)
    assert values(world, "a.p")[-1] == 3.0
    assert values(world, "b.p") == [2.0, 4.0]
    assert [(e.subject, e.on) for e in world.events if isinstance(e, Trouble)][-1] == ("a", False)


def test_an_unknown_output_is_refused_by_name() -> None:
    world = run([unit("io", 1, coil("out1", 0))], {1: {Table.COIL: {0: 0}}})
    with pytest.raises(ValueError, match="io has no output 'out9'"):
        world.command("out9", Do.SET)


def test_spurious_calls_do_nothing() -> None:
    world = Virtual(bus([unit("a", 1, register("p", 0))]), Slave({1: holding({0: 1})}, RTU))
    world.run(0.5)
    sent = len(world.sent)
    world.take(world.bus.woken(world.events[0].at))
    world.take(world.bus.received(b"", world.events[0].at))
    assert len(world.sent) == sent
