"""What a frame says, in words. Source: MODBUS Application Protocol V1.1b3, clause 6."""

from collections.abc import Mapping, Sequence

from sitewarden.drivers.modbus.points import Table
from sitewarden.drivers.modbus.request import READ
from sitewarden.drivers.modbus.sniff import REFUSAL, Frame, Said, Side, request_size
from sitewarden.gateway.cli.modbus.faults import named
from sitewarden.gateway.cli.modbus.probe import said as identified

FUNCTIONS: Mapping[int, str] = {
    7: "read exception status",
    8: "diagnostics",
    11: "read event counter",
    12: "read event log",
    17: "report server id",
    20: "read file record",
    21: "write file record",
    22: "mask write register",
    23: "read and write registers",
    24: "read FIFO queue",
    43: "read device identification",
}
READS: Mapping[int, Table] = {function: table for table, function in READ.items()}
WRITES: Mapping[int, Table] = {5: Table.COIL, 6: Table.HOLDING, 15: Table.COIL, 16: Table.HOLDING}
IDENTIFYING = frozenset({17, 43})
MOST = 12  # values in a line


def told(said: Said) -> str:
    pdu = said.frame.pdu
    if pdu[0] & REFUSAL and len(pdu) == 2:
        return f"{_function(pdu[0] & ~REFUSAL)} refused: {named(pdu[1])}"
    return asked(pdu) if said.side is Side.MASTER else _answered(pdu, said.asked)


def asked(pdu: bytes) -> str:
    """What a request wants."""
    function = pdu[0]
    if (function not in READS and function not in WRITES) or request_size(pdu) != len(pdu):
        return _function(function)
    first, number = _word(pdu, 1), _word(pdu, 3)
    if function in READS:
        return f"read {_place(READS[function], first, number)}"
    if function in (5, 6):
        value = ("on" if number else "off") if function == 5 else str(number)
        return f"write {_place(WRITES[function], first, 1)} = {value}"
    return f"write {_place(WRITES[function], first, number)} = {_values(WRITES[function], pdu[6:], number)}"


def _answered(pdu: bytes, request: Frame | None) -> str:
    function = pdu[0]
    if function in WRITES:
        return "done"
    if function in READS and request is None:
        return f"{_function(function)}: {_bytes(pdu[2:])}"
    if function in READS and request:
        table, first, count = READS[function], _word(request.pdu, 1), _word(request.pdu, 3)
        return f"{_place(table, first, count)} = {_values(table, pdu[2:], count)}"
    if function in IDENTIFYING and request:
        return f"{_function(function)}: {', '.join(identified(pdu)) or _bytes(pdu[2:])}"
    return f"{_function(function)}: {_bytes(pdu[1:])}"


def _function(function: int) -> str:
    if function in READS:
        return f"read {READS[function]}"
    if function in WRITES:
        return f"write {WRITES[function]}"
    return FUNCTIONS.get(function, f"function {function}")


def _place(table: Table, first: int, count: int) -> str:
    return f"{table} {first}" if count == 1 else f"{table} {first}–{first + count - 1}"


def _values(table: Table, data: bytes, count: int) -> str:
    """Registers in decimal, coils as on and off."""
    values: Sequence[str]
    if table in (Table.COIL, Table.DISCRETE):
        values = ["on" if data[at // 8] >> at % 8 & 1 else "off" for at in range(min(count, 8 * len(data)))]
    else:
        values = [str(_word(data, at)) for at in range(0, len(data) - 1, 2)]
    return " ".join(values[:MOST]) + (f" … ({len(values)} in all)" if len(values) > MOST else "")


def _bytes(data: bytes) -> str:
    return data[:MOST].hex(" ") + (f" … ({len(data)} bytes)" if len(data) > MOST else "")


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")
