"""Requests as bytes, and bytes as the answer to the request that is out, or as nothing.

pymodbus builds the frames. It does not judge the answers: its RTU framer throws away everything received
with one bad check, and takes any function code of any length for an answer (3.16, `framer/rtu.py`). We
know exactly what must come, so we look for that: unit, function code, byte count, length and check, and
over TCP the transaction. Sources: MODBUS Application Protocol V1.1b3, clause 6; Serial Line V1.02, 2.5.1;
Messaging on TCP/IP V1.0b, 3.1.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from sitewarden.drivers.base import ProtocolError
from sitewarden.drivers.modbus.codec import BIT_TABLES
from sitewarden.drivers.modbus.points import Table
from sitewarden.rules.model import Stamp

READ: Mapping[Table, int] = {Table.COIL: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
COIL_ON, COIL_OFF = b"\xff\x00", b"\x00\x00"
EXCEPTION = 0x80  # set in the function code of a refusal

CHARACTER = 11  # bits: start, eight data, parity or a second stop, stop (V1.02, 2.5.1)
SILENCE_CHARACTERS, SILENCE_FAST, FAST = 3.5, 0.00175, 19_200  # V1.02, 2.5.1.1
BREAK = 0.01  # s of silence after which what comes is a new frame, whatever adapter chops the bytes
GLITCHES = b"\x00\xff"  # what a turning RS-485 line reads as; no unit of a serial line has these addresses


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
class Request:
    """One question, and what its answer must look like."""

    unit_id: int
    pdu: bytes
    head: bytes  # how the answer's PDU begins
    length: int  # of the answer's PDU

    @property
    def function(self) -> int:
        return self.pdu[0]

    def fits(self, pdu: bytes) -> bool:
        refused = len(pdu) == 2 and pdu[0] == self.function | EXCEPTION
        return refused or (pdu.startswith(self.head) and len(pdu) == self.length)


def read(unit_id: int, table: Table, first: int, count: int) -> Request:
    size = (count + 7) // 8 if table in BIT_TABLES else 2 * count
    function = READ[table]
    return Request(unit_id, struct.pack(">BHH", function, first, count), bytes([function, size]), 2 + size)


def write(unit_id: int, table: Table, first: int, values: Sequence[bytes]) -> Request:
    """`values`: raw, as `codec.encode` makes them; several only for neighbouring coils."""
    if table is Table.COIL and len(values) == 1:
        pdu = struct.pack(">BH", WRITE_COIL, first) + (COIL_ON if values[0] != b"\0" else COIL_OFF)
        return Request(unit_id, pdu, pdu, len(pdu))
    if table is Table.COIL:
        bits = sum((value != b"\0") << place for place, value in enumerate(values))
        data = bits.to_bytes((len(values) + 7) // 8, "little")
        return _write_many(unit_id, WRITE_COILS, first, len(values), data)
    data = b"".join(values)
    if len(data) == 2:
        pdu = struct.pack(">BH", WRITE_REGISTER, first) + data
        return Request(unit_id, pdu, pdu, len(pdu))
    return _write_many(unit_id, WRITE_REGISTERS, first, len(data) // 2, data)


def _write_many(unit_id: int, function: int, first: int, count: int, data: bytes) -> Request:
    head = struct.pack(">BHH", function, first, count)
    return Request(unit_id, head + bytes([len(data)]) + data, head, len(head))


class Wire(Protocol):
    """One framing. It knows the request that is out, and waits for its answer alone."""

    silence: float  # s the line must rest between two frames
    numbered: bool  # an answer says which request it belongs to
    garbled: bool  # something came since `ask` that cannot become the answer

    def ask(self, request: Request, counters: Counters) -> bytes:
        """The request's frame. From now on its answer is awaited."""
        ...

    def take(self, data: bytes, at: Stamp) -> bytes | None:
        """The PDU of the answer; None: not yet. ProtocolError: this is the answer, and it is broken."""
        ...

    def lasts(self, request: Request) -> float:
        """s that the request and its answer are on the wire."""
        ...

    def reset(self) -> None:
        """Nothing is awaited any more; what was half received is void."""
        ...


