"""A Modbus device as a table: what stands where, and how it reads. Profiles in YAML become these values.

Addresses are wire addresses (counted from 0) and registers are 16 bits, high byte first on the wire
(MODBUS Application Protocol V1.1b3, 4.2 to 4.4).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Table(StrEnum):
    """The four tables and the function codes that reach them (V1.1b3, clause 6)."""

    COIL = "coil"  # 01 read, 05 and 15 write
    DISCRETE = "discrete"  # 02 read
    HOLDING = "holding"  # 03 read, 06 and 16 write
    INPUT = "input"  # 04 read


class Kind(StrEnum):
    BOOL = "bool"  # a coil or a discrete input
    BIT = "bit"  # one bit of a register: `bit`, 0 is the lowest
    U8H = "u8h"  # the high byte of a register
    U8L = "u8l"  # the low byte of a register
    U16 = "u16"
    I16 = "i16"
    U32 = "u32"
    I32 = "i32"
    U64 = "u64"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"
    BCD = "bcd"
    STRING = "string"
    ENUM = "enum"  # u16 with names
    BITS = "bits"  # u16, bit field as a number; `names` by bit


class Order(StrEnum):
    """Which word of a value comes first, and which byte of a word."""

    HIGH_FIRST = "high_first"
    LOW_FIRST = "low_first"


WORDS: Mapping[Kind, int] = {
    Kind.U32: 2,
    Kind.I32: 2,
    Kind.F32: 2,
    Kind.U64: 4,
    Kind.I64: 4,
    Kind.F64: 4,
}  # every other kind is one word, but for strings and BCD, which say their own


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a profile. The value is `raw * scale + offset`, in `unit`."""

    name: str  # "pressure"; the full point is "<device>.<name>"
    table: Table
    address: int
    kind: Kind
    words: int = 1
    bit: int = 0
    word_order: Order = Order.HIGH_FIRST
    byte_order: Order = Order.HIGH_FIRST
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    absent: int | None = None  # the raw value that means "not available"
    low: float | None = None  # valid range of the value, both included
    high: float | None = None
    normal_low: float | None = None  # the band the page draws
    normal_high: float | None = None
    scan: str = "normal"  # scan class
    writable: bool = False
    setting: bool = False  # how the device is set, not how it is
    write_low: float | None = None
    write_high: float | None = None
    deadband: float = 0.0  # absolute, in `unit`: smaller changes are not reported
    min_interval: float = 0.0  # s: changes of the value come no closer together than this
    max_interval: float | None = None  # s: an unchanged value is said again; None: the unit's heartbeat
    names: Mapping[int, Mapping[str, str]] = field(default_factory=dict)  # of values or bits, by language
    label: Mapping[str, str] = field(default_factory=dict)  # language -> the field's word
    source: str = ""  # where it comes from, when not from where the profile does


TURNAROUND = 0.01  # s
PROBES = 0.05  # of a line's time


@dataclass(frozen=True, slots=True)
class Profile:
    name: str
    points: tuple[Point, ...]
    title: str = ""
    family: str = ""  # the first of the profiles that it extends, itself if there is none
    source: str = ""
    verified: str = ""  # what was verified, and against what
    longest_read: int = 125  # registers in one read (V1.1b3, 6.3)
    turnaround: float = TURNAROUND  # s at most, when nothing is wrong, from a request to its answer
    turnaround_assumed: bool = False  # since the source does not say it
    forbidden: tuple[tuple[Table, int, int], ...] = ()  # ranges [first, last] that must not be read


@dataclass(frozen=True, slots=True)
class Unit:
    """One device on a bus."""

    device: str
    unit_id: int  # 1 to 247, 0 is everyone (serial line specification V1.02, 2.2); 0 to 255 over TCP
    profile: Profile
    scan: Mapping[str, float] = field(default_factory=lambda: {"fast": 0.2, "normal": 1.0, "slow": 10.0})
    timeout: float = 0.3  # s until a request counts as unanswered
    retries: int = 1
    heartbeat: float = 60.0  # s after which an unchanged value is reported again
