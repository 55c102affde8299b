"""A Modbus line overheard: the bytes of both sides, from anywhere in the stream, to frames.

A master knows what must come (`wire.py`); a listener does not. It takes for a frame what has the length
that its function gives it, as a request or as an answer, and the right check. Where no frame can begin it
goes on at the next byte, so that noise costs itself alone. Sources: MODBUS Application Protocol V1.1b3,
clause 6; Serial Line V1.02, 2.5; Messaging on TCP/IP V1.0b, 3.1.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pymodbus.framer import FramerAscii, FramerRTU

from sitewarden.rules.model import Stamp

REFUSAL = 0x80  # set in the function code of an exception
HIGHEST_UNIT = 247  # V1.02, 2.2; above it is reserved
LONGEST_RTU, SHORTEST_RTU = 256, 4  # bytes of a frame (V1.02, 2.5.1)
LONGEST_ASCII = 513  # characters (V1.02, 2.5.2)
REST = 0.01  # s of silence that ends a frame for certain, whatever adapter gathers the bytes
REST_ASCII = 1.0  # s between two characters of a frame at most (V1.02, 2.5.2.1)
IDENTIFY = b"\x2b\x0e"  # function 43, MEI type 14: device identification
OWN_FUNCTIONS = frozenset({*range(65, 73), *range(100, 111)})  # the maker's; nobody knows their lengths


class Side(StrEnum):
    MASTER = "master"
    UNIT = "unit"


class Fault(StrEnum):
    """What is the matter with bytes that are no frame."""

    GLITCH = "glitch"  # too short for a frame
    CHECK = "check"  # long enough for one, and no check fits


@dataclass(frozen=True, slots=True)
class Frame:
    at: Stamp  # when its last byte was there
    raw: bytes
    unit_id: int
    pdu: bytes
    gap: float | None = None  # s of silence before it; None: not to be told from how the bytes came
    transaction: int | None = None  # over TCP


@dataclass(frozen=True, slots=True)
class Spoilt:
    at: Stamp
    raw: bytes

    @property
    def fault(self) -> Fault:
        return Fault.CHECK if len(self.raw) >= SHORTEST_RTU else Fault.GLITCH


Heard = Frame | Spoilt


class Sniffer(Protocol):
    def received(self, data: bytes, at: Stamp) -> Iterator[Heard]:
        """Some bytes, split anywhere."""
        ...

    def silent(self, at: Stamp) -> Iterator[Heard]:
        """The line rests: what is half there will not become a frame."""
        ...


# -- how long a PDU is -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Size:
    """`fixed` bytes, and as many as the count says that stands at `count` in `wide` bytes."""

    fixed: int
    count: int | None = None
    wide: int = 1

    def of(self, pdu: bytes) -> int | None:
        """Of a PDU that begins so; None: not to be told yet."""
        if self.count is None:
            return self.fixed
        if len(pdu) < self.count + self.wide:
            return None
        return self.fixed + int.from_bytes(pdu[self.count : self.count + self.wide], "big")


REQUESTS: Mapping[int, Size] = {  # V1.1b3, 6.1 to 6.21
    **dict.fromkeys((1, 2, 3, 4, 5, 6, 8), Size(5)),
    **dict.fromkeys((7, 11, 12, 17), Size(1)),
    **dict.fromkeys((15, 16), Size(6, 5)),
    **dict.fromkeys((20, 21), Size(2, 1)),
    22: Size(7),
    23: Size(10, 9),
    24: Size(3),
    43: Size(4),
}
ANSWERS: Mapping[int, Size] = {
    **dict.fromkeys((1, 2, 3, 4, 12, 17, 20, 21, 23), Size(2, 1)),
    **dict.fromkeys((5, 6, 8, 11, 15, 16), Size(5)),
    7: Size(2),  # one byte more than the request: if it is the request's check, the two cannot be told apart
    22: Size(7),
    24: Size(3, 1, wide=2),
}  # function 43 counts its objects, not its bytes


def request_size(pdu: bytes) -> int | None:
    """Of a request that begins so; None: not to be told yet. KeyError: not a function we know."""
    return REQUESTS[pdu[0]].of(pdu)


def answer_size(pdu: bytes) -> int | None:
    """The same of an answer or a refusal."""
    if pdu[0] & REFUSAL:
        return 2
    return _identification_size(pdu) if pdu[0] == IDENTIFY[0] else ANSWERS[pdu[0]].of(pdu)


def _identification_size(pdu: bytes) -> int | None:
    """V1.1b3, 6.21: seven bytes, then each object with its number and its length."""
    if len(pdu) < 7:
        return None
    place = 7
    for _ in range(pdu[6]):
        if len(pdu) < place + 2:
            return None
        place += 2 + pdu[place + 1]
    return place


def answers(asked: bytes, pdu: bytes) -> bool:
    """Whether `pdu` can be the answer to the request `asked`."""
    if pdu[0] == asked[0] | REFUSAL:
        return len(pdu) == 2
    if pdu[0] != asked[0] or asked[0] not in REQUESTS or answer_size(pdu) != len(pdu):
        return asked[0] in OWN_FUNCTIONS and pdu[0] == asked[0]
    match asked[0]:
        case 1 | 2:
            return pdu[1] == (int.from_bytes(asked[3:5], "big") + 7) // 8
        case 3 | 4 | 23:
            return pdu[1] == 2 * int.from_bytes(asked[3:5], "big")
        case 5 | 6 | 15 | 16 | 22:
            return asked.startswith(pdu)
        case _:
            return True


# -- frames out of bytes ---------------------------------------------------------------------------


class RtuSniffer:
    """`character`: s that one takes; 0 where it is not known. Silence is what passed between two pieces,
    less the time that the bytes of the second were on the line; adapters that gather bytes blur it."""

    def __init__(self, character: float = 0.0) -> None:
        self._character = character
        self._buffer = b""
        self._skipped = 0  # of the buffer: no frame begins there
        self._pieces: dict[int, float] = {}  # where in the buffer a piece begins -> the silence before it
        self._at: Stamp | None = None

    def received(self, data: bytes, at: Stamp) -> Iterator[Heard]:
        if self._at is not None:
            gap = at.mono - self._at.mono - len(data) * self._character
            if gap > REST:
                yield from self.silent(self._at)
            if gap >= 0:
                self._pieces[len(self._buffer)] = gap
        self._at = at
        self._buffer += data
        yield from self._frames(at, over=False)

    def silent(self, at: Stamp) -> Iterator[Heard]:
        yield from self._frames(self._at or at, over=True)

    def _frames(self, at: Stamp, over: bool) -> Iterator[Heard]:
        while self._skipped < len(self._buffer):
            size = _rtu_size(self._buffer[self._skipped :], over)
            if size is None:
                break
            if size == 0:
                self._skipped += 1
                continue
            yield from self._spoilt(at)
            gap = self._pieces.get(0)
            raw = self._cut(size)
            yield Frame(at, raw, raw[0], raw[1:-2], gap)
        if over or self._skipped >= LONGEST_RTU:
            yield from self._spoilt(at)

    def _spoilt(self, at: Stamp) -> Iterator[Spoilt]:
        if self._skipped:
            yield Spoilt(at, self._cut(self._skipped))
            self._skipped = 0

    def _cut(self, size: int) -> bytes:
        raw, self._buffer = self._buffer[:size], self._buffer[size:]
        self._pieces = {place - size: gap for place, gap in self._pieces.items() if place >= size}
        return raw


def _rtu_size(data: bytes, over: bool) -> int | None:
    """Of the frame that `data` begins with. 0: none begins here; None: more has to come, and it is not
    `over` yet."""
    if len(data) < SHORTEST_RTU:
        return 0 if over or data[0] > HIGHEST_UNIT else None
    if data[0] > HIGHEST_UNIT:
        return 0
    pdu, may_come = data[1:], False
    for size in _sizes(pdu, len(pdu) - 2 if over else None):
        if size is None or size + 3 > len(data):
            may_come = may_come or size is None or size + 3 <= LONGEST_RTU
        elif FramerRTU.compute_CRC(data[: size + 1]).to_bytes(2, "big") == data[size + 1 : size + 3]:
            return size + 3
    return None if may_come and not over and len(data) < LONGEST_RTU else 0


def _sizes(pdu: bytes, rest: int | None) -> list[int | None]:
    """That a PDU beginning so may have; only what came at last (`rest`) tells of a maker's own."""
    function = pdu[0] & ~REFUSAL
    if function in OWN_FUNCTIONS:
        return [2 if pdu[0] & REFUSAL else rest]
    if function not in REQUESTS:
        return []
    return [answer_size(pdu)] if pdu[0] & REFUSAL else [request_size(pdu), answer_size(pdu)]


