"""Profiles: what a device's registers mean, as YAML, to the tables that the bus driver reads by.

title: {en: Grundfos CIM pump module, zh: 格兰富 CIM 泵模块}
source: where the facts come from
verified: what was verified, and against what
extends: another-profile       # its points, but for those that stand here again
addressing: documented         # registers as the manual counts them, from 1; or `wire`, from 0
points:
  pressure: {table: holding, address: 301, type: u16, scale: 0.001, unit: bar, range: [0, 25]}
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from sitewarden.config.document import Document, Loc, read
from sitewarden.config.errors import ConfigErrors, did_you_mean, one_of
from sitewarden.config.explain import shaped
from sitewarden.config.types import Name, Shape, Span, Text
from sitewarden.drivers.modbus.points import WORDS, Kind, Order, Point, Profile, Table

SHIPPED = Path(__file__).parent / "profiles"
BY_WORD = Field(strict=False)
WRITABLE = frozenset({Table.COIL, Table.HOLDING})
BITS = frozenset({Table.COIL, Table.DISCRETE})
ADDRESSES = 65536  # wire addresses in a table


class Addressing(StrEnum):
    WIRE = "wire"
    DOCUMENTED = "documented"


class PointShape(Shape):
    table: Annotated[Table, BY_WORD] = Field(description="'coil', 'discrete', 'holding' or 'input'")
    address: int = Field(ge=0, le=ADDRESSES, description="an address")
    type: Annotated[Kind, BY_WORD] = Field(description="a type such as 'u16' or 'bool'")
    words: int = Field(default=1, ge=1, le=125)
    bit: int = Field(default=0, ge=0, le=15)
    word_order: Annotated[Order | None, BY_WORD] = None
    byte_order: Annotated[Order | None, BY_WORD] = None
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    absent: int | None = None
    range: Span | None = None
    normal: Span | None = None
    scan: str = "normal"
    writable: bool = False
    setting: bool = False
    limits: Span | None = None
    deadband: float = Field(default=0.0, ge=0)
    names: dict[int, Text] = Field(default_factory=dict)
    label: Text | None = None


class Range(Shape):
    table: Annotated[Table, BY_WORD] = Field(description="a table")
    first: int = Field(ge=0, le=ADDRESSES, description="an address")
    last: int = Field(ge=0, le=ADDRESSES, description="an address")


class ProfileFile(Shape):
    title: Text | None = None
    source: str = ""
    verified: str = ""
    extends: str | None = None
    addressing: Annotated[Addressing, BY_WORD] = Addressing.WIRE
    word_order: Annotated[Order, BY_WORD] = Order.HIGH_FIRST
    byte_order: Annotated[Order, BY_WORD] = Order.HIGH_FIRST
    longest_read: int = Field(default=125, ge=1, le=125)
    forbidden: list[Range] = Field(default_factory=list)
    points: dict[Name, PointShape] = Field(default_factory=dict)


def available(folders: Sequence[Path]) -> Mapping[str, Path]:
    """Every profile by name; the first folder that has a name wins."""
    files = [file for folder in reversed(folders) for file in folder.glob("*.yaml")]
    return {file.stem: file for file in files}


def load_profile(name: str, folders: Sequence[Path]) -> Profile:
    """Raises ConfigErrors with every mistake of the file, and KeyError if there is no such profile."""
    return _load(name, available(folders), ())


def _load(name: str, files: Mapping[str, Path], chain: tuple[str, ...]) -> Profile:
    document = read(files[name])
    shape = shaped(document, ProfileFile)
    base = Profile(name, ())
    if shape and shape.extends is not None:
        if shape.extends not in files or shape.extends in (name, *chain):
            others = sorted(set(files) - {name, *chain})
            document.wrong(("extends",), one_of(others), did_you_mean(shape.extends, others))
        else:
            base = _load(shape.extends, files, (name, *chain))
    points = {point.name: point for point in base.points}
    if shape:
        points |= {point: _point(document, shape, point) for point in shape.points}
    if shape and not points:
        document.wrong(("points",), "at least one point")
    if document.errors or not shape:
        raise ConfigErrors(document.errors)
    own = shape.model_fields_set
    return Profile(
        name,
        tuple(points.values()),
        title=shape.title.get("en", "") if shape.title else base.title,
        source=shape.source or base.source,
        verified=shape.verified or base.verified,
        longest_read=shape.longest_read if "longest_read" in own else base.longest_read,
        forbidden=(*base.forbidden, *_forbidden(document, shape)),
    )


def _forbidden(document: Document, shape: ProfileFile) -> list[tuple[Table, int, int]]:
    first = int(shape.addressing is Addressing.DOCUMENTED)
    ranges = []
    for at, one in enumerate(shape.forbidden):
        if not first <= one.first <= one.last:
            document.wrong(("forbidden", at), f"addresses from {first} on, the first before the last")
        ranges.append((one.table, one.first - first, one.last - first))
    return ranges


def _point(document: Document, file: ProfileFile, name: str) -> Point:
    shape = file.points[name]
    loc = ("points", name)
    _check(document, loc, shape)
    words = WORDS.get(shape.type, shape.words)
    first = int(file.addressing is Addressing.DOCUMENTED)
    if not first <= shape.address <= ADDRESSES - words + first:
        document.wrong((*loc, "address"), f"{first} to {ADDRESSES - words + first}")
    low, high = shape.range or (None, None)
    normal_low, normal_high = shape.normal or (None, None)
    write_low, write_high = shape.limits or (None, None)
    return Point(
        name,
        shape.table,
        shape.address - first,
        shape.type,
        words=words,
        bit=shape.bit,
        word_order=shape.word_order or file.word_order,
        byte_order=shape.byte_order or file.byte_order,
        scale=shape.scale,
        offset=shape.offset,
        unit=shape.unit,
        absent=shape.absent,
        low=low,
        high=high,
        normal_low=normal_low,
        normal_high=normal_high,
        scan=shape.scan,
        writable=shape.writable,
        setting=shape.setting,
        write_low=write_low,
        write_high=write_high,
        deadband=shape.deadband,
        names=shape.names,
        label=shape.label or {},
    )


def _check(document: Document, loc: Loc, shape: PointShape) -> None:
    """What the keys of one point must say together."""
    given = shape.model_fields_set
    if (shape.table in BITS) != (shape.type is Kind.BOOL):
        kind = "'bool'" if shape.table in BITS else "a register's type such as 'u16' or 'bit'"
        document.wrong((*loc, "type"), f"{kind} in the table {str(shape.table)!r}")
    if shape.writable and shape.table not in WRITABLE:
        document.wrong((*loc, "writable"), "only a coil or a holding register to be writable")
    if "limits" in given and not shape.writable:
        document.wrong((*loc, "limits"), "limits only where writable is true")
    if "bit" in given and shape.type is not Kind.BIT:
        document.wrong((*loc, "bit"), "a bit only with the type 'bit'")
    if "words" in given and shape.type not in {Kind.STRING, Kind.BCD}:
        document.wrong((*loc, "words"), "words only with the types 'string' and 'bcd'")
    if "names" in given and shape.type not in {Kind.ENUM, Kind.BITS}:
        document.wrong((*loc, "names"), "names only with the types 'enum' and 'bits'")
    if shape.scale == 0:
        document.wrong((*loc, "scale"), "a scale other than 0")
