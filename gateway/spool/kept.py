"""What the spool still has of what a destination was given, read beside the running gateway.

Delivered blocks stay for `spool.keep` s while there is room: until then they say what should be on the other
side. Nothing is written, and nobody waits for the reader.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sitewarden.gateway.database import connect_reading
from sitewarden.gateway.spool.blocks import Rank, Stretch, unpack
from sitewarden.gateway.spool.cursors import Stretches
from sitewarden.gateway.spool.schema import cursors

_OLDEST = "SELECT first FROM blocks WHERE id > ? AND id <= ? ORDER BY id LIMIT 1"
_WITHIN = "SELECT id, first, last, count FROM blocks WHERE first < ? AND last >= ? ORDER BY id"
_BLOCK = "SELECT id, first, last, count, crc, packed, lines FROM blocks WHERE id = ?"


@dataclass(frozen=True, slots=True)
class Entry:
    """A block that has lines of a span of time, without its lines. Instants in ns."""

    number: int
    first: int
    last: int
    count: int
    delivered: bool


class Kept:
    """As it was when this was made: what is delivered later still counts as waiting. For one thread."""

    def __init__(self, path: Path, destination: str) -> None:
        self._open = ExitStack()
        self._db = self._open.enter_context(connect_reading(path))
        self._waiting = self._stretches(destination)
        self._rejected = {
            bytes(line)
            for (line,) in self._db.execute("SELECT line FROM letters WHERE destination = ?", (destination,))
        }

    def close(self) -> None:
        self._open.close()

    @property
    def oldest(self) -> int | None:
        """ns; from then on nothing is missing but for want of room. The oldest reading says it: events are
        few, and the last to go."""
        for rank in Rank:
            if row := self._db.execute(_OLDEST, (rank.base, rank.end)).fetchone():
                return int(row[0])
        return None

    def within(self, begin: int, end: int) -> list[Entry]:
        """The blocks that may have lines with begin <= instant < end."""
        return [
            Entry(number, first, last, count, not self._waits(number))
            for number, first, last, count in self._db.execute(_WITHIN, (end, begin))
        ]

    def lines(self, entry: Entry) -> Sequence[bytes]:
        """None of them if the block went away meanwhile. Raises ValueError if it is not what was written."""
        row = self._db.execute(_BLOCK, (entry.number,)).fetchone()
        return unpack(row).lines if row else ()

    def is_rejected(self, line: bytes) -> bool:
        """Whether the destination said that it will never take this line."""
        return line in self._rejected

    def _stretches(self, destination: str) -> Stretches:
        """What the destination lacks; all there is, if nobody knows."""
        everything = tuple(Stretch(rank.base, rank.end) for rank in Rank)
        return dict(cursors(self._db)).get(destination) or everything

    def _waits(self, number: int) -> bool:
        return any(it.after < number <= it.upto for it in self._waiting)


def spans(begin: int, end: int, width: int) -> Iterator[tuple[int, int]]:
    """The stretch of time in pieces that begin at multiples of `width`, but for the first."""
    while begin < end:
        next_ = min((begin // width + 1) * width, end)
        yield begin, next_
        begin = next_
