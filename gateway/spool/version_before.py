"""The spool of version 0.1, taken over: its blocks had running numbers, a cursor was the last one done."""

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sitewarden.gateway.database import transaction
from sitewarden.gateway.spool import block_rows, loss_rows, pages, schema
from sitewarden.gateway.spool.blocks import Loss, Rank, Row, Stretch, seal, unpack
from sitewarden.gateway.spool.schema import STORED


def is_of_before(path: Path) -> bool:
    """By its schema, read without SQLite: that would already mend what may be broken."""
    return b"block INTEGER NOT NULL" in pages.first(path)


def take_over(before: Path, fresh: sqlite3.Connection, destinations: Sequence[str]) -> Sequence[Loss]:
    """Copies what is pending; returns what was broken, which is in the fresh ledger already."""
    with closing(sqlite3.connect(before, isolation_level=None)) as old, transaction(fresh):
        passed: dict[str, int] = dict(_readable(old, "SELECT destination, block FROM cursors"))
        done = dict.fromkeys(destinations, 0)
        at, lost = 0, list[Loss]()
        for row in _readable(old, f"SELECT {block_rows.COLUMNS} FROM blocks ORDER BY id"):  # noqa: S608
            number, _, _, count, *_ = row
            if taken := _converted(row, at + count):
                block_rows.put(fresh, taken)
                at += count
                done.update({name: at for name in done if number <= passed.get(name, 0)})
            else:
                lost.append(Loss("crc", count, note=f"block {number}"))
        loss_rows.enter(fresh, [*_losses(old), *lost])
        events, readings = Rank.EVENT, Rank.READING
        for name, after in {**done, STORED: 0}.items():
            live = Stretch(events.base, events.end), Stretch(after, readings.end)
            schema.save(fresh, {}, {name: live})
    return lost


def _converted(row: Row, number: int) -> Row | None:
    """Its checksum was of the lines alone."""
    _, first, last, count, crc, packed, stored = row
    taken = seal(number, first, last, count, bool(packed), stored)
    with suppress(ValueError):
        return taken if zlib.crc32(unpack(taken).body) == crc else None
    return None


def _losses(old: sqlite3.Connection) -> Iterator[Loss]:
    query = "SELECT why, count, first, last, destination, sample, note FROM losses ORDER BY id"
    return (Loss(*row) for row in _readable(old, query))


def _readable(old: sqlite3.Connection, query: str) -> Iterator[Any]:
    """As far as they are: how many there were behind a broken page, nothing tells."""
    with suppress(sqlite3.Error):
        yield from old.execute(query)
