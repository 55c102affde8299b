"""Only what has changed is said; what the shortcuts leave out, a watch without any would not say either."""

from collections.abc import Sequence
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitewarden.drivers.modbus import watch
from sitewarden.drivers.modbus.codec import Decoded, decode
from sitewarden.drivers.modbus.compiled import Read
from sitewarden.drivers.modbus.planner import Block
from sitewarden.drivers.modbus.points import Kind, Point, Table
from sitewarden.drivers.modbus.watch import Watch, part
from sitewarden.rules.model import Quality, Reading, Reason, Value
from tests.drivers.virtual import stamp

HEARTBEAT = 60.0


def register(name: str, address: int, kind: Kind = Kind.U16, **options: object) -> Point:
    return Point(name, Table.HOLDING, address, kind, **options)  # type: ignore[arg-type]


def block(*points: Point) -> Block:
    return Block(points[0].table, "normal", points)


def said(readings: Sequence[Reading]) -> list[tuple[str, Value | None]]:
    return [(reading.point.removeprefix("d."), reading.value) for reading in readings]


class Script:
    """One watched block, told register by register."""

    def __init__(self, *points: Point, heartbeat: float = HEARTBEAT) -> None:
        self.block = block(*points)
        self.watch = Watch("d", self.block, heartbeat)
        self.words = [0] * self.block.count

    def read(self, second: float, **words: int) -> list[tuple[str, Value | None]]:
        """`r3=7`: the register at place 3 is 7 from now on."""
        for place, word in words.items():
            self.words[int(place[1:])] = word
        raw = b"".join(word.to_bytes(2) for word in self.words)
        return said(self.watch.answered(raw, stamp(second)))


def test_the_first_answer_says_everything_and_an_equal_one_nothing() -> None:
    it = Script(register("a", 0), register("b", 1))
    assert it.read(0) == [("a", 0.0), ("b", 0.0)]
    assert it.read(1) == []
    assert it.read(2, r1=5) == [("b", 5.0)]


def test_only_the_points_whose_registers_differ_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    make = watch.compiled

    def noting(point: Point, place: int) -> Read:
        read = make(point, place)

        def note(raw: bytes) -> Decoded:
            decoded.append(point.name)
            return read(raw)

        return note

    monkeypatch.setattr(watch, "compiled", noting)
    it = Script(
        register("a", 0), register("wide", 1, Kind.U32), register("b", 3), register("bit", 3, Kind.BIT, bit=1)
    )
    it.read(0)
    decoded.clear()
    it.read(1)
    it.read(2, r2=1)
    assert decoded == ["wide"]
    it.read(3, r1=1, r2=2, r3=1)  # a value whose words both differ is decoded once
    assert decoded[1:] == ["wide", "b", "bit"]
    it.read(3 + HEARTBEAT)  # what is only said again needs no decoding
    assert len(decoded) == 4


def test_bits_of_one_register_are_points_of_their_own() -> None:
    it = Script(*(register(f"b{bit}", 0, Kind.BIT, bit=bit) for bit in range(3)), register("word", 0))
    it.read(0)
    assert it.read(1, r0=0b010) == [("b1", True), ("word", 2.0)]
    assert it.read(2, r0=0b111) == [("b0", True), ("b2", True), ("word", 7.0)]


def test_points_may_overlap() -> None:
    it = Script(register("both", 0, Kind.U32), register("low", 1))
    it.read(0)
    assert it.read(1, r0=1) == [("both", 65536.0)]
    assert it.read(2, r1=1) == [("both", 65537.0), ("low", 1.0)]


def test_each_point_has_its_own_heartbestamp() -> None:
    it = Script(register("a", 0), register("b", 1, max_interval=10.0))
    it.read(0)
    it.read(8, r0=1)
    assert it.read(9) == []
    assert it.read(10) == [("b", 0.0)]
    assert it.read(20) == [("b", 0.0)]
    assert it.read(29) == []
    assert it.read(8 + HEARTBEAT) == [("b", 0.0), ("a", 1.0)]


