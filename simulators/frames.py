"""The framings of Modbus as a slave hears and says them: RTU, ASCII and TCP.

Written for the slave side alone, check sums included, so that the gateway meets a stranger. Sources: MODBUS
over Serial Line V1.02, 2.5.1 (RTU) and 2.5.2 (ASCII); Messaging on TCP/IP V1.0b, 3.1.3.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from sitewarden.drivers.plan import Framing

FRAME_BREAK = 0.1  # s of silence after which a half received RTU frame is void
MBAP = 6  # bytes of the header up to its length field
LONGEST_ASCII = 513  # characters (V1.02, 2.5.2.1)

RTU_SIZES: Mapping[int, int] = {  # function code: bytes of the whole request
    **dict.fromkeys((1, 2, 3, 4, 5, 6, 8), 8),
    **dict.fromkeys((7, 11, 12, 17), 4),
    22: 10,
    24: 6,
    43: 7,
}
RTU_COUNTS: Mapping[int, int] = {15: 6, 16: 6, 20: 2, 21: 2, 23: 10}  # where the byte count stands


@dataclass(frozen=True, slots=True)
class Asked:
    """A request without its framing. `head`: what a TCP answer hands back."""

    unit_id: int
    pdu: bytes
    head: bytes = b""


class Frames(Protocol):
    """One framing at one end of one wire."""

    def requests(self, data: bytes, mono: float) -> Iterator[Asked | None]:
        """Whole requests, once there are; None for one that came spoilt."""
        ...

    def answer(self, asked: Asked, pdu: bytes) -> bytes: ...
    def clear(self) -> None: ...


def crc16(data: bytes | bytearray) -> bytes:
    """CRC-16/MODBUS, low byte first (V1.02, 6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def _crc_entry(crc: int) -> int:
    for _ in range(8):
        crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


CRC = tuple(_crc_entry(byte) for byte in range(256))


def lrc(data: bytes) -> int:
    """The check byte of an ASCII frame (V1.02, 6.2.1)."""
    return -sum(data) & 0xFF


class RtuFrames:
    """Requests tell their length: a slave cannot rely on silences that came through a buffer."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._heard = 0.0

    def requests(self, data: bytes, mono: float) -> Iterator[Asked | None]:
        buffer = self._buffer
        if mono - self._heard > FRAME_BREAK:
            buffer.clear()
        self._heard = mono
        buffer += data
        while size := _rtu_size(buffer):
            frame = bytes(buffer[:size])
            if crc16(frame[:-2]) != frame[-2:]:
                buffer.clear()  # wait for the master to ask again
                yield None
                return
            del buffer[:size]
            yield Asked(frame[0], frame[1:-2])

    def answer(self, asked: Asked, pdu: bytes) -> bytes:
        body = bytes([asked.unit_id]) + pdu
        return body + crc16(body)

    def clear(self) -> None:
        self._buffer.clear()


def _rtu_size(buffer: bytearray) -> int:
    """Bytes of the request with which `buffer` begins; 0: it is not complete."""
    if len(buffer) < 4:
        return 0
    function = buffer[1]
    if function in RTU_SIZES:
        size = RTU_SIZES[function]
    elif function in RTU_COUNTS:
        place = RTU_COUNTS[function]
        size = place + 1 + buffer[place] + 2 if len(buffer) > place else place + 3
    else:  # no function that we know ends where the check sum fits
        size = next((end for end in range(4, len(buffer) + 1) if crc16(buffer[:end]) == b"\0\0"), 0)
    return size if len(buffer) >= size else 0


class AsciiFrames:
    """A colon, two hexadecimal digits for each byte, CR LF. A colon always begins a frame anew."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def requests(self, data: bytes, mono: float) -> Iterator[Asked | None]:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            yield _ascii_request(line.rpartition(b":")[2])
        del self._buffer[:-LONGEST_ASCII]

    def answer(self, asked: Asked, pdu: bytes) -> bytes:
        body = bytes([asked.unit_id]) + pdu
        return b":" + (body + bytes([lrc(body)])).hex().upper().encode() + b"\r\n"

    def clear(self) -> None:
        self._buffer.clear()


def _ascii_request(digits: bytes) -> Asked | None:
    try:
        frame = bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return None
    if len(frame) < 3 or sum(frame) & 0xFF:
        return None
    return Asked(frame[0], frame[1:-1])


class TcpFrames:
    """With the header of transaction, protocol 0 and length."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def requests(self, data: bytes, mono: float) -> Iterator[Asked | None]:
        buffer = self._buffer
        buffer += data
        while len(buffer) >= MBAP + 2:
            size = MBAP + int.from_bytes(buffer[4:6], "big")
            if buffer[2:4] != b"\0\0" or size < MBAP + 2:
                buffer.clear()
                yield None
                return
            if len(buffer) < size:
                return
            frame = bytes(buffer[:size])
            del buffer[:size]
            yield Asked(frame[6], frame[7:], frame[:4])

    def answer(self, asked: Asked, pdu: bytes) -> bytes:
        return asked.head + (len(pdu) + 1).to_bytes(2, "big") + bytes([asked.unit_id]) + pdu

    def clear(self) -> None:
        self._buffer.clear()


FRAMES: Mapping[Framing, type[RtuFrames] | type[AsciiFrames] | type[TcpFrames]] = {
    Framing.RTU: RtuFrames,
    Framing.ASCII: AsciiFrames,
    Framing.TCP: TcpFrames,
}
