"""What the spool is made of: blocks of lines, each with its checksum, and the ledger of what was lost.

Every line of telemetry has a number, and the number of a block is that of its last line. So a hole between
two blocks says how many lines are missing, and what waits for a destination is told without a look at the
blocks. Each rank numbers its own lines: the oldest readings can go and the events between them stay.
"""

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeGuard

import zstandard

SPAN = 1 << 60  # numbers of a rank; nobody gets to the end of them


class Rank(IntEnum):
    """How hard it is to part with a line when there is no room."""

    READING = 0
    EVENT = 1  # device, alarm, decision, passage, fire, loss, …: goes last

    @property
    def base(self) -> int:
        """The number before the rank's first line: those of events are negative. Readings, which are most,
        have the end of the table that SQLite appends to at no cost."""
        return -self * SPAN

    @property
    def end(self) -> int:
        return self.base + SPAN

    @staticmethod
    def of(number: int) -> "Rank":
        return Rank.READING if number > 0 else Rank.EVENT


@dataclass(frozen=True, slots=True)
class Fresh:
    """Lines that are to become a block. `first` and `last` as there."""

    rank: Rank
    lines: Sequence[bytes]
    first: int
    last: int
    history: bool = False  # nobody is to get them: they are kept as if everybody had


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that one commit appended. `first` and `last` are the earliest and the latest instant in ns since
    1970; `body` is the lines with line breaks between them, as a server takes them."""

    id: int
    rank: Rank
    first: int
    last: int
    count: int
    body: bytes

    @property
    def lines(self) -> list[bytes]:
        return self.body.split(b"\n")


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """The lines with after < number <= upto."""

    after: int
    upto: int

    @property
    def count(self) -> int:
        return self.upto - self.after


@dataclass(frozen=True, slots=True)
class Batch:
    """Blocks of one rank, oldest first, as they were read for a destination. They and what lies between them
    is `after` to `upto`, but for what was passed over: `held`."""

    blocks: tuple[Block, ...]
    after: int
    upto: int
    held: tuple[Stretch, ...] = ()

    @property
    def count(self) -> int:
        """Lines."""
        return sum(block.count for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Loss:
    """A gap: `count` lines between two instants (ns) did not reach `destination` ("": nobody).

    `why`: full, crc, overrun (more came than could be written), refused (the disk took nothing for too
    long), clock (the gateway did not know the year yet), rejected (the server did not take it). `sample`
    is a rejected line, `note` the server's words. `subject`: the device or point ("": all).
    """

    why: str
    count: int
    first: int = 0
    last: int = 0
    destination: str = ""
    sample: bytes = b""
    note: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A line that a destination will never take, and what it said."""

    id: int
    destination: str
    line: bytes
    words: str


@dataclass(frozen=True, slots=True)
class SpoolStats:
    """`lines`, `bytes` and `oldest` are of what somebody still lacks: what is merely kept goes as soon as its
    room is wanted."""

    lines: int
    bytes: int
    limit: int  # bytes
    oldest: int | None  # ns
    pending: Mapping[str, int]  # lines a destination has not taken yet
    since: Mapping[str, int]  # ns; the instant of the oldest of them, where there are any
    lost: int  # lines since the start, all reasons
    set_aside: int  # broken files since the start
    kept: int = 0  # lines that everybody has
    held: int = 0  # lines that wait for the clock
    letters: Mapping[str, int] = field(default_factory=dict)  # dead ones a destination
    backlog: Mapping[str, int] = field(default_factory=dict)  # lines of `pending` that are in that lane

    @property
    def fill(self) -> float:
        """0 to 1 of the room there is."""
        return self.bytes / self.limit


LARGEST = 1 << 26  # bytes of a block's lines; a broken one may claim any size, and would be given the room

_HEADER = struct.Struct("<qqqq?")

Row = tuple[int, int, int, int, int, int, bytes]
"""Of the table `blocks`: id, first, last, count, crc, packed, lines."""


class Packer:
    """Lines to what is stored of them. For one thread at a time."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=1)

    def pack(self, lines: Sequence[bytes]) -> tuple[bool, bytes]:
        """Whether they were compressed, which is if that makes them smaller, and what they became."""
        body = b"\n".join(lines)
        compressed = self._compressor.compress(body)
        return (True, compressed) if len(compressed) < len(body) else (False, body)


def seal(number: int, first: int, last: int, count: int, packed: bool, stored: bytes) -> Row:
    """The row, with a checksum of all of it."""
    crc = zlib.crc32(stored, zlib.crc32(_HEADER.pack(number, first, last, count, packed)))
    return number, first, last, count, crc, int(packed), stored


def is_sound(row: tuple[object, ...]) -> TypeGuard[Row]:
    """Whether this is what was written. On a broken page any value may stand, and of any type."""
    match row:
        case (int(number), int(first), int(last), int(count), int(), 0 | 1 as packed, bytes(stored)):
            return seal(number, first, last, count, bool(packed), stored) == row
    return False


def unpack(row: Row) -> Block:
    """What a sound row holds. Raises ValueError if it is none."""
    if not is_sound(row):
        raise ValueError(f"block {row[0]} is not what was written")
    number, first, last, count, _, packed, stored = row
    return Block(number, Rank.of(number), first, last, count, _body(stored) if packed else stored)


def _body(stored: bytes) -> bytes:
    try:
        if zstandard.frame_content_size(stored) > LARGEST:
            raise ValueError("too large to be ours")
        return zstandard.ZstdDecompressor().decompress(stored)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
