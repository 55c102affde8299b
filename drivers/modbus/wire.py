"""Framings: requests as bytes, and bytes as the answers to the requests that are out, or as nothing.

pymodbus builds the frames. It does not judge the answers: its RTU framer throws away everything received
with one bad check, and takes any function code of any length for an answer (3.16, `framer/rtu.py`). We
know exactly what must come, so we look for that: unit, function code, byte count, length and check, and
over TCP the transaction. Sources: MODBUS over Serial Line V1.02, 2.5; Messaging on TCP/IP V1.0b, 3.1.
"""

import struct
from binascii import unhexlify
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pymodbus.framer import FramerAscii, FramerBase, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from sitewarden.drivers.modbus.pace import NETWORK, Pace
from sitewarden.drivers.modbus.request import EXCEPTION, Request
from sitewarden.rules.model import Stamp

LATE, LATE_BY_NETWORK = 1.0, 5.0  # s; a connection may hold up all for as long as it takes to send again
BUSY = 1.0  # s for which a gateway may wait for a unit before it turns to the next request
HALF = 0.5  # s after which the rest of half a frame does not come any more
BREAK = 0.01  # s of silence after which what comes is a new frame, whatever adapter chops the bytes
GLITCHES = b"\x00\xff"  # what a turning RS-485 line reads as; no unit of a serial line has these addresses
ASCII_LONGEST = 513  # characters of a frame (V1.02, 2.5.2.1)


@dataclass(slots=True)
class Counters:
    """What a unit's requests came to, since the bus was built."""

    requests: int = 0
    answers: int = 0
    timeouts: int = 0  # nothing came, or not all of it
    exceptions: int = 0  # answers that refuse
    garbled: int = 0  # something came, but it cannot be the answer
    discarded: int = 0  # frames or pieces that came when nobody had asked for them
    skipped: int = 0  # polls that were due but could not be fitted in


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a request: its answer's PDU, or why what came in its place is broken."""

    request: Request
    pdu: bytes
    broken: str = ""


class Wire(Protocol):
    """One framing. It knows the requests that are out, and waits for their answers alone."""

    pace: Pace
    window: int  # requests that may be out at once
    numbered: bool  # an answer says which request it belongs to
    late: float  # s after a time-out in which the answer of a unit that was prompt so far may still come

    def ask(self, request: Request, counters: Counters) -> bytes:
        """The request's frame. From now on its answer is awaited."""
        ...

    def take(self, data: bytes, at: Stamp) -> Sequence[Answer]:
        """What the bytes, together with those before, make whole."""
        ...

    def give_up(self, request: Request) -> bool:
        """No longer awaited. True: something came that cannot become the answer."""
        ...

    def reset(self) -> None:
        """Nothing is awaited any more; what was half received is void."""
        ...


class _Line:
    """A line that carries one request at a time, and answers that do not say which they belong to."""

    numbered, window = False, 1

    def __init__(self, framer: FramerBase, pace: Pace, late: float) -> None:
        self.pace, self.late = pace, late
        self._framer = framer
        self._request: Request | None = None
        self._counters = Counters()
        self._received, self._garbled = b"", False

    def ask(self, request: Request, counters: Counters) -> bytes:
        self.reset()
        self._request, self._counters = request, counters
        return self._framer.encode(request.pdu, request.unit_id, 0)

    def give_up(self, request: Request) -> bool:
        garbled = self._garbled
        self.reset()
        return garbled

    def reset(self) -> None:
        self._request, self._received, self._garbled = None, b"", False


class Rtu(_Line):
    """Frames on a serial line, or the same through a serial server.

    An answer must begin what was received, glitches aside: a frame hidden in the middle of another
    unit's late answer is never found.
    """

    def __init__(self, pace: Pace, late: float = LATE) -> None:
        super().__init__(FramerRTU(DecodePDU(is_server=False)), pace, late)
        self._last = 0.0

    def take(self, data: bytes, at: Stamp) -> Sequence[Answer]:
        if (request := self._request) is None:
            self._counters.discarded += 1
            return ()
        if self._garbled and at.mono - self._last > BREAK:
            self._counters.discarded += 1
            self._received, self._garbled = b"", False
        self._last = at.mono
        if self._garbled:
            return ()
        self._received = (self._received + data).lstrip(GLITCHES)
        head = bytes([request.unit_id]) + request.head
        refused = bytes([request.unit_id, request.function | EXCEPTION])
        if self._received.startswith(head):
            size = 1 + request.length + 2
        elif self._received.startswith(refused):
            size = 1 + 2 + 2
        else:
            self._garbled = not (head.startswith(self._received) or refused.startswith(self._received))
            return ()
        if len(self._received) < size:
            return ()
        body, check = self._received[: size - 2], self._received[size - 2 : size]
        self.reset()
        if (due := FramerRTU.compute_CRC(body).to_bytes(2, "big")) != check:
            return (Answer(request, b"", f"CRC {check.hex()} where {due.hex()} was expected"),)
        return (Answer(request, body[1:]),)


