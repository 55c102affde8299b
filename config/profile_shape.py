"""What a profile's file may say, key by key, and what it is once all is known that it extends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from sitewarden.config.types import BY_WORD, Change, Duration, Name, Pause, Shape, Span, Text
from sitewarden.drivers.modbus.points import TURNAROUND, WORDS, Kind, Order, Table

ADDRESSES = 65536  # in a table
LAST_REFERENCE = 4 * 100_000 + ADDRESSES


class Addressing(StrEnum):
    WIRE = "wire"  # from 0, as in the request
    DOCUMENTED = "documented"  # from 1, as manuals count
    REFERENCE = "reference"  # 40001 or 400001: the first digit is the table


class PointShape(Shape):
    """A point, or what differs of an inherited one; `table`, `address` and `type` must stand somewhere."""

    table: Annotated[Table | None, BY_WORD] = Field(
        default=None, description="'coil', 'discrete', 'holding' or 'input'"
    )
    address: int | None = Field(default=None, ge=0, le=LAST_REFERENCE, description="an address")
    type: Annotated[Kind | None, BY_WORD] = Field(default=None, description="a type such as 'u16' or 'bool'")
    words: int = Field(default=1, ge=1, le=125)
    bit: int = Field(default=0, ge=0, le=15)
    word_order: Annotated[Order, BY_WORD] = Order.HIGH_FIRST
    byte_order: Annotated[Order, BY_WORD] = Order.HIGH_FIRST
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
    deadband: Change | None = None
    min_interval: Duration = 0.0
    max_interval: Pause | None = None
    names: dict[int, Text] = Field(default_factory=dict)
    label: Text | None = None
    source: str = ""


class WholePoint(PointShape):
    """A point with all that it must say; `address` is the one on the wire."""

    table: Table
    address: int
    type: Kind

    @property
    def width(self) -> int:
        """Addresses of its table."""
        return WORDS.get(self.type, self.words)


class RangeShape(Shape):
    table: Annotated[Table | None, BY_WORD] = Field(default=None, description="a table")
    first: int = Field(ge=0, le=LAST_REFERENCE, description="an address")
    last: int = Field(ge=0, le=LAST_REFERENCE, description="an address")


class ProfileFile(Shape):
    title: Text | None = None
    source: str = ""
    verified: str = ""
    extends: str | None = None
    addressing: Annotated[Addressing, BY_WORD] = Addressing.WIRE
    word_order: Annotated[Order, BY_WORD] = Order.HIGH_FIRST
    byte_order: Annotated[Order, BY_WORD] = Order.HIGH_FIRST
    longest_read: int = Field(default=125, ge=1, le=125)
    turnaround: Pause = TURNAROUND
    forbidden: list[RangeShape] = Field(default_factory=list)
    points: dict[Name, PointShape | None] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WholeProfile:
    """A file and what it extends as one. `file` has the keys of both, but for points and ranges: they stand
    here in wire addresses."""

    file: ProfileFile = field(default_factory=ProfileFile)
    family: str = ""  # the file at the root
    points: Mapping[str, WholePoint] = field(default_factory=dict)
    forbidden: Sequence[tuple[Table, int, int]] = ()
