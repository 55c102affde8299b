"""What a healthy device does with each function code.

Source: MODBUS Application Protocol V1.1b3, clause 6 (functions) and 7 (exceptions). Of file records (20, 21)
our devices have none, and no FIFO queue (24) either.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate
from struct import calcsize, pack, unpack, unpack_from

from sitewarden.drivers.modbus.points import Table, Unit
from sitewarden.rules.model import Stamp
from sitewarden.simulators.diagnostics import Diagnostics, Sub
from sitewarden.simulators.registers import (
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    Refused,
    Registers,
)

MOST_READ_BITS, MOST_READ_WORDS = 2000, 125  # 6.1, 6.3
MOST_WRITTEN_BITS, MOST_WRITTEN_WORDS = 1968, 123  # 6.11, 6.12
MOST_WRITTEN_OF_BOTH = 121  # 6.17
COIL_STATES: Mapping[int, int] = {0x0000: 0, 0xFF00: 1}  # 6.5
RUNS = 0xFF  # run indicator (6.13)
RESTART = pack(">BH", 8, Sub.RESTART)  # all that a unit heeds that listens only

READ_DEVICE_ID = 14  # the kind of function 43 that we know (6.21)
BASIC, REGULAR, EXTENDED, ONE_OBJECT = 1, 2, 3, 4
LAST_OBJECT = {BASIC: 0x02, REGULAR: 0x7F, EXTENDED: 0xFF}
CONFORMS = 0x83  # extended, by stream or one by one
LONGEST_OBJECTS = 253 - 7  # bytes of objects in one answer

Function = Callable[[bytes, Stamp], bytes]
"""The data of a request to those of its answer; raises Refused."""


class Functions:
    """`refuses`: exception code by function code, for a device that does not do what it should."""

    def __init__(self, unit: Unit, registers: Registers) -> None:
        self.registers = registers
        self.diagnostics = Diagnostics()
        self.refuses: dict[int, int] = {}
        self._objects = _identification(unit)
        self._server_id = unit.profile.name.encode()
        self._functions: Mapping[int, Function] = {
            1: partial(self._read_bits, Table.COIL),
            2: partial(self._read_bits, Table.DISCRETE),
            3: partial(self._read_words, Table.HOLDING),
            4: partial(self._read_words, Table.INPUT),
            5: self._write_coil,
            6: self._write_register,
            7: lambda data, at: _bare(data, b"\0"),  # no exception status is raised
            8: lambda data, at: self.diagnostics.diagnose(data),
            11: lambda data, at: _bare(data, self.diagnostics.event_counter()),
            12: lambda data, at: _bare(data, self.diagnostics.event_log()),
            15: self._write_coils,
            16: self._write_registers,
            17: lambda data, at: _bare(data, _counted(self._server_id + bytes([RUNS]))),
            22: self._mask_register,
            23: self._write_and_read,
            24: self._fifo,
            43: self._identify,
        }

    def answer(self, pdu: bytes, at: Stamp, broadcast: bool = False) -> bytes:
        """`pdu`: function code and data of a whole request; returns those of the answer, or nothing while
        it listens only."""
        function, silent = pdu[0], self.diagnostics.listens_only
        self.diagnostics.asked(broadcast)
        if silent and not pdu.startswith(RESTART):
            return b""
        try:
            if code := self.refuses.get(function):
                raise Refused(code)
            if function not in self._functions:
                raise Refused(ILLEGAL_FUNCTION)
            answer = bytes([function]) + self._functions[function](pdu[1:], at)
            self.diagnostics.done(function)
        except Refused as refused:
            self.diagnostics.refused(refused.code)
            answer = bytes([function | 0x80, refused.code])
        return b"" if silent or self.diagnostics.listens_only else answer

    # -- the four tables -------------------------------------------------------------------------

    def _read_bits(self, table: Table, data: bytes, at: Stamp) -> bytes:
        first, count = _fields(">HH", data)
        _check(1 <= count <= MOST_READ_BITS)
        bits = self.registers.read(table, first, count, at)
        packed = sum(bit << place for place, bit in enumerate(bits))
        return _counted(packed.to_bytes((count + 7) // 8, "little"))

    def _read_words(self, table: Table, data: bytes, at: Stamp) -> bytes:
        first, count = _fields(">HH", data)
        _check(1 <= count <= MOST_READ_WORDS)
        return _counted(_words(self.registers.read(table, first, count, at)))

    def _write_coil(self, data: bytes, at: Stamp) -> bytes:
        address, state = _fields(">HH", data)
        _check(state in COIL_STATES)
        self.registers.write(Table.COIL, address, [COIL_STATES[state]], at)
        return data

    def _write_register(self, data: bytes, at: Stamp) -> bytes:
        address, word = _fields(">HH", data)
        self.registers.write(Table.HOLDING, address, [word], at)
        return data

    def _write_coils(self, data: bytes, at: Stamp) -> bytes:
        head, packed = data[:5], data[5:]
        first, count, size = _fields(">HHB", head)
        _check(1 <= count <= MOST_WRITTEN_BITS and size == len(packed) == (count + 7) // 8)
        bits = [packed[place // 8] >> place % 8 & 1 for place in range(count)]
        self.registers.write(Table.COIL, first, bits, at)
        return head[:4]

    def _write_registers(self, data: bytes, at: Stamp) -> bytes:
        head, packed = data[:5], data[5:]
        first, count, size = _fields(">HHB", head)
        _check(1 <= count <= MOST_WRITTEN_WORDS and size == len(packed) == 2 * count)
        self.registers.write(Table.HOLDING, first, unpack(f">{count}H", packed), at)
        return head[:4]

    def _mask_register(self, data: bytes, at: Stamp) -> bytes:
        address, keep, put = _fields(">HHH", data)
        (word,) = self.registers.read(Table.HOLDING, address, 1, at)
        self.registers.write(Table.HOLDING, address, [word & keep | put & ~keep], at)
        return data

    def _write_and_read(self, data: bytes, at: Stamp) -> bytes:
        """The write comes first, and not at all if the read is refused."""
        head, packed = data[:9], data[9:]
        first, count, address, written, size = _fields(">HHHHB", head)
        _check(1 <= count <= MOST_READ_WORDS and 1 <= written <= MOST_WRITTEN_OF_BOTH)
        _check(size == len(packed) == 2 * written)
        self.registers.read(Table.HOLDING, first, count, at)
        self.registers.write(Table.HOLDING, address, unpack(f">{written}H", packed), at)
        return _counted(_words(self.registers.read(Table.HOLDING, first, count, at)))

    def _fifo(self, data: bytes, at: Stamp) -> bytes:
        _fields(">H", data)
        raise Refused(ILLEGAL_ADDRESS)

    # -- who it is -------------------------------------------------------------------------------

    def _identify(self, data: bytes, at: Stamp) -> bytes:
        if data[:1] != bytes([READ_DEVICE_ID]):
            raise Refused(ILLEGAL_FUNCTION)
        _, kind, first = _fields(">BBB", data)
        _check(kind in LAST_OBJECT or kind == ONE_OBJECT)
        if kind == ONE_OBJECT:
            if first not in self._objects:
                raise Refused(ILLEGAL_ADDRESS)
            wanted = [first]
        else:
            wanted = [number for number in self._objects if number <= LAST_OBJECT[kind]]
            if first in wanted:  # else from the first one on
                wanted = wanted[wanted.index(first) :]
        objects = [bytes([number]) + _counted(self._objects[number]) for number in wanted]
        ends = accumulate(map(len, objects))
        fit = sum(end <= LONGEST_OBJECTS for end in ends)
        more, following = (0xFF, wanted[fit]) if fit < len(wanted) else (0, 0)
        return bytes([READ_DEVICE_ID, kind, CONFORMS, more, following, fit]) + b"".join(objects[:fit])


def _identification(unit: Unit) -> Mapping[int, bytes]:
    """Objects by number (6.21); what is ours alone begins at 0x80."""
    profile = unit.profile
    title = profile.title or profile.name
    texts = {
        0x00: title.split()[0],  # vendor
        0x01: profile.name,  # product code
        0x02: "twin",  # revision
        0x04: title,  # product
        0x06: unit.device,  # what its user calls it
        0x80: profile.source,
    }
    return {number: text.encode()[: LONGEST_OBJECTS - 2] for number, text in texts.items()}


def _fields(form: str, data: bytes) -> tuple[int, ...]:
    if len(data) != calcsize(form):
        raise Refused(ILLEGAL_VALUE)
    return unpack_from(form, data)


def _check(right: bool) -> None:
    if not right:
        raise Refused(ILLEGAL_VALUE)


def _bare(data: bytes, answer: bytes) -> bytes:
    """`answer` to a request that has no data."""
    _check(not data)
    return answer


def _counted(data: bytes) -> bytes:
    return bytes([len(data)]) + data


def _words(words: Sequence[int]) -> bytes:
    return pack(f">{len(words)}H", *words)
