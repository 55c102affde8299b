"""What can be read of a broken spool, carried over into a fresh one, and what cannot, counted.

The checksums say which blocks are what was written. Which lines there should be is known by their numbers:
from the cursors, or from the blocks around a hole.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from itertools import chain, islice
from pathlib import Path

from sitewarden.gateway.database import is_full, transaction
from sitewarden.gateway.spool import held_rows, loss_rows, pages, schema
from sitewarden.gateway.spool.blocks import Loss, Rank, Row, Stretch, is_sound
from sitewarden.gateway.spool.cursors import Cursors, Stretches, is_live, subtract, union
from sitewarden.gateway.spool.schema import STORED

AT_ONCE = 64  # blocks a transaction
BLOCK, CURSOR = 7, 3  # columns

_BASES = {rank: rank.base for rank in Rank}
_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)


def carry_over(
    broken: Path, fresh: sqlite3.Connection, known: Cursors | None, destinations: Sequence[str]
) -> Sequence[Loss]:
    """`known`: the cursors as the broken file was to have them, if somebody remembers. Returns what is lost;
    the ledger of the fresh file has it already."""
    sets = {**known.pending, STORED: known.stored} if known else _sets(broken)
    there = union(_copied(_blocks(broken, sets.get(STORED)), fresh))
    newest = with_edges(known.newest if known else _BASES, [there, *sets.values()])
    stored = sets.pop(STORED, None) or _since_the_oldest(newest, [there, *sets.values()])
    cursors = Cursors(newest, stored, {name: sets.get(name, stored) for name in destinations})
    missing = subtract(cursors.reached(stored), there)
    losses = loss_rows.missed(cursors.pending, missing, "crc", note="the file was broken")
    cursors = cursors.without(missing)
    _copy_others(broken, fresh)
    with transaction(fresh):
        loss_rows.enter(fresh, losses)
        schema.save(fresh, {}, {**cursors.pending, STORED: cursors.stored})
    return losses


def with_edges(newest: Mapping[Rank, int], sets: Iterable[Stretches]) -> dict[Rank, int]:
    """The newest numbers, no less than what a cursor has passed."""
    reached = dict(newest)
    for stretch in chain.from_iterable(sets):
        rank = Rank.of(stretch.upto)
        reached[rank] = max(reached[rank], stretch.after if is_live(stretch) else stretch.upto)
    return reached


def _since_the_oldest(newest: Mapping[Rank, int], sets: Iterable[Stretches]) -> Stretches:
    oldest = dict(newest)
    for stretch in chain.from_iterable(sets):
        rank = Rank.of(stretch.upto)
        oldest[rank] = min(oldest[rank], stretch.after)
    return tuple(sorted(Stretch(after, rank.end) for rank, after in oldest.items()))


# -- the broken file -----------------------------------------------------------------------------


def _sets(broken: Path) -> dict[str, Stretches]:
    rows = pages.rows(broken, frozenset({CURSOR}))
    return {name: its for _, *row in rows for name, its in [schema.cursor(row)] if its is not None}


def _blocks(broken: Path, stored: Stretches | None) -> Iterator[Row]:
    """Those that are what was written; others than these were deleted."""
    for number, _, *columns in pages.rows(broken, frozenset({BLOCK})):
        row = number, *columns
        if is_sound(row) and (stored is None or held_rows.is_held(row) or _is_in(stored, row)):
            yield row


def _is_in(stored: Stretches, row: Row) -> bool:
    return any(it.after < row[0] <= it.upto for it in stored)


def _copied(rows: Iterator[Row], fresh: sqlite3.Connection) -> Iterator[Stretch]:
    """The lines of each block that is in the fresh file; as many as it has room for."""
    while some := list(islice(rows, AT_ONCE)):
        held = [row for row in some if held_rows.is_held(row)]
        blocks = [row for row in some if not held_rows.is_held(row)]
        try:
            with transaction(fresh):
                fresh.executemany("INSERT OR IGNORE INTO held VALUES (?, ?, ?, ?, ?, ?, ?)", held)
                fresh.executemany("INSERT OR IGNORE INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)", blocks)
        except sqlite3.Error as error:
            if not is_full(error):
                raise
            return
        yield from (Stretch(row[0] - row[3], row[0]) for row in blocks)


def _copy_others(broken: Path, fresh: sqlite3.Connection) -> None:
    """The ledger, the dead letters and its writer's notes, as far as SQLite can read them."""
    with closing(sqlite3.connect(broken, isolation_level=None)) as old:
        for table in ("losses", "letters", "notes"):
            with suppress(*_UNREADABLE), transaction(fresh):
                for row in old.execute(f"SELECT * FROM {table}"):  # noqa: S608
                    marks = ", ".join("?" * len(row))
                    fresh.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608
