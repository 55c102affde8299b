"""Values that are written, each told how it ended; what a point does not take never reaches the wire."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.drivers.modbus.codec import decode, width
from sitewarden.drivers.modbus.limits import NotWritable, encoded
from sitewarden.drivers.modbus.outputs import LAPSES
from sitewarden.drivers.modbus.points import Kind, Order, Point, Table
from sitewarden.rules.model import Command, Do, Outcome, Reason, Value, WriteEnded
from tests.drivers.virtual import Slave, Virtual, bus, coil, holding, stamp, unit


def point(name: str, address: int, kind: Kind = Kind.U16, **more: object) -> Point:
    return Point(name, Table.HOLDING, address, kind, writable=True, **more)  # type: ignore[arg-type]


SETPOINT = point("setpoint", 3, scale=0.01, unit="%", write_low=0, write_high=100)
TOTAL = point("total", 8, Kind.U32)
NAME = point("name", 20, Kind.STRING, words=3)
MODE = point("mode", 30, Kind.ENUM, names={0: {}, 3: {}})
LEVEL = Point("level", Table.HOLDING, 40, Kind.U16)
POINTS = [SETPOINT, TOTAL, NAME, MODE, LEVEL, coil("valve", 5)]


def world(*, tcp: bool = False, window: int = 1) -> Virtual:
    pump = unit("pump", 2, *POINTS)
    words = dict.fromkeys([*range(3, 10), *range(20, 23), 30, 40], 0)
    slave = Slave({2: holding(words) | {Table.COIL: {5: 0}}}, tcp)
    made = Virtual(bus([pump], tcp, window=window), slave)
    made.run(0.5)
    made.sent.clear()
    return made


def write(made: Virtual, name: str, value: Value) -> None:
    made.take(made.bus.command(Command("pump", name, Do.WRITE, value=value), stamp(made.now)))


def ends(made: Virtual) -> list[WriteEnded]:
    return [event for event in made.events if isinstance(event, WriteEnded)]


def written(made: Virtual) -> list[str]:
    at = 7 if made.slave.tcp else 1
    frames = [frame[at:] if made.slave.tcp else frame[at:-2] for _, frame in made.sent]
    return [pdu.hex() for pdu in frames if pdu[0] in (5, 6, 15, 16)]


@pytest.mark.parametrize(
    ("name", "value", "pdu", "read"),
    [
        ("setpoint", 62.5, "060003186a", 62.5),
        ("setpoint", 62.504, "060003186a", 62.5),
        ("total", 70000, "10000800020400011170", 70000.0),
        ("name", "P1", "10001400030650310000" + "0000", "P1"),
        ("mode", 3, "06001e0003", 3),
        ("valve", True, "050005ff00", True),
    ],
)
@pytest.mark.parametrize("tcp", [False, True])
def test_a_value_is_written_read_back_and_told(
    name: str, value: Value, pdu: str, read: Value, tcp: bool
) -> None:
    made = world(tcp=tcp)
    write(made, name, value)
    assert written(made) == [pdu], "in the same call"
    made.run(0.2)
    (end,) = ends(made)
    assert (end.point, end.outcome, end.read) == (f"pump.{name}", Outcome.VERIFIED, read)
    assert end.before == ("" if name == "name" else 0)
    assert made.readings(f"pump.{name}")[-1].value == read
    made.run(60)
    assert len(written(made)) == len(ends(made)) == 1


def test_a_device_that_clamps_is_told_with_what_it_reads_and_not_written_again() -> None:
    made = world()
    made.wire = lambda request, answer: _clamped(made, request, answer)
    write(made, "setpoint", 90.0)
    made.run(30)
    (end,) = ends(made)
    assert (end.outcome, end.before, end.read) == (Outcome.UNVERIFIED, 0.0, 50.0)
    assert len(written(made)) == 1


def _clamped(made: Virtual, request: bytes, answer: bytes) -> Iterable[tuple[float, bytes]]:
    cells = made.slave.tables[2][Table.HOLDING]
    cells[3] = min(cells[3], 5000)
    return [(0.005, answer)]


def test_a_text_may_come_back_filled_up_with_blanks() -> None:
    made = world()
    write(made, "name", "P1")
    made.slave.tables[2][Table.HOLDING] |= {21: 0x2020, 22: 0x2020}
    made.run(0.2)
    assert [end.outcome for end in ends(made)] == [Outcome.VERIFIED]


@pytest.mark.parametrize(("code", "reason"), [(3, Reason.ILLEGAL_VALUE), (4, Reason.DEVICE_FAILURE)])
def test_a_refusal_is_told_with_its_exception_and_not_tried_again(code: int, reason: Reason) -> None:
    made = world()
    made.slave.refuses[6] = code
    write(made, "setpoint", 10.0)
    made.run(30)
    assert [(end.outcome, end.reason) for end in ends(made)] == [(Outcome.REFUSED, reason)]
    assert len(written(made)) == 1


def test_a_busy_device_is_asked_again_until_it_takes_the_value() -> None:
    made = world()
    made.slave.refuses[6] = 6
    write(made, "setpoint", 10.0)
    made.run(2.5)
    assert ends(made) == []
    made.slave.refuses.clear()
    made.run(2)
    assert [end.outcome for end in ends(made)] == [Outcome.VERIFIED]


@pytest.mark.parametrize("away", [0.5, 5.0])
def test_a_unit_that_comes_back_in_time_is_written(away: float) -> None:
    made = world()
    made.slave.dead.add(2)
    made.run(2)
    write(made, "setpoint", 10.0)
    made.run(away)
    made.slave.dead.clear()
    made.run(4)
    assert [end.outcome for end in ends(made)] == [Outcome.VERIFIED]


def test_what_was_not_confirmed_in_time_is_not_written_any_more() -> None:
    made = world()
    made.slave.dead.add(2)
    made.run(2)
    write(made, "setpoint", 10.0)
    made.run(LAPSES)
    made.slave.dead.clear()
    made.sent.clear()
    made.run(60)
    assert written(made) == []
    assert ends(made) == [], "whoever asked has given up by then"


def test_a_broadcast_is_sent_and_never_verified() -> None:
    everyone = unit("everyone", 0, SETPOINT)
    made = Virtual(bus([everyone]), Slave({}, False))
    made.take(made.bus.command(Command("everyone", "setpoint", Do.WRITE, value=50), stamp(made.now)))
    made.run(5)
    (end,) = ends(made)
    assert (end.point, end.outcome, end.read) == ("everyone.setpoint", Outcome.SENT, None)
    assert written(made) == ["0600031388"]


def test_a_read_that_was_out_when_its_write_was_confirmed_does_not_verify_it() -> None:
    made = world(tcp=True, window=8)
    made.wire = lambda request, answer: [(0.03 if request[7] == 3 else 0.005, answer)]
    while not any(frame[7] == 3 for _, frame in made.sent):
        made.run(0.01)
    write(made, "setpoint", 10.0)
    made.run(3)
    assert [end.outcome for end in ends(made)] == [Outcome.VERIFIED]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("setpoint", 100.5, "found 100.5, expected 0 to 100"),
        ("setpoint", -0.01, "does not fit"),
        ("setpoint", True, "expected a number"),
        ("setpoint", "10", "expected a number"),
        ("setpoint", float("nan"), "expected a number"),
        ("total", 2**32, "does not fit"),
        ("mode", 1, "expected a number that has a name"),
        ("mode", 2.5, "expected a number that has a name"),
        ("name", "a pump", None),
        ("name", "longer", None),
        ("name", "too long", "does not fit"),
        ("name", "泵", "does not fit"),
        ("name", 7, "expected a text"),
        ("valve", 1, "expected true or false"),
        ("level", 1, "has no output 'level'"),
    ],
)
def test_a_value_that_the_point_does_not_take(name: str, value: Value, words: str | None) -> None:
    made = world()
    if words is None:
        write(made, name, value)
        return
    with pytest.raises(ValueError, match=words):
        write(made, name, value)
    made.run(1)
    assert (written(made), ends(made)) == ([], [])


def test_a_point_is_read_only_when_it_says_so_or_shares_its_register() -> None:
    for one in (LEVEL, point("bit", 3, Kind.BIT), point("byte", 3, Kind.U8L)):
        with pytest.raises(NotWritable, match="is read-only"):
            encoded(one, 1)


KINDS = [Kind.U16, Kind.I16, Kind.U32, Kind.I32, Kind.U64, Kind.I64, Kind.F32, Kind.F64, Kind.BCD]
points = st.builds(
    lambda kind, scale, offset, limits, order, writable: Point(
        "p",
        Table.HOLDING,
        0,
        kind,
        scale=scale,
        offset=offset,
        word_order=order,
        writable=writable,
        write_low=limits and min(limits),
        write_high=limits and max(limits),
    ),
    st.sampled_from(KINDS),
    st.sampled_from([1.0, 0.1, 0.01, 0.3, 10.0, -1.0]),
    st.sampled_from([0.0, -40.0]),
    st.none() | st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)),
    st.sampled_from(Order),
    st.booleans(),
)
values = st.one_of(
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.just(10**400),
    st.floats(-1e4, 1e4),
    st.booleans(),
    st.text(max_size=3),
)


@settings(max_examples=400)
@given(points, values)
def test_only_what_is_within_the_limits_of_a_writable_point_becomes_bytes(one: Point, value: Value) -> None:
    try:
        raw = encoded(one, value)
    except NotWritable:
        return
    assert one.writable
    assert isinstance(value, float | int)
    assert not isinstance(value, bool)
    read, reason = decode(one, raw)
    assert reason is Reason.NONE
    assert isinstance(read, float)
    nearly = (abs(value) + abs(one.offset)) * 1e-6 + 1e-6  # a float is as near as its bits allow
    step = nearly if one.kind in (Kind.F32, Kind.F64) else abs(one.scale) / 2 + nearly
    assert abs(read - value) <= step
    for number in (value, read):
        assert one.write_low is None or number >= one.write_low - nearly
        assert one.write_high is None or number <= one.write_high + nearly
    assert len(raw) == 2 * width(one)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(POINTS), values)
def test_what_is_refused_leaves_the_wire_as_it_was(one: Point, value: Value) -> None:
    made = world()
    try:
        write(made, one.name, value)
    except ValueError:
        made.run(1)
        assert written(made) == []
    else:
        assert one.writable
        assert len(written(made)) == 1
