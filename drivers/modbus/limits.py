"""What may be written to a point: values of its type, within its limits, that it reads as they were meant."""

import math

from sitewarden.drivers.modbus.codec import FLOATS, decode, encode, width
from sitewarden.drivers.modbus.points import Kind, Point
from sitewarden.rules.model import Value

SHARED = frozenset({Kind.BIT, Kind.U8H, Kind.U8L})
"""Parts of a register: what else stands in it would be written with them."""
EXPECTED = {
    Kind.BOOL: "true or false",
    Kind.STRING: "a text",
    Kind.ENUM: "a number that has a name",
    Kind.BITS: "a whole number",
}


class NotWritable(ValueError):
    """The point takes no value, or none of this type."""


class OutOfLimits(NotWritable):
    """It takes such values, but not this one."""


def is_writable(point: Point) -> bool:
    return point.writable and point.kind not in SHARED


def encoded(point: Point, value: Value | None) -> bytes:
    """The raw bytes to write for `value`, which is rounded to what the point can hold. Raises NotWritable."""
    if not is_writable(point):
        raise NotWritable(f"{point.name} is read-only")
    if value is None or not _fits(point, value):
        expected = EXPECTED.get(point.kind, "a number")
        raise NotWritable(f"{point.name}: found {value!r}, expected {expected}")
    try:
        raw = encode(point, value)
    except ValueError as error:
        raise (NotWritable if isinstance(value, str) else OutOfLimits)(str(error)) from error
    read, reason = decode(point, raw)
    if isinstance(value, str):
        if read != value:
            raise NotWritable(f"{point.name}: {value!r} would read as {read!r}")
    elif read is None or isinstance(read, str):
        raise OutOfLimits(f"{point.name}: {value!r} would read as {reason}")
    # The step of a register may lead beyond a limit that the value itself keeps.
    elif not (_within(point, value) and (point.kind in FLOATS or _within(point, read))):
        limits = f"{point.write_low} to {point.write_high}"
        raise OutOfLimits(f"{point.name}: found {value!r}, expected {limits}")
    return raw


def _fits(point: Point, value: Value) -> bool:
    match point.kind:
        case Kind.BOOL:
            return isinstance(value, bool)
        case Kind.STRING:
            return isinstance(value, str)
    if isinstance(value, bool | str) or (isinstance(value, float) and not math.isfinite(value)):
        return False
    match point.kind:
        case Kind.ENUM:
            return value in point.names or (not point.names and value == int(value))
        case Kind.BITS:
            return value == int(value)
    return True


def _within(point: Point, value: float) -> bool:
    low, high = point.write_low, point.write_high
    return (low is None or value >= low) and (high is None or value <= high)


def overlap(point: Point, other: Point) -> bool:
    """Whether who writes the one writes into the other."""
    first, last = max(point.address, other.address), min(map(_last, (point, other)))
    return point.table is other.table and first <= last


def _last(point: Point) -> int:
    return point.address + width(point) - 1
