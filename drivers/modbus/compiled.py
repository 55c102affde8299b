"""`codec.decode`, prepared once for each point of a block: nothing that the profile says is looked at twice.

A prepared point takes what it needs straight out of the answer's data; that it reads as `decode` does is
tested. The rare kinds (strings, BCD, a float with a "not available" pattern) are left to `decode` itself.
"""

from collections.abc import Callable, Mapping
from math import inf, isfinite
from operator import itemgetter
from struct import Struct
from typing import Any

from sitewarden.drivers.modbus.codec import Decoded, decode, highest_first, linear, width
from sitewarden.drivers.modbus.points import Kind, Point
from sitewarden.rules.model import Reason

Read = Callable[[bytes], Decoded]
"""Of the data of an answer, all addresses of the block."""

LETTERS: Mapping[Kind, str] = {
    Kind.BIT: "H",
    Kind.ENUM: "H",
    Kind.BITS: "H",
    Kind.U8H: "B",
    Kind.U8L: "B",
    Kind.U16: "H",
    Kind.I16: "h",
    Kind.U32: "I",
    Kind.I32: "i",
    Kind.U64: "Q",
    Kind.I64: "q",
    Kind.F32: "f",
    Kind.F64: "d",
}  # as `struct` calls them

NOT_AVAILABLE: Decoded = None, Reason.NOT_AVAILABLE
OUT_OF_RANGE: Decoded = None, Reason.OUT_OF_RANGE
ON: Decoded = True, Reason.NONE
OFF: Decoded = False, Reason.NONE


def compiled(point: Point, place: int) -> Read:
    """`place`: of the point's first address in the block."""
    if point.kind is Kind.BOOL:
        return _coil(place)
    if point.kind not in LETTERS or (point.kind in {Kind.F32, Kind.F64} and point.absent is not None):
        first, end = 2 * place, 2 * (place + width(point))
        return lambda raw: decode(point, raw[first:end])
    match point.kind:
        case Kind.BIT:
            return _bit(point, place)
        case Kind.ENUM | Kind.BITS:
            return _pattern(point, place)
        case Kind.F32 | Kind.F64:
            return _float(point, place)
        case _:
            return _integer(point, place)


def _coil(place: int) -> Read:
    byte, mask = place >> 3, 1 << (place & 7)  # the first coil is the lowest bit (V1.1b3, 6.1)
    return lambda raw: ON if raw[byte] & mask else OFF


def _bit(point: Point, place: int) -> Read:
    take, absent, mask = _taken(point, place), _absent(point), 1 << point.bit

    def read(raw: bytes) -> Decoded:
        (word,) = take(raw)
        return NOT_AVAILABLE if word == absent else ON if word & mask else OFF

    return read


def _pattern(point: Point, place: int) -> Read:
    take, absent = _taken(point, place), _absent(point)

    def read(raw: bytes) -> Decoded:
        (word,) = take(raw)
        return NOT_AVAILABLE if word == absent else (word, Reason.NONE)

    return read


def _integer(point: Point, place: int) -> Read:
    take, absent, (low, high) = _taken(point, place), _absent(point), _range(point)
    factor, summand, divisor = linear(point.scale, point.offset)

    def read(raw: bytes) -> Decoded:
        (number,) = take(raw)
        if number == absent:
            return NOT_AVAILABLE
        value = (number * factor + summand) / divisor
        return (value, Reason.NONE) if low <= value <= high else OUT_OF_RANGE

    return read


def _float(point: Point, place: int) -> Read:
    take, (low, high) = _taken(point, place), _range(point)
    scale, offset = point.scale, point.offset
    plain = scale == 1.0 and offset == 0.0

    def read(raw: bytes) -> Decoded:
        (number,) = take(raw)
        if not isfinite(number):
            return NOT_AVAILABLE
        value = number if plain else round(number * scale + offset, 9)
        return (value, Reason.NONE) if low <= value <= high else OUT_OF_RANGE

    return read


def _range(point: Point) -> tuple[float, float]:
    return (-inf if point.low is None else point.low), (inf if point.high is None else point.high)


def _absent(point: Point) -> int | None:
    """The pattern as the number that it is read as."""
    if point.absent is None:
        return None
    form = Struct(">" + LETTERS[point.kind])
    (number,) = form.unpack((point.absent % (1 << 8 * form.size)).to_bytes(form.size, "big"))
    return int(number)


def _taken(point: Point, place: int) -> Callable[[bytes], tuple[Any, ...]]:
    """Gets the number of the point out of the data of the block."""
    letter, size = LETTERS[point.kind], 2 * width(point)
    where = [2 * place + byte for byte in highest_first(point, bytes(range(size)))]
    first, last = where[0], where[-1]
    if where == list(range(first, last + 1)):
        return Struct(f">{first}x{letter}").unpack_from
    if where == list(range(first, last - 1, -1)):
        return Struct(f"<{last}x{letter}").unpack_from
    pick, form = itemgetter(*where), Struct(">" + letter)
    return lambda raw: form.unpack(bytes(pick(raw)))
