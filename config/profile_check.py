"""What the keys of a point must say together, and what two points of a device may share.

A part of a register (`bit`, `u8h`, `u8l`) is never an output: Modbus writes a register whole, and what the
rest of it was meant to be is not ours to say. Two points share bits only where one is such a part and the
other an `enum` or `bits`: the first names what the second holds. All else that overlaps is an address
mistyped.
"""

import struct
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sitewarden.config.document import Document, Loc
from sitewarden.config.profile_address import as_written
from sitewarden.config.profile_shape import ADDRESSES, PointShape, WholePoint, WholeProfile
from sitewarden.drivers.modbus.codec import BIT_TABLES
from sitewarden.drivers.modbus.points import Kind, Order, Table
from sitewarden.drivers.modbus.request import MOST_WRITTEN

WRITABLE = frozenset({Table.COIL, Table.HOLDING})
PARTS = frozenset({Kind.BIT, Kind.U8H, Kind.U8L})
NAMED = frozenset({Kind.ENUM, Kind.BITS})
QUANTITIES = frozenset(Kind) - NAMED - {Kind.BOOL, Kind.BIT, Kind.STRING}
MOST_BCD = 4  # words, sixteen digits
MASKS: Mapping[Kind, int] = {Kind.U8H: 0xFF00, Kind.U8L: 0x00FF}

ONLY: Mapping[str, tuple[frozenset[Kind], str]] = {
    "bit": (frozenset({Kind.BIT}), "a bit only with the type 'bit'"),
    "words": (frozenset({Kind.STRING, Kind.BCD}), "words only with the types 'string' and 'bcd'"),
    "names": (NAMED, "names only with the types 'enum' and 'bits'"),
    "scale": (QUANTITIES, "a scale only of a quantity"),
    "offset": (QUANTITIES, "an offset only of a quantity"),
    "range": (QUANTITIES, "a range only of a quantity"),
    "normal": (QUANTITIES, "a normal band only of a quantity"),
    "deadband": (QUANTITIES, "a deadband only of a quantity"),
    "limits": (frozenset(Kind) - {Kind.STRING}, "no limits of a text"),
    "absent": (frozenset(Kind) - {Kind.BOOL, Kind.STRING}, "a pattern only of a register that is no text"),
}
"""The kinds that a key goes with."""


def check_point(document: Document, loc: Loc, point: WholePoint, said: AbstractSet[str]) -> None:
    """`point`: with its table, wire address and type. `said`: the keys that count as given even where they
    say what is the default."""
    for key, expected in _mistakes(point, said):
        value = getattr(point, key)
        inherited = "" if document.get(*loc, key) is not None else f"the inherited {value}"
        document.wrong((*loc, key), expected, found=inherited)


