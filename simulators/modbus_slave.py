"""The far side of a Modbus line or connection: every unit on it, built from the gateway's own profiles.

Speaks function codes 1 to 6, 15 and 16 with exceptions 1, 2 and 3 (MODBUS Application Protocol V1.1b3,
clauses 6 and 7), framed as RTU (serial line V1.02, 2.5.1) or TCP (Messaging on TCP/IP V1.0b, 3.1.3).
The framing and the check sum are written for the slave side alone, so that the gateway meets a
stranger.
"""

from collections.abc import Iterable, Iterator, Mapping
from struct import pack, unpack_from

from sitewarden.drivers.modbus.points import Table, Unit
from sitewarden.drivers.plan import Framing
from sitewarden.rules.model import Stamp
from sitewarden.simulators.registers import ILLEGAL_FUNCTION, ILLEGAL_VALUE, Refused, Registers, Source

READS: Mapping[int, tuple[Table, int]] = {  # function code: table, most addresses in one request
    1: (Table.COIL, 2000),
    2: (Table.DISCRETE, 2000),
    3: (Table.HOLDING, 125),
    4: (Table.INPUT, 125),
}
WRITES_ONE: Mapping[int, Table] = {5: Table.COIL, 6: Table.HOLDING}
WRITES_MANY: Mapping[int, tuple[Table, int]] = {15: (Table.COIL, 1968), 16: (Table.HOLDING, 123)}
COIL_STATES: Mapping[int, int] = {0x0000: 0, 0xFF00: 1}

BROADCAST = 0  # unit address on a serial line: everybody does, nobody answers (V1.02, 2.2)
FRAME_BREAK = 0.1  # s of silence after which a half received frame is void
SHORT_RTU, LONG_RTU = 8, 9  # bytes of a request, of one with a byte count without its data
MBAP = 6  # bytes of the header up to its length field


def crc16(data: bytes) -> bytes:
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


class SlaveUnit:
    """One device on the bus, and what may be wrong with it."""

    def __init__(self, unit: Unit, source: Source) -> None:
        self.unit = unit
        self.registers = Registers(unit.profile, source)
        self.deaf = False  # switched off, or its wires are cut
        self.turnaround = 0.0  # s from a request to its answer

    def answer(self, pdu: bytes, at: Stamp) -> bytes:
        """`pdu`: function code and data of a whole request; returns those of the answer."""
        try:
            return self._serve(pdu[0], pdu, at)
        except Refused as refused:
            return bytes([pdu[0] | 0x80, refused.code])

    def _serve(self, function: int, pdu: bytes, at: Stamp) -> bytes:
        if function not in READS and function not in WRITES_ONE and function not in WRITES_MANY:
            raise Refused(ILLEGAL_FUNCTION)
        if len(pdu) < 5:
            raise Refused(ILLEGAL_VALUE)
        address, number = unpack_from(">HH", pdu, 1)
        if function in READS:
            return self._read(function, address, number, at)
        if function in WRITES_ONE:
            table = WRITES_ONE[function]
            if table is Table.COIL and number not in COIL_STATES:
                raise Refused(ILLEGAL_VALUE)
            word = COIL_STATES[number] if table is Table.COIL else number
            self.registers.write(table, address, [word], at)
        else:
            table, most = WRITES_MANY[function]
            self.registers.write(table, address, _words(table, number, most, pdu), at)
        return pdu[:5]

    def _read(self, function: int, address: int, count: int, at: Stamp) -> bytes:
        table, most = READS[function]
        if not 1 <= count <= most:
            raise Refused(ILLEGAL_VALUE)
        words = self.registers.read(table, address, count, at)
        if table in (Table.HOLDING, Table.INPUT):
            return pack(f">BB{count}H", function, 2 * count, *words)
        size = (count + 7) // 8
        packed = sum(bit << place for place, bit in enumerate(words))
        return bytes([function, size]) + packed.to_bytes(size, "little")


def _words(table: Table, number: int, most: int, pdu: bytes) -> list[int]:
    """The data of a request that writes many; its byte count must be right."""
    coils = table is Table.COIL
    size = (number + 7) // 8 if coils else 2 * number
    if not 1 <= number <= most or len(pdu) != 6 + size or pdu[5] != size:
        raise Refused(ILLEGAL_VALUE)
    if coils:
        return [pdu[6 + place // 8] >> place % 8 & 1 for place in range(number)]
    return list(unpack_from(f">{number}H", pdu, 6))


class ModbusSlave:
    """All units of one link. Implements `Twin`."""

    def __init__(self, framing: Framing, units: Iterable[SlaveUnit]) -> None:
        self.units = {unit.unit.unit_id: unit for unit in units}
        self._rtu = framing is Framing.RTU
        self._buffer = bytearray()
        self._heard = 0.0
        self._later: list[tuple[float, bytes]] = []  # answers of slow units, in order

    def session(self) -> "ModbusSlave":
        """One more connection to the same units."""
        return ModbusSlave(Framing.RTU if self._rtu else Framing.TCP, self.units.values())

    @property
    def wake_at(self) -> float | None:
        return self._later[0][0] if self._later else None

    def connected(self, at: Stamp) -> Iterable[bytes]:
        self._buffer.clear()
        self._later.clear()
        return ()

    def received(self, data: bytes, at: Stamp) -> Iterable[bytes]:
        if at.mono - self._heard > FRAME_BREAK:
            self._buffer.clear()
        self._heard = at.mono
        self._buffer += data
        answers: list[bytes] = []
        for frame in self._rtu_requests() if self._rtu else self._tcp_requests():
            answers += self._answer(frame, at)
        return answers

    def woken(self, at: Stamp) -> Iterable[bytes]:
        due = [frame for when, frame in self._later if when <= at.mono]
        del self._later[: len(due)]
        return due

    def _answer(self, frame: bytes, at: Stamp) -> Iterator[bytes]:
        """`frame`: a whole request with its framing."""
        head, unit_id, pdu = (b"", frame[0], frame[1:-2]) if self._rtu else (frame[:4], frame[6], frame[7:])
        if self._rtu and unit_id == BROADCAST:
            for unit in self.units.values():
                unit.answer(pdu, at)
            return
        asked = self.units.get(unit_id)
        if asked is None or asked.deaf:
            return
        body = bytes([unit_id]) + asked.answer(pdu, at)
        answer = body + crc16(body) if self._rtu else head + pack(">H", len(body)) + body
        if asked.turnaround:
            self._later.append((at.mono + asked.turnaround, answer))
            self._later.sort(key=lambda later: later[0])
        else:
            yield answer

    def _rtu_requests(self) -> Iterator[bytes]:
        """Requests tell their length: a slave cannot rely on silences that came through a buffer."""
        buffer = self._buffer
        while len(buffer) >= SHORT_RTU:
            size = LONG_RTU + buffer[6] if buffer[1] in WRITES_MANY else SHORT_RTU
            if len(buffer) < size:
                return
            frame = bytes(buffer[:size])
            if crc16(frame[:-2]) != frame[-2:]:
                buffer.clear()  # a spoilt request: wait for the master to ask again
                return
            del buffer[:size]
            yield frame

    def _tcp_requests(self) -> Iterator[bytes]:
        buffer = self._buffer
        while len(buffer) >= MBAP + 2:
            size = MBAP + int.from_bytes(buffer[4:6], "big")
            if buffer[2:4] != b"\0\0" or size < MBAP + 2:
                buffer.clear()
                return
            if len(buffer) < size:
                return
            frame = bytes(buffer[:size])
            del buffer[:size]
            yield frame