def test_heartbeats_all_over_the_minute_cost_a_read_no_more_than_what_they_say() -> None:
    """Each of 120 points was said at another half second; from then on no read looks at them all."""
    it = Script(*(register(str(n), n) for n in range(120)))
    it.read(-1)
    for n in range(120):
        it.read(n / 2, **{f"r{n}": 1})
    looked = 0
    settle = it.watch._settle

    def looking(*arguments: object) -> None:
        nonlocal looked
        looked += 1
        settle(*arguments)  # type: ignore[arg-type]

    it.watch._settle = looking  # type: ignore[method-assign, assignment]
    again = sum(len(it.read(HEARTBEAT + half / 2)) for half in range(120))
    assert again == 120
    assert looked <= 240  # each is put off once, since it had changed, and said once


def test_a_change_that_comes_too_soon_is_said_when_the_interval_is_over() -> None:
    it = Script(register("a", 0, min_interval=5.0), register("b", 1))
    it.read(0)
    assert it.read(1, r0=1) == []
    assert it.read(2, r0=2, r1=9) == [("b", 9.0)]
    assert it.read(4.9) == []
    assert it.read(5.1) == [("a", 2.0)]
    assert it.read(20) == []


def test_a_change_that_went_back_meanwhile_is_none() -> None:
    it = Script(register("a", 0, min_interval=5.0))
    it.read(0)
    it.read(1, r0=1)
    it.read(2, r0=0)
    assert it.read(5.1) == []
    assert it.read(6, r0=3) == [("a", 3.0)]


def test_a_change_of_quality_waits_for_no_interval() -> None:
    it = Script(register("a", 0, min_interval=5.0, high=100.0))
    it.read(0)
    it.read(1, r0=50)
    (bad,) = it.watch.answered(b"\0\xc8", stamp(2))
    assert (bad.value, bad.quality, bad.reason) == (50.0, Quality.BAD, Reason.OUT_OF_RANGE)
    assert it.read(2.5, r0=60) == [("a", 60.0)]


def test_a_failure_says_the_last_values_once_and_the_next_answer_all() -> None:
    it = Script(register("a", 0), register("b", 1))
    it.read(0, r0=4)
    bad = it.watch.failed(Reason.TIMEOUT, stamp(1))
    assert [(r.value, r.quality, r.reason) for r in bad] == [
        (4.0, Quality.BAD, Reason.TIMEOUT),
        (0.0, Quality.BAD, Reason.TIMEOUT),
    ]
    assert list(it.watch.failed(Reason.TIMEOUT, stamp(2))) == []
    assert [r.reason for r in it.watch.failed(Reason.BUSY, stamp(3))] == [Reason.BUSY] * 2
    assert it.read(4) == [("a", 4.0), ("b", 0.0)]


def test_a_part_of_a_block_goes_on_with_what_is_known() -> None:
    it = Script(register("a", 0), register("b", 1), heartbeat=10.0)
    it.read(0, r1=3)
    half = Watch("d", block(it.block.points[1]), 10.0).resume([it.watch])
    assert said(half.answered(b"\0\3", stamp(1))) == []
    assert said(half.answered(b"\0\3", stamp(10))) == [("b", 3.0)]
    assert said(half.answered(b"\0\4", stamp(11))) == [("b", 4.0)]
    other = Watch("d", block(it.block.points[0]), 10.0).resume([it.watch])
    whole = Watch("d", it.block, 10.0).resume([other, half])
    assert said(whole.answered(b"\0\0\0\4", stamp(12))) == [("a", 0.0)]
    assert said(whole.answered(b"\0\0\0\3", stamp(13))) == [("b", 3.0)], "what the half said last counts"


# -- beside a watch without shortcuts ------------------------------------------------------------


