"""Values as they are typed, to registers and coils."""

import struct
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from sitewarden.gateway.cli.modbus.meanings import Arrangement


class Type(StrEnum):
    U16 = "u16"
    I16 = "i16"
    U32 = "u32"
    I32 = "i32"
    U64 = "u64"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"
    BCD = "bcd"
    TEXT = "text"


COILS: Mapping[str, int] = {"on": 1, "1": 1, "true": 1, "off": 0, "0": 0, "false": 0}


def coils(values: Sequence[str]) -> Sequence[int]:
    """ValueError says what was expected."""
    for value in values:
        if value.lower() not in COILS:
            raise ValueError(f"found {value!r}, expected on or off")
    return [COILS[value.lower()] for value in values]


def registers(values: Sequence[str], kind: Type, order: Arrangement) -> Sequence[int]:
    """All values one after the other. ValueError says what was expected."""
    words: list[int] = []
    for value in values:
        try:
            data = PACKED[kind](value)
        except (OverflowError, struct.error, ValueError):
            raise ValueError(f"found {value!r}, expected {EXPECTED[kind]}") from None
        # An order that is undone by itself: from the value to the registers it is the same as back.
        words += _words(order.bytes(_words(data)))
    return words


def _words(data: bytes) -> Sequence[int]:
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def _whole(size: int, signed: bool) -> Callable[[str], bytes]:
    return lambda text: int(text, 0).to_bytes(size, "big", signed=signed)


def _decimal(text: str) -> bytes:
    if not text.isdecimal() or len(text) > 16:
        raise ValueError(text)
    return bytes.fromhex(text.zfill(-(-len(text) // 4) * 4))


def _text(text: str) -> bytes:
    return text.encode("ascii") + b"\0" * (len(text) % 2)


PACKED: Mapping[Type, Callable[[str], bytes]] = {
    Type.U16: _whole(2, signed=False),
    Type.I16: _whole(2, signed=True),
    Type.U32: _whole(4, signed=False),
    Type.I32: _whole(4, signed=True),
    Type.U64: _whole(8, signed=False),
    Type.I64: _whole(8, signed=True),
    Type.F32: lambda text: struct.pack(">f", float(text)),
    Type.F64: lambda text: struct.pack(">d", float(text)),
    Type.BCD: _decimal,
    Type.TEXT: _text,
}
EXPECTED: Mapping[Type, str] = {
    Type.U16: "a whole number from 0 to 65535; another --type for others",
    Type.I16: "a whole number from -32768 to 32767",
    Type.U32: "a whole number from 0 to 4294967295",
    Type.I32: "a whole number from -2147483648 to 2147483647",
    Type.U64: "a whole number from 0 to 2 to the 64th",
    Type.I64: "a whole number of 63 bits and its sign",
    Type.F32: "a number such as 21.5",
    Type.F64: "a number such as 21.5",
    Type.BCD: "up to 16 decimal digits",
    Type.TEXT: "a text in ASCII",
}