class Rtu:
    """Frames on a serial line, or the same through a serial server (`baud` None).

    An answer must begin what was received, glitches aside: a frame hidden in the middle of another
    unit's late answer is never found.
    """

    numbered = False

    def __init__(self, baud: int | None) -> None:
        self.garbled = False
        self._framer = FramerRTU(DecodePDU(is_server=False))
        self._character = CHARACTER / baud if baud else 0.0
        fast = baud is None or baud > FAST
        self.silence = SILENCE_FAST if fast else SILENCE_CHARACTERS * self._character
        self._request: Request | None = None
        self._counters = Counters()
        self._received = b""
        self._last = 0.0

    def ask(self, request: Request, counters: Counters) -> bytes:
        self.reset()
        self._request, self._counters = request, counters
        return self._framer.encode(request.pdu, request.unit_id, 0)

    def take(self, data: bytes, at: Stamp) -> bytes | None:
        if (request := self._request) is None:
            self._counters.discarded += 1
            return None
        if self.garbled and at.mono - self._last > BREAK:
            self._counters.discarded += 1
            self._received, self.garbled = b"", False
        self._last = at.mono
        if self.garbled:
            return None
        self._received = (self._received + data).lstrip(GLITCHES)
        head = bytes([request.unit_id]) + request.head
        refusal = bytes([request.unit_id, request.function | EXCEPTION])
        if self._received.startswith(head):
            size = 1 + request.length + 2
        elif self._received.startswith(refusal):
            size = 1 + 2 + 2
        else:
            self.garbled = not (head.startswith(self._received) or refusal.startswith(self._received))
            return None
        if len(self._received) < size:
            return None
        body, check = self._received[: size - 2], self._received[size - 2 : size]
        self.reset()
        if (found := FramerRTU.compute_CRC(body).to_bytes(2, "big")) != check:
            raise ProtocolError(f"CRC {check.hex()} where {found.hex()} was expected")
        return body[1:]

    def lasts(self, request: Request) -> float:
        return (len(request.pdu) + 3 + request.length + 3) * self._character

    def reset(self) -> None:
        self._request, self._received, self.garbled = None, b"", False


class Tcp:
    """Frames with the MBAP header: transaction, protocol 0, length, unit."""

    numbered = True
    silence = 0.0

    def __init__(self) -> None:
        self.garbled = False
        self._framer = FramerSocket(DecodePDU(is_server=False))
        self._transaction = 0
        self._request: Request | None = None
        self._counters = Counters()
        self._received = b""

    def ask(self, request: Request, counters: Counters) -> bytes:
        self._request, self._counters, self.garbled = request, counters, False
        self._transaction = self._transaction % 0xFFFF + 1
        return self._framer.encode(request.pdu, request.unit_id, self._transaction)

    def take(self, data: bytes, at: Stamp) -> bytes | None:
        self._received += data
        while len(self._received) >= 8:
            transaction, protocol, length, unit_id = struct.unpack_from(">HHHB", self._received)
            if protocol != 0 or not 3 <= length <= 254:
                self._received, self.garbled = b"", True  # no frame begins here: wait for the next burst
                return None
            if len(self._received) < 6 + length:
                return None
            pdu, self._received = self._received[7 : 6 + length], self._received[6 + length :]
            if (request := self._request) is None or transaction != self._transaction:
                self._counters.discarded += 1
                continue
            self._request = None
            if unit_id == request.unit_id and request.fits(pdu):
                return pdu
            raise ProtocolError(f"unit {unit_id}, PDU {pdu.hex()} in answer to {request}")
        return None

    def lasts(self, request: Request) -> float:
        return 0.0

    def reset(self) -> None:
        self._request, self._received, self.garbled = None, b"", False