class AsciiSniffer:
    """Frames from a colon to a line feed, in hexadecimal, with a sum as their check (V1.02, 2.5.2)."""

    def __init__(self) -> None:
        self._buffer = b""
        self._at: Stamp | None = None

    def received(self, data: bytes, at: Stamp) -> Iterator[Heard]:
        if self._at is not None and at.mono - self._at.mono > REST_ASCII:
            yield from self.silent(self._at)
        self._at = at
        self._buffer += data
        while b"\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\n")
            before, colon, text = line.rpartition(b":")
            if before:
                yield Spoilt(at, before)
            yield _ascii_frame(colon + text + b"\n", at)
        if len(self._buffer) > LONGEST_ASCII:
            yield from self.silent(at)

    def silent(self, at: Stamp) -> Iterator[Heard]:
        if self._buffer:
            yield Spoilt(at, self._buffer)
            self._buffer = b""


def _ascii_frame(raw: bytes, at: Stamp) -> Heard:
    try:
        body = bytes.fromhex(raw[1:-2].decode("ascii"))
    except ValueError:
        return Spoilt(at, raw)
    whole = raw.startswith(b":") and raw.endswith(b"\r\n") and len(body) >= 3
    if not whole or FramerAscii.compute_LRC(body[:-1]) != body[-1]:
        return Spoilt(at, raw)
    return Frame(at, raw, body[0], body[1:-1])


