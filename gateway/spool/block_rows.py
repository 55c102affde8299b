"""Blocks as they lie in the table, by their numbers. For any connection to the file."""

import sqlite3
from collections.abc import Iterable

from sitewarden.gateway.database import Broken
from sitewarden.gateway.spool.blocks import Batch, Block, Rank, Row, Stretch, is_sound, unpack
from sitewarden.gateway.spool.cursors import Stretches

COLUMNS = "id, first, last, count, crc, packed, lines"


def put(db: sqlite3.Connection, row: Row, table: str = "blocks") -> None:
    db.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608 - our own names


def collect(
    db: sqlite3.Connection, stretch: Stretch, most: int, until: int
) -> tuple[Batch | None, Stretches]:
    """The stretch's first blocks, about `most` lines, and what of it is broken. Raises Broken if lines are
    missing: then not only a block is broken, but the file."""
    query = f"SELECT {COLUMNS} FROM blocks WHERE id > ? AND id <= ? ORDER BY id"  # noqa: S608
    blocks: list[Block] = []
    held: list[Stretch] = []
    bad: list[Stretch] = []
    at, lines = stretch.after, 0
    for row in db.execute(query, (stretch.after, stretch.upto)):
        number, _, last, count, *_ = row
        its = Stretch(at, number)
        if not is_sound(row):
            bad.append(its)
        elif count != its.count:
            raise Broken(f"{its.count - count} lines are missing before block {number}")
        elif last > until:
            held.append(its)
        else:
            blocks.append(unpack(row))
            lines += count
        at = number
        if lines >= most:
            break
    else:
        if at != stretch.upto:
            raise Broken(f"{stretch.upto - at} lines are missing after block {at}")
    if not blocks:
        return None, tuple(bad)
    upto = blocks[-1].id
    early = tuple(it for it in held if it.upto <= upto)
    return Batch(tuple(blocks), stretch.after, upto, early), tuple(bad)


def ended(db: sqlite3.Connection, stretch: Stretch, before: int) -> int:
    """Up to where its blocks ended before that instant (ns): in order, but for steps of the clock."""
    after, upto = stretch.after, stretch.upto
    query = "SELECT id, last, count FROM blocks WHERE id > ? ORDER BY id LIMIT 1"
    while after < upto:
        middle = (after + upto) // 2
        row = db.execute(query, (middle,)).fetchone()
        if row is None:
            raise Broken(f"no block comes after line {middle}")
        number, last, count = row
        if last < before:
            after = number
        else:
            upto = number - count
    return after


def begun(db: sqlite3.Connection, stretches: Iterable[Stretch]) -> int:
    """The earliest instant (ns) of their oldest blocks; 0: there are none."""
    query = "SELECT first FROM blocks WHERE id > ? ORDER BY id LIMIT 1"
    firsts = (db.execute(query, (it.after,)).fetchone() for it in stretches)
    return min((int(row[0]) for row in firsts if row), default=0)


def over(db: sqlite3.Connection, stretches: Iterable[Stretch]) -> int:
    """The latest instant (ns) of their newest blocks; 0: there are none."""
    query = "SELECT last FROM blocks WHERE id > ? AND id <= ? ORDER BY id DESC LIMIT 1"
    lasts = (db.execute(query, (it.after, it.upto)).fetchone() for it in stretches)
    return max((int(row[0]) for row in lasts if row), default=0)


def span(db: sqlite3.Connection, stretch: Stretch) -> tuple[int, int]:
    """The earliest and the latest instant (ns) of its blocks."""
    query = "SELECT coalesce(min(first), 0), coalesce(max(last), 0) FROM blocks WHERE id > ? AND id <= ?"
    first, last = db.execute(query, (stretch.after, stretch.upto)).fetchone()
    return int(first), int(last)


def block_with(db: sqlite3.Connection, number: int) -> int:
    """The number of the block that this line is in."""
    (found,) = db.execute("SELECT min(id) FROM blocks WHERE id >= ?", (number,)).fetchone()
    if found is None:
        raise Broken(f"no block has line {number}")
    return int(found)


def newest(db: sqlite3.Connection, rank: Rank, table: str = "blocks") -> int:
    """The number of the rank's newest line in it; its base if there is none."""
    query = f"SELECT max(id) FROM {table} WHERE id > ? AND id <= ?"  # noqa: S608
    (found,) = db.execute(query, (rank.base, rank.end)).fetchone()
    return rank.base if found is None else int(found)
