"""Whatever happens to the stream of a framing: the right answer or none, and the next good one is read.

ASCII has a check of eight bits only, so its frames are harmed once each. TCP itself neither flips a bit nor
loses a byte in the middle, and Modbus adds no check to it: there frames come twice, out of order, late, among
rubbish and for somebody else. One that a device cuts short is known by the silence behind it; another frame
at once behind it would be taken for its end, and nobody could tell.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from pymodbus.framer import FramerAscii, FramerBase, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from sitewarden.drivers.modbus.pace import ascii_line, rtu
from sitewarden.drivers.modbus.points import Table
from sitewarden.drivers.modbus.request import Request, read
from sitewarden.drivers.modbus.wire import Ascii, Counters, Echoing, Rtu, Tcp, Wire
from tests.drivers.virtual import stamp

pytestmark = pytest.mark.slow

BAUD = 9600
RTU, ASCII = rtu(11 / BAUD, BAUD), ascii_line(10 / BAUD)
BETWEEN = 0.0004  # s between the pieces of one burst: below any silence
APART = 0.05  # s between bursts: above any
ROUND = 1.0  # s between two requests

Pieces = Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Line:
    """An unnumbered framing, and how the other end frames what it says."""

    wire: Callable[[], Wire]
    framer: type[FramerBase]
    harms: int  # to one answer, at most
    echo: bool = False

    def framed(self, request: Request, pdu: bytes) -> bytes:
        return self.framer(DecodePDU(is_server=True)).encode(pdu, request.unit_id, 0)


LINES: Mapping[str, Line] = {
    "rtu": Line(lambda: Rtu(RTU), FramerRTU, harms=3),
    "rtu-echo": Line(lambda: Echoing(Rtu(RTU)), FramerRTU, harms=3, echo=True),
    "ascii": Line(lambda: Ascii(ASCII), FramerAscii, harms=1),
    "ascii-echo": Line(lambda: Echoing(Ascii(ASCII)), FramerAscii, harms=1, echo=True),
}


# -- what may happen -----------------------------------------------------------------------------------

Harm = Callable[[bytes], bytes]
places = st.integers(0, 600)


def _insert(place: int, noise: bytes) -> Harm:
    return lambda data: data[: place % (len(data) + 1)] + noise + data[place % (len(data) + 1) :]


def _lose(place: int, size: int) -> Harm:
    return lambda data: data[: place % (len(data) + 1)] + data[place % (len(data) + 1) + size :]


def _flip(place: int, bit: int) -> Harm:
    def flipped(data: bytes) -> bytes:
        at = place % len(data) if data else 0
        return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] if data else data

    return flipped


def _repeat(place: int, size: int) -> Harm:
    return lambda data: data[: place % (len(data) + 1) + size] + data[place % (len(data) + 1) :]


noise = st.binary(min_size=1, max_size=9)
harms = st.one_of(
    st.builds(_insert, places, noise),
    st.builds(_lose, places, st.integers(1, 300)),
    st.builds(_flip, places, st.integers(0, 7)),
    st.builds(_repeat, places, st.integers(1, 300)),
)


@dataclass(frozen=True, slots=True)
class Fate:
    """Of one answer: how it is harmed, where it is split, and how many of its bytes come so late that they
    stand before the next."""

    harms: Sequence[Harm] = ()
    cuts: Sequence[int] = ()
    late: int = 0
    gap: float = APART  # s between what comes late and the answer after it

    def come(self, data: bytes) -> tuple[bytes, bytes]:
        """What comes now, and what late."""
        for harm in self.harms:
            data = harm(data)
        return data[: len(data) - self.late], data[max(len(data) - self.late, 0) :]

    def split(self, data: bytes) -> Pieces:
        ends = sorted({0, len(data), *(cut % (len(data) + 1) for cut in self.cuts)})
        return [data[start:end] for start, end in pairwise(ends)]


def fates(most: int) -> st.SearchStrategy[Fate]:
    late = st.one_of(st.just(0), st.integers(1, 300))
    cuts = st.lists(places, max_size=3)
    return st.builds(Fate, st.lists(harms, max_size=most), cuts, late, st.sampled_from([BETWEEN, APART]))


@dataclass(frozen=True, slots=True)
class Block:
    """What is read, and what is there."""

    request: Request
    right: bytes  # PDU of the answer


@st.composite
def blocks(draw: st.DrawFn) -> Sequence[Block]:
    """One of each unit and function: of two that differ in their address alone an answer without a number
    cannot say which it is about, and the bus does not ask for them so soon after each other."""
    made = []
    for unit_id in (1, 2, 17):
        for table in Table:
            count = draw(st.integers(1, 20))
            request = read(unit_id, table, draw(st.integers(0, 1000)), count)
            size = request.length - 2
            made.append(Block(request, request.head + draw(st.binary(min_size=size, max_size=size))))
    return made


# -- lines: one request at a time, and an answer that does not say which it belongs to ------------------


class Talk:
    """Asks block after block. Whatever is taken for an answer must be what this block holds."""

    def __init__(self, line: Line) -> None:
        self.line, self.wire = line, line.wire()
        self.mono, self.late = 0.0, b""

    def ask(self, block: Block, fate: Fate) -> bool:
        """Whether the block was read."""
        self.mono += ROUND
        asked = self.wire.ask(block.request, Counters())
        said = self.line.framed(block.request, block.right)
        now, late = fate.come(asked + said if self.line.echo else said)
        taken = [*self._hear(fate.split(self.late))]
        self.mono += fate.gap
        taken += self._hear(fate.split(now))
        self.late = late
        for pdu in taken:
            assert pdu in (b"", block.right)
        assert len(taken) <= 1
        if not taken:
            self.wire.give_up(block.request)
        return taken == [block.right]

    def drain(self) -> None:
        """What is late comes while nobody waits for anything."""
        self.mono += ROUND
        assert not [*self._hear([self.late])]
        self.late = b""

    def _hear(self, pieces: Pieces) -> Iterator[bytes]:
        for piece in pieces:
            self.mono += BETWEEN
            for answer in self.wire.take(piece, stamp(self.mono)):
                yield answer.pdu


@pytest.mark.parametrize("name", LINES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_line_gives_the_right_answer_or_none_and_reads_the_next_good_one(
    name: str, data: st.DataObject
) -> None:
    line = LINES[name]
    there = data.draw(blocks())
    talk = Talk(line)
    fate = fates(line.harms)
    for block in data.draw(st.lists(st.sampled_from(there), min_size=1, max_size=6)):
        event("read" if talk.ask(block, data.draw(fate)) else "not read")
    talk.drain()
    assert all(talk.ask(block, Fate(cuts=data.draw(fate).cuts)) for block in there)


@pytest.mark.parametrize("name", ["rtu-echo", "ascii-echo"])
def test_an_echo_that_looks_like_the_answer_is_not_taken_for_it(name: str) -> None:
    """24 coils from 0x300 on are three bytes, and the address begins with a three."""
    request = read(2, Table.COIL, 0x300, 24)
    block, glitch = Block(request, b"\1\3\x11\x22\x33"), _insert(0, b"\0")
    talk = Talk(LINES[name])
    assert talk.ask(block, Fate([glitch]))
    assert not talk.ask(block, Fate([_lose(0, 1)]))
    assert not talk.ask(block, Fate([_lose(len(talk.line.framed(request, request.pdu)), 300)]))
    assert talk.ask(block, Fate())


# -- TCP: several requests at once, and answers that say which they belong to ----------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    """What a device sends for one request, or instead."""

    harm: str = ""  # "none", "twice", "unit": of another one, "older": with a number of the round before
    rubbish: bytes = b""  # before it


replies = st.builds(
    Reply,
    st.sampled_from(["", "", "", "none", "twice", "unit", "older"]),
    st.one_of(st.just(b""), st.just(b""), noise),
)


class Numbered:
    """Asks the same blocks again and again; what they hold is another every time, so that the answer to an
    older request is wrong now."""

    def __init__(self, window: int) -> None:
        self.wire, self.mono, self.count = Tcp(window=window), 0.0, 0
        self._framer = FramerSocket(DecodePDU(is_server=True))
        self._late = b""

    def ask(self, units: Sequence[int], how: Sequence[Reply], turns: Sequence[int], fate: Fate) -> int:
        """One request to each unit, all of them out at once; the replies come in the order of `turns`, and
        the last of them late or never in full. How many were read."""
        self.mono += ROUND
        due: dict[Request, bytes] = {}
        said = []
        for unit_id, reply in zip(units, how, strict=True):
            self.count += 1
            request = read(unit_id, Table.HOLDING, 0, 3)
            due[request] = request.head + self.count.to_bytes(6, "big")
            number = int.from_bytes(self.wire.ask(request, Counters())[:2], "big")
            older = number - len(said) - 1
            said.append(self._said(reply, older if reply.harm == "older" else number, unit_id, due[request]))
        now, late = fate.come(b"".join(said[turn] for turn in turns))
        read_ = 0
        for piece in [self._late, *fate.split(now)]:
            self.mono += BETWEEN
            for answer in self.wire.take(piece, stamp(self.mono)):
                right = due.pop(answer.request)
                assert answer.pdu in (b"", right)
                read_ += answer.pdu == right
        self._late = late if fate.gap == APART else b""
        for request in due:
            self.wire.give_up(request)
        return read_

    def _said(self, reply: Reply, number: int, unit_id: int, pdu: bytes) -> bytes:
        frame = self._framer.encode(pdu, unit_id + 1 if reply.harm == "unit" else unit_id, number)
        match reply.harm:
            case "none":
                frame = b""
            case "twice":
                frame += frame
        return reply.rubbish + frame


@pytest.mark.parametrize("window", [1, 2, 8])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_over_tcp_no_answer_is_taken_for_another_requests(window: int, data: st.DataObject) -> None:
    talk = Numbered(window)
    for _ in range(data.draw(st.integers(1, 5))):
        units = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=window))
        how = data.draw(st.lists(replies, min_size=len(units), max_size=len(units)))
        turns = data.draw(st.permutations(range(len(units))))
        event(f"read {talk.ask(units, how, turns, data.draw(fates(0)))} of {len(units)}")
    units, how, turns = [1] * window, [Reply()] * window, range(window)
    talk.ask(units, how, turns, Fate())  # what is late spoils these at most
    assert talk.ask(units, how, turns, Fate(cuts=data.draw(fates(0)).cuts)) == window


def test_what_came_half_of_one_request_outlives_the_end_of_another() -> None:
    wire, device = Tcp(window=2), FramerSocket(DecodePDU(is_server=True))
    dead, slow = read(1, Table.HOLDING, 0, 1), read(2, Table.HOLDING, 0, 1)
    wire.ask(dead, Counters())
    wire.ask(slow, Counters())
    frame = device.encode(slow.head + b"\0\7", 2, 2)
    assert not wire.take(frame[:9], stamp(1.0))
    wire.give_up(dead)
    assert [answer.pdu for answer in wire.take(frame[9:], stamp(1.1))] == [b"\3\2\0\7"]
    wire.ask(dead, Counters())
    assert not wire.take(device.encode(dead.head + b"\0\7", 1, 3)[:9], stamp(2.0))
    wire.give_up(dead)
    wire.ask(slow, Counters())
    frame = device.encode(slow.head + b"\0\7", 2, 4)
    assert [answer.pdu for answer in wire.take(frame, stamp(3.0))] == [b"\3\2\0\7"]
