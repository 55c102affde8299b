"""What the spool is made of: blocks of lines, each with its checksum, and the ledger of what was lost."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import zstandard

SCHEMA = """
CREATE TABLE IF NOT EXISTS blocks (
    id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
    crc INTEGER NOT NULL, packed INTEGER NOT NULL, lines BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS cursors (destination TEXT PRIMARY KEY, block INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS losses (
    id INTEGER PRIMARY KEY, why TEXT NOT NULL, destination TEXT NOT NULL, count INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, sample BLOB NOT NULL, note TEXT NOT NULL
) STRICT;
"""

OLDEST_FIRST = (
    "SELECT id, first, last, count, crc, packed, lines FROM blocks"
    " WHERE id > (SELECT block FROM cursors WHERE destination = ?) ORDER BY id"
)
NEWEST_FIRST = OLDEST_FIRST + " DESC"


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that one commit appended. `first` and `last` are instants in ns since 1970."""

    id: int
    first: int
    last: int
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """A gap: `count` lines between two instants (ns) did not reach `destination` ("": nobody).

    `why`: full, crc, overrun (more came than could be written), refused (the disk took nothing for too
    long), clock (the gateway did not know the year yet), rejected (the server did not take it). `sample`
    is a rejected line, `note` the server's words.
    """

    why: str
    count: int
    first: int = 0
    last: int = 0
    destination: str = ""
    sample: bytes = b""
    note: str = ""


@dataclass(frozen=True, slots=True)
class SpoolStats:
    blocks: int
    lines: int
    bytes: int  # in use
    limit: int  # bytes
    oldest: int | None  # ns
    pending: dict[str, int]  # lines a destination has not taken yet
    lost: int  # lines since the start, all reasons
    set_aside: int  # broken files since the start

    @property
    def fill(self) -> float:
        """0 to 1 of the room there is."""
        return self.bytes / self.limit


LARGEST = 1 << 26  # bytes of a block's lines; a broken one may claim any size, and would be given the room


class Packer:
    """Lines to a row of the table `blocks` and back. For one thread at a time."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=1)
        self._decompressor = zstandard.ZstdDecompressor()

    def pack(self, lines: Sequence[bytes], first: int, last: int) -> tuple[int | bytes, ...]:
        """The row without its id. Lines are compressed if that makes them smaller."""
        body = b"\n".join(lines)
        compressed = self._compressor.compress(body)
        packed = (1, compressed) if len(compressed) < len(body) else (0, body)
        return first, last, len(lines), zlib.crc32(body), *packed

    def unpack(self, row: tuple[object, ...]) -> Block | None:
        """None: this is not what was written. On a broken page any value may stand, and of any type."""
        match row:
            case int(number), int(first), int(last), count, crc, packed, bytes(stored):
                pass
            case _:
                return None
        try:
            if packed and zstandard.frame_content_size(stored) > LARGEST:
                return None
            body = self._decompressor.decompress(stored) if packed else stored
        except zstandard.ZstdError:
            return None
        lines = tuple(body.split(b"\n"))
        return Block(number, first, last, lines) if zlib.crc32(body) == crc and len(lines) == count else None