def _mistakes(point: WholePoint, said: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    """Keys, and what was expected there."""
    kind, table = point.type, point.table
    if (table in BIT_TABLES) != (kind is Kind.BOOL):
        what = "'bool'" if table in BIT_TABLES else "a register's type such as 'u16' or 'bit'"
        yield "type", f"{what} in the table {str(table)!r}"
        return
    for key, (kinds, expected) in ONLY.items():
        given = key in said or getattr(point, key) != PointShape.model_fields[key].get_default(
            call_default_factory=True
        )
        if given and kind not in kinds:
            yield key, expected
    if kind is Kind.BCD and point.words > MOST_BCD:
        yield "words", f"at most {MOST_BCD} with the type 'bcd': more digits than a number keeps"
        return
    if point.address + point.width > ADDRESSES:
        yield "type", f"a value that ends with the table, not {point.width} registers from its last ones on"
    yield from _mistakes_of_writing(point)
    yield from _mistakes_of_numbers(point)
    if kind in PARTS and point.byte_order is Order.LOW_FIRST:
        yield "byte_order", f"'high_first' of a {str(kind)!r}: name the place that it has on the wire"
    if point.max_interval is not None and point.max_interval < point.min_interval:
        yield "max_interval", f"at least the min_interval, {point.min_interval:g}s"


def _mistakes_of_writing(point: WholePoint) -> Iterator[tuple[str, str]]:
    if point.writable and point.table not in WRITABLE:
        yield "writable", "only a coil or a holding register to be writable"
    if point.writable and point.type in PARTS:
        whole = "make the whole register a point of the type 'bits'"
        yield "writable", f"no {str(point.type)!r} to be writable: {whole}"
    if point.writable and point.width > (most := MOST_WRITTEN.get(point.table, point.width)):
        yield "words", f"at most {most} where writable is true: more cannot be written in one request"
    if point.limits and not point.writable:
        yield "limits", "limits only where writable is true"


def _mistakes_of_numbers(point: WholePoint) -> Iterator[tuple[str, str]]:
    kind = point.type
    if point.scale == 0:
        yield "scale", "a scale other than 0"
    elif kind is not Kind.STRING:
        ends = (round(raw * point.scale + point.offset, 9) for raw in _raw(point))
        least, most = sorted(ends)
        what = f"{least:g} to {most:g}, all that its type and scale can give"
        if kind in QUANTITIES and point.range and not (point.range[0] <= most and least <= point.range[1]):
            yield "range", f"a range within {what}"
        if point.limits and not least <= point.limits[0] < point.limits[1] <= most:
            yield "limits", f"limits within {what}"
    bits = 8 if kind in MASKS else 16 * point.width
    if point.absent is not None and not -(1 << bits - 1) <= point.absent < 1 << bits:
        yield "absent", f"a pattern of {bits} bits"
    if point.deadband and point.deadband.percent and not point.range:
        yield "deadband", "a range of the point, for the deadband to be a part of"
    most_named = 15 if kind is Kind.BITS else 0xFFFF
    if not all(0 <= number <= most_named for number in point.names):
        yield "names", f"names of {'bits' if kind is Kind.BITS else 'values'} 0 to {most_named}"


def _raw(point: WholePoint) -> tuple[float, float]:
    """The least and the most that can stand in the registers."""
    match kind := point.type:
        case Kind.BOOL | Kind.BIT:
            return 0, 1
        case Kind.F32 | Kind.F64:
            pattern, code = ("7f7fffff", ">f") if kind is Kind.F32 else ("7fefffffffffffff", ">d")
            most = struct.unpack(code, bytes.fromhex(pattern))[0]
            return -most, most
        case Kind.BCD:
            return 0, 10 ** (4 * point.width) - 1
        case Kind.I16 | Kind.I32 | Kind.I64:
            half = 1 << 16 * point.width - 1
            return -half, half - 1
    return 0, (1 << (8 if kind in MASKS else 16 * point.width)) - 1


# -- between points --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """The bits of one address that a point has."""

    name: str
    point: WholePoint
    mask: int


def check_together(document: Document, profile: WholeProfile) -> None:
    """Mistakes among inherited points alone were told with their own file."""
    own = set(document.names("points"))
    taken: dict[tuple[Table, int], list[_Place]] = {}
    for name, point in profile.points.items():
        mask = 1 << point.bit if point.type is Kind.BIT else MASKS.get(point.type, 0xFFFF)
        place = _Place(name, point, mask)
        others: dict[str, _Place] = {}
        for address in range(point.address, point.address + point.width):
            here = taken.setdefault((point.table, address), [])
            others |= {other.name: other for other in here}
            here.append(place)
        for other in others.values():
            if name in own:
                _check_pair(document, place, other)
            elif other.name in own:
                _check_pair(document, other, place)
        _check_read(document, profile, name, name in own)


def _check_pair(document: Document, place: _Place, other: _Place) -> None:
    """Two points of one address; what is wrong is told at the first."""
    loc: Loc = ("points", place.name)
    kinds = {place.point.type, other.point.type}
    shared = place.mask & other.mask and not (kinds & PARTS and kinds & NAMED)
    if shared and kinds == {Kind.BIT}:
        document.wrong((*loc, "bit"), f"a bit of its own: {other.name!r} has this one")
    elif shared:
        hint = "parts of a register may stand beside the types 'enum' and 'bits'"
        document.wrong(
            (*loc, "address"),
            f"an address of its own: {other.name!r} stands here",
            hint if kinds & PARTS else "",
        )
    elif place.point.scan != other.point.scan:
        expected = f"{other.point.scan!r}: so it is for {other.name!r}, which stands in the same register"
        document.wrong((*loc, "scan"), expected, found=repr(place.point.scan))


def _check_read(document: Document, profile: WholeProfile, name: str, own: bool) -> None:
    """A value is read whole, and nothing of it where reading is forbidden. What keeps an inherited point from
    that was said in this file (`own` False)."""
    point, file = profile.points[name], profile.file
    what = f"{name!r}, a {str(point.type)!r}"
    if point.width > file.longest_read:
        loc: Loc = ("points", name, "type") if own else ("longest_read",)
        expected = f"a longest_read that reaches for {what}: {point.width} registers, not {file.longest_read}"
        document.wrong(loc, expected)
    for table, first, last in profile.forbidden:
        if table is point.table and point.address <= last and first < point.address + point.width:
            ends = [as_written(file.addressing, table, address) for address in (first, last)]
            loc = ("points", name, "address") if own else ("forbidden",)
            document.wrong(loc, f"no part of {what}, in {ends[0]} to {ends[1]}: reading there is forbidden")
