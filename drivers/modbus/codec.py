"""Raw registers to values and back.

`raw` is what stood on the wire: two bytes a register, high byte first (MODBUS Application Protocol
V1.1b3, 4.2), or one byte, 0 or 1, for a coil or a discrete input. Analogue kinds read as float whatever
their scale, so that a point never changes its type; enumerations and bit fields are int.
"""

import math
import struct
from collections.abc import Mapping
from fractions import Fraction
from functools import cache

from sitewarden.drivers.modbus.points import WORDS, Kind, Order, Point, Table
from sitewarden.rules.model import Reason, Value

SIGNED = frozenset({Kind.I16, Kind.I32, Kind.I64})
FLOATS: Mapping[Kind, str] = {Kind.F32: ">f", Kind.F64: ">d"}
BIT_TABLES = frozenset({Table.COIL, Table.DISCRETE})

Decoded = tuple[Value | None, Reason]
"""A value and `Reason.NONE`, or None and why there is no value."""


def width(point: Point) -> int:
    """How many addresses of its table the point takes."""
    return 1 if point.table in BIT_TABLES else WORDS.get(point.kind, point.words)


def decode(point: Point, raw: bytes) -> Decoded:
    """`raw` holds exactly the addresses of the point."""
    if point.kind is Kind.BOOL:
        return raw != b"\0", Reason.NONE
    ordered = highest_first(point, raw)
    # Compared as patterns: 0x8000 and -32768 are the same word.
    if point.absent is not None and _number(ordered) == point.absent % (1 << 8 * len(ordered)):
        return None, Reason.NOT_AVAILABLE
    match point.kind:
        case Kind.BIT:
            return bool(_number(ordered) >> point.bit & 1), Reason.NONE
        case Kind.ENUM | Kind.BITS:
            return _number(ordered), Reason.NONE
        case Kind.STRING:
            return ordered.split(b"\0")[0].decode("ascii", "replace").rstrip(), Reason.NONE
        case Kind.BCD:
            digits = ordered.hex()
            return _analogue(point, int(digits)) if digits.isdecimal() else (None, Reason.PROTOCOL)
        case Kind.F32 | Kind.F64:
            return _analogue(point, struct.unpack(FLOATS[point.kind], ordered)[0])
        case _:
            return _analogue(point, int.from_bytes(ordered, "big", signed=point.kind in SIGNED))


def highest_first(point: Point, raw: bytes) -> bytes:
    """The bytes that the point is, in their order: one of the register's two, or all."""
    ordered = _ordered(point, raw)
    match point.kind:
        case Kind.U8H:
            return ordered[:1]
        case Kind.U8L:
            return ordered[1:]
        case _:
            return ordered


def encode(point: Point, value: Value, onto: bytes = b"\0\0") -> bytes:
    """The raw bytes that `decode` reads as `value`; ValueError if the point cannot hold it.

    `onto`: the register as it stands, for the kinds that are only a part of one (BIT, U8H, U8L).
    """
    size = 2 * width(point)
    if isinstance(value, str):
        if point.kind is not Kind.STRING or len(value) > size or not value.isascii():
            raise ValueError(f"{point.name}: {value!r} does not fit a {point.kind} of {size} bytes")
        return _ordered(point, value.encode().ljust(size, b"\0"))
    try:
        return _packed(point, (value - point.offset) / point.scale, size, onto)
    except (OverflowError, ValueError, struct.error) as error:
        raise ValueError(f"{point.name}: {value!r} does not fit a {point.kind} ({error})") from error


def _packed(point: Point, number: float, size: int, onto: bytes) -> bytes:
    match point.kind:
        case Kind.BOOL:
            return bytes([number != 0])
        case Kind.STRING:
            raise ValueError("not a text")
        case Kind.F32 | Kind.F64:
            return _ordered(point, struct.pack(FLOATS[point.kind], number))
        case Kind.BIT:
            word, mask = _number(_ordered(point, onto)), 1 << point.bit
            return _ordered(point, (word | mask if number else word & ~mask).to_bytes(2, "big"))
        case Kind.U8H:
            return _ordered(point, round(number).to_bytes(1, "big") + _ordered(point, onto)[1:])
        case Kind.U8L:
            return _ordered(point, _ordered(point, onto)[:1] + round(number).to_bytes(1, "big"))
        case Kind.BCD:
            number = int(f"{round(number)}", 16)  # a minus sign has no place in BCD: it overflows below
    return _ordered(point, round(number).to_bytes(size, "big", signed=point.kind in SIGNED))


def _number(ordered: bytes) -> int:
    return int.from_bytes(ordered, "big")


def _ordered(point: Point, raw: bytes) -> bytes:
    """The bytes of the point highest first; the same once more turns them back."""
    if point.byte_order is Order.LOW_FIRST:
        raw = b"".join(raw[i : i + 2][::-1] for i in range(0, len(raw), 2))
    if point.word_order is Order.LOW_FIRST and point.kind is not Kind.STRING:
        raw = b"".join(raw[i : i + 2] for i in range(len(raw) - 2, -1, -2))
    return raw


@cache
def linear(scale: float, offset: float) -> tuple[int, int, int]:
    """`factor`, `summand`, `divisor`: an integer n reads as (factor * n + summand) / divisor.

    Scale and offset are decimals, as they stand in the profile: 3 * 0.1 would be 0.30000000000000004.
    """
    steps, start = Fraction(repr(scale)), Fraction(repr(offset))
    divisor = math.lcm(steps.denominator, start.denominator)
    return int(steps * divisor), int(start * divisor), divisor


def _analogue(point: Point, number: float) -> Decoded:
    if not math.isfinite(number):
        return None, Reason.NOT_AVAILABLE
    if isinstance(number, int):
        factor, summand, divisor = linear(point.scale, point.offset)
        value = (number * factor + summand) / divisor
    elif point.scale == 1.0 and point.offset == 0.0:
        value = number
    else:
        value = round(number * point.scale + point.offset, 9)  # finer than any sensor
    if (point.low is not None and value < point.low) or (point.high is not None and value > point.high):
        return None, Reason.OUT_OF_RANGE
    return value, Reason.NONE