class Ascii(_Line):
    """Frames of hexadecimal digits between a colon and a line feed (V1.02, 2.5.2)."""

    def __init__(self, pace: Pace, late: float = LATE) -> None:
        super().__init__(FramerAscii(DecodePDU(is_server=False)), pace, late)

    def take(self, data: bytes, at: Stamp) -> Sequence[Answer]:
        self._received += data
        while True:
            frame, line_feed, rest = self._received.partition(b"\n")
            if not line_feed:
                self._received = frame[-ASCII_LONGEST:]
                return ()
            self._received = rest
            if answer := self._judged(frame):
                return (answer,)

    def _judged(self, frame: bytes) -> Answer | None:
        """None: it is not the answer that is awaited. A colon begins a frame, whatever was before."""
        _, _, digits = frame.removesuffix(b"\r").rpartition(b":")
        if (request := self._request) is None:
            self._counters.discarded += 1
            return None
        try:
            body = unhexlify(digits)
        except ValueError:
            body = b""
        if len(body) < 3 or sum(body) & 0xFF:  # the LRC makes the sum of all bytes 0
            self.reset()
            return Answer(request, b"", f"the longitudinal check of {frame[:64]!r} fails")
        if body[0] != request.unit_id or not request.fits(body[1:-1]):
            self._counters.discarded += 1
            self._garbled = True
            return None
        self.reset()
        return Answer(request, body[1:-1])


class Tcp:
    """Frames with the MBAP header: transaction, protocol 0, length, unit."""

    numbered = True
    late = BUSY

    def __init__(self, pace: Pace = NETWORK, window: int = 1) -> None:
        self.pace, self.window = pace, window
        self._framer = FramerSocket(DecodePDU(is_server=False))
        self._transaction = 0
        self._out: dict[int, tuple[Request, Counters]] = {}
        self._counters = Counters()  # of whom was asked last: strays are put down to it
        self._received, self._garbled = b"", False
        self._last = 0.0

    def ask(self, request: Request, counters: Counters) -> bytes:
        self._transaction = self._transaction % 0xFFFF + 1
        self._out[self._transaction] = request, counters
        self._counters, self._garbled = counters, False
        return self._framer.encode(request.pdu, request.unit_id, self._transaction)

    def take(self, data: bytes, at: Stamp) -> Sequence[Answer]:
        if at.mono - self._last > HALF:
            self._received = b""
        self._last = at.mono
        self._received += data
        answers = []
        while len(self._received) >= 8:
            transaction, protocol, length, unit_id = struct.unpack_from(">HHHB", self._received)
            if protocol != 0 or not 3 <= length <= 254:
                self._received, self._garbled = b"", True  # no frame begins here: wait for the next burst
                break
            if len(self._received) < 6 + length:
                break
            pdu, self._received = self._received[7 : 6 + length], self._received[6 + length :]
            request, counters = self._out.pop(transaction, (None, self._counters))
            if request is None:
                counters.discarded += 1
            elif unit_id == request.unit_id and request.fits(pdu):
                answers.append(Answer(request, pdu))
            else:
                why = f"unit {unit_id}, PDU {pdu.hex()} in answer to {request.unit_id}, {request.pdu.hex()}"
                answers.append(Answer(request, b"", why))
        return answers

    def give_up(self, request: Request) -> bool:
        self._out = {number: out for number, out in self._out.items() if out[0] is not request}
        return self._garbled

    def reset(self) -> None:
        self._out.clear()
        self._received, self._garbled = b"", False


class Echoing:
    """A line whose adapter hands back what was sent. Nothing is judged before that has come whole: the echo
    of a read may look like its answer (24 coils from 0x300 on)."""

    def __init__(self, wire: Rtu | Ascii) -> None:
        self._wire = wire
        self.pace, self.window, self.numbered, self.late = wire.pace, wire.window, wire.numbered, wire.late
        self._echo = b""  # yet to come
        self._received = b""  # instead of it

    def ask(self, request: Request, counters: Counters) -> bytes:
        self._echo, self._received = self._wire.ask(request, counters), b""
        return self._echo

    def take(self, data: bytes, at: Stamp) -> Sequence[Answer]:
        if self._echo:
            before, echo, data = (self._received + data).partition(self._echo)
            if not echo:
                self._received = before[-len(self._echo) :]
                return ()
            self._echo, self._received = b"", b""
        return self._wire.take(data, at) if data else ()

    def give_up(self, request: Request) -> bool:
        garbled = bool(self._received)
        self._echo, self._received = b"", b""
        return self._wire.give_up(request) or garbled

    def reset(self) -> None:
        self._echo, self._received = b"", b""
        self._wire.reset()