class Naive:
    """Decodes every point at every read."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.now: dict[str, tuple[Value | None, Reason | None]] = dict.fromkeys(self._names, (None, None))
        self.last: dict[str, tuple[Value | None, Reason | None, float]]
        self.last = dict.fromkeys(self._names, (None, None, -inf))

    @property
    def _names(self) -> list[str]:
        return [point.name for point in self.block.points]

    def answered(self, raw: bytes, mono: float) -> set[tuple[str, Value | None, Reason]]:
        news = set()
        for point in self.block.points:
            value, reason = decode(point, part(self.block, point, raw))
            value = self.now[point.name][0] if reason else value
            self.now[point.name] = value, reason
            before, reason_before, since = self.last[point.name]
            moved = not reason and value != before
            if moved and isinstance(value, float) and isinstance(before, float):
                moved = abs(value - before) >= point.deadband
            most = HEARTBEAT if point.max_interval is None else point.max_interval
            if reason is not reason_before or mono >= since + (point.min_interval if moved else most):
                news.add(self._say(point.name, reason, mono))
        return news

    def failed(self, reason: Reason, mono: float) -> set[tuple[str, Value | None, Reason]]:
        return {self._say(name, reason, mono) for name in self._names if self.last[name][1] is not reason}

    def _say(self, name: str, reason: Reason, mono: float) -> tuple[str, Value | None, Reason]:
        value = self.now[name][0]
        self.last[name] = value, reason, mono
        return name, value, reason


@st.composite
def registers(draw: st.DrawFn) -> Block:
    kinds = st.sampled_from([Kind.U16, Kind.I16, Kind.U32, Kind.BIT, Kind.U8L, Kind.BITS, Kind.U64])
    points = [
        register(
            f"p{n}",
            draw(st.integers(0, 6)),
            draw(kinds),
            bit=draw(st.integers(0, 3)),
            absent=draw(st.sampled_from([None, 2])),
            high=draw(st.sampled_from([None, 300.0])),
            deadband=draw(st.sampled_from([0.0, 2.0])),
            min_interval=draw(st.sampled_from([0.0, 2.5])),
            max_interval=draw(st.sampled_from([None, 4.0, 9.0])),
        )
        for n in range(draw(st.integers(1, 6)))
    ]
    return block(*sorted(points, key=lambda point: point.address))


@st.composite
def coils(draw: st.DrawFn) -> Block:
    addresses = draw(st.lists(st.integers(3, 40), min_size=1, max_size=8, unique=True))
    waits = st.sampled_from([0.0, 2.5])
    points = [Point(f"p{n}", Table.COIL, n, Kind.BOOL, min_interval=draw(waits)) for n in sorted(addresses)]
    return block(*points)


@given(registers() | coils(), st.data())
def test_the_shortcuts_leave_nothing_out(block: Block, data: st.DataObject) -> None:
    quick, naive = Watch("d", block, HEARTBEAT), Naive(block)
    size = (block.count + 7) // 8 if block.table is Table.COIL else 2 * block.count
    raw, now = bytes(size), 0.0
    for _ in range(data.draw(st.integers(1, 12))):
        now += data.draw(st.sampled_from([0.5, 1.0, 3.0, 61.0]))
        match data.draw(st.sampled_from(["same", "one", "one", "all", "fails"])):
            case "one":
                place = data.draw(st.integers(0, size - 1))
                raw = raw[:place] + bytes([data.draw(st.integers(0, 3))]) + raw[place + 1 :]
            case "all":
                raw = data.draw(st.binary(min_size=size, max_size=size))
            case "fails":
                reason = data.draw(st.sampled_from([Reason.TIMEOUT, Reason.BUSY]))
                failed = {
                    (r.point.removeprefix("d."), r.value, r.reason) for r in quick.failed(reason, stamp(now))
                }
                assert failed == naive.failed(reason, stamp(now).mono)
                continue
        news = [(r.point.removeprefix("d."), r.value, r.reason) for r in quick.answered(raw, stamp(now))]
        assert len(news) == len(set(news))
        assert set(news) == naive.answered(raw, stamp(now).mono)
