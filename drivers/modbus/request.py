"""One question to a unit as a PDU, and what its answer must look like.

Source: MODBUS Application Protocol V1.1b3, clause 6. The same bytes go out in every framing (`wire.py`).
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sitewarden.drivers.modbus.codec import BIT_TABLES
from sitewarden.drivers.modbus.points import Table
from sitewarden.rules.model import Reason

READ: Mapping[Table, int] = {Table.COIL: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
MOST_READ: Mapping[Table, int] = {  # in one request (6.1 to 6.4)
    Table.COIL: 2000,
    Table.DISCRETE: 2000,
    Table.HOLDING: 125,
    Table.INPUT: 125,
}
MOST_WRITTEN: Mapping[Table, int] = {Table.COIL: 1968, Table.HOLDING: 123}  # the same (6.11 and 6.12)
COIL_ON, COIL_OFF = b"\xff\x00", b"\x00\x00"

EXCEPTION = 0x80  # set in the function code of a refusal
EXCEPTIONS: Mapping[int, Reason] = {  # clause 7
    1: Reason.ILLEGAL_FUNCTION,
    2: Reason.ILLEGAL_ADDRESS,
    3: Reason.ILLEGAL_VALUE,
    4: Reason.DEVICE_FAILURE,
    5: Reason.ACKNOWLEDGED,
    6: Reason.BUSY,
    7: Reason.NEGATIVE,
    8: Reason.MEMORY_PARITY,
    10: Reason.NO_PATH,
    11: Reason.NO_ANSWER,
}


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One question; the same bytes asked twice are two questions, unless it is the same object."""

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


def refusal(pdu: bytes) -> Reason:
    """Why the unit refuses; `Reason.NONE`: it does not."""
    return EXCEPTIONS.get(pdu[1], Reason.EXCEPTION) if pdu[0] & EXCEPTION else Reason.NONE


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