class TcpSniffer:
    """One direction of a connection: frames with the MBAP header."""

    def __init__(self) -> None:
        self._buffer = b""

    def received(self, data: bytes, at: Stamp) -> Iterator[Heard]:
        self._buffer += data
        while len(self._buffer) >= 8:
            size = 6 + int.from_bytes(self._buffer[4:6], "big")
            if self._buffer[2:4] != b"\0\0" or not 8 <= size <= 260:
                yield from self.silent(at)
            elif len(self._buffer) < size:
                return
            else:
                raw, self._buffer = self._buffer[:size], self._buffer[size:]
                yield Frame(at, raw, raw[6], raw[7:], transaction=int.from_bytes(raw[:2], "big"))

    def silent(self, at: Stamp) -> Iterator[Heard]:
        if self._buffer:
            yield Spoilt(at, self._buffer)
            self._buffer = b""


# -- who answers whom ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """A frame in its place: `asked` is the request that an answer belongs to, if it was heard."""

    frame: Frame
    side: Side
    asked: Frame | None = None


@dataclass(frozen=True, slots=True)
class Unanswered:
    asked: Frame


AGAIN = 1.0  # s after which the very bytes of a request are the request again, and not its answer
LOST = 3.0  # s after which nobody waits for an answer any more


class Talk:
    """Requests and their answers, told apart by what they are and by what came before."""

    def __init__(self) -> None:
        self._open: dict[int | None, Frame] = {}  # by transaction; on a serial line there is one

    def heard(self, frame: Frame, side: Side | None = None) -> Iterator[Said | Unanswered]:
        """`side`: who said it, where that is known."""
        for key, waiting in list(self._open.items()):
            if frame.at.mono - waiting.at.mono > LOST:
                yield Unanswered(self._open.pop(key))
        asked = self._open.get(frame.transaction)
        side = side or self._side(frame, asked)
        if side is Side.UNIT:
            fits = asked and frame.unit_id == asked.unit_id and answers(asked.pdu, frame.pdu)
            if fits:
                del self._open[frame.transaction]
            yield Said(frame, side, asked if fits else None)
            return
        if asked:
            yield Unanswered(asked)
        self._open[frame.transaction] = frame
        if frame.unit_id == 0 and frame.transaction is None:  # a broadcast: nobody answers
            del self._open[None]
        yield Said(frame, side)

    def over(self) -> Iterator[Unanswered]:
        """Nobody waits any more: the line rests, or nothing more is heard."""
        yield from map(Unanswered, self._open.values())
        self._open.clear()

    @staticmethod
    def _side(frame: Frame, asked: Frame | None) -> Side:
        if asked and frame.unit_id == asked.unit_id and answers(asked.pdu, frame.pdu):
            late = frame.at.mono - asked.at.mono > AGAIN
            return Side.MASTER if late and frame.pdu == asked.pdu else Side.UNIT
        function = frame.pdu[0]
        answered = function in REQUESTS and request_size(frame.pdu) != len(frame.pdu)
        return Side.UNIT if answered or function & REFUSAL else Side.MASTER
