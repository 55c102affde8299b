"""The waiting room: lines of the time when the clock was not believed.

They carry monotonic instants, and get their right ones as soon as somebody knows how far the two are apart.
Their numbers run like those of the blocks, but are their own.
"""

import sqlite3
from collections.abc import Iterator, Sequence

from sitewarden.gateway.spool import block_rows
from sitewarden.gateway.spool.block_rows import COLUMNS, put
from sitewarden.gateway.spool.blocks import SPAN, Block, Loss, Packer, Rank, Row, is_sound, seal, unpack

TABLE = "held"

_HALF = SPAN // 2  # of a rank's numbers: what is beyond is held


def is_held(row: Row) -> bool:
    return row[0] - Rank.of(row[0]).base > _HALF


def newest(db: sqlite3.Connection, rank: Rank) -> int:
    """The number of the rank's newest line that is held, or the one before the first."""
    return max(block_rows.newest(db, rank, TABLE), rank.base + _HALF)


def oldest(db: sqlite3.Connection) -> Row | None:
    """Of the readings, or else of the events."""
    return next(_oldest_each(db), None)


def _oldest_each(db: sqlite3.Connection) -> Iterator[Row]:
    query = f"SELECT {COLUMNS} FROM {TABLE} WHERE id > ? AND id <= ? ORDER BY id LIMIT 1"  # noqa: S608
    for rank in Rank:
        yield from db.execute(query, (rank.base, rank.end))


def remove(db: sqlite3.Connection, row: Row) -> None:
    db.execute(f"DELETE FROM {TABLE} WHERE id = ?", (row[0],))  # noqa: S608


def waiting(db: sqlite3.Connection) -> int:
    """Lines."""
    return sum(newest(db, Rank.of(row[0])) - row[0] + row[3] for row in _oldest_each(db))


def stamped(block: Block, offset: int) -> Sequence[bytes]:
    """The block's lines with their instants put right by `offset` ns."""
    parts = (line.rpartition(b" ") for line in block.lines)
    return [b"%s %d" % (line, int(instant) + offset) for line, _, instant in parts]


def loss(row: Row, why: str) -> Loss:
    """Nobody knows when it was."""
    return Loss(why, row[3], note="before the clock was set")


def span(db: sqlite3.Connection) -> tuple[int, int] | None:
    """The earliest and the latest instant."""
    first, last = db.execute(f"SELECT min(first), max(last) FROM {TABLE}").fetchone()  # noqa: S608
    return None if first is None else (int(first), int(last))


def restamp(db: sqlite3.Connection, by: int, packer: Packer) -> None:
    """All of them, by so many ns. Broken ones stay as they are, and are found out when they are released."""
    numbers = [number for (number,) in db.execute(f"SELECT id FROM {TABLE}")]  # noqa: S608
    for number in numbers:
        (row,) = db.execute(f"SELECT {COLUMNS} FROM {TABLE} WHERE id = ?", (number,))  # noqa: S608
        if is_sound(row):
            block = unpack(row)
            remove(db, row)
            body = packer.pack(stamped(block, by))
            put(db, seal(number, block.first + by, block.last + by, block.count, *body), TABLE)
