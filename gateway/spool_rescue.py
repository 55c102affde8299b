"""What can be read of a broken spool, carried over into a fresh one, and what cannot, counted.

The checksums say which blocks are what was written. Which lines there should be is known by their numbers:
from the cursors, or from the blocks around a hole. The spool of earlier versions is taken over here as well.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from itertools import chain, islice
from pathlib import Path

from sitewarden.gateway import spool_ledger, spool_read, spool_schema, spool_untimed
from sitewarden.gateway.blocks import Loss, Rank, Row, Stretch, is_sound
from sitewarden.gateway.database import is_full, transaction
from sitewarden.gateway.spool_cursors import Cursors, Stretches, is_live, subtract, union
from sitewarden.gateway.spool_schema import STORED

DEPTH = 12  # of the search for blocks between two broken places
AT_ONCE = 64  # blocks a transaction
PAGE = 4096  # bytes

_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)


def carry_over(
    broken: Path, fresh: sqlite3.Connection, known: Cursors | None, destinations: Sequence[str]
) -> Sequence[Loss]:
    """`known`: the cursors as the broken file was to have them, if somebody remembers. Returns what is lost;
    the ledger of the fresh file has it already."""
    with closing(_reading(broken, fresh)) as old:
        sets = _sets(old) if known is None else {**known.pending, STORED: known.stored}
        newest = (
            dict(known.newest) if known else with_edges({rank: rank.base for rank in Rank}, sets.values())
        )
        newest = {rank: max(newest[rank], _newest(old, rank)) for rank in Rank}
        there = union(
            Stretch(row[0] - row[3], row[0])
            for rank in Rank
            for row in _copied(_rows(old, "blocks", rank.base, newest[rank]), fresh, "blocks")
        )
        for rank in Rank:
            held = _newest(old, rank, spool_untimed.TABLE)
            for _ in _copied(_rows(old, spool_untimed.TABLE, rank.base, held), fresh, spool_untimed.TABLE):
                pass
        _copy_others(old, fresh)
    stored = sets.pop(STORED, None) or _since_the_oldest(newest, [there, *sets.values()])
    pending = {name: sets.get(name, stored) for name in destinations}
    cursors = Cursors(newest, stored, pending)
    missing = subtract(cursors.reached(stored), there)
    losses = spool_ledger.missed(pending, missing, "crc", note="the file was broken")
    cursors = cursors.without(missing)
    with transaction(fresh):
        spool_ledger.enter(fresh, losses)
        spool_schema.save(fresh, {}, {**cursors.pending, STORED: cursors.stored})
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


def _reading(broken: Path, fresh: sqlite3.Connection) -> sqlite3.Connection:
    """The schema is on the first page, and is the same in every file of ours: a lost one is given back."""
    old = _connected(broken)
    if _schema(old) != _schema(fresh):
        old.close()
        fresh.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (name,) = [row[2] for row in fresh.execute("PRAGMA database_list")]
        with Path(name).open("rb") as good, broken.open("r+b") as bad:
            bad.write(good.read(PAGE))
        old = _connected(broken)
    return old


def _schema(db: sqlite3.Connection) -> list[tuple[object, ...]]:
    with suppress(*_UNREADABLE):
        return db.execute("SELECT * FROM sqlite_schema").fetchall()
    return []


def _connected(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.text_factory = lambda stored: stored.decode("utf-8", "replace")
    return db


def _sets(old: sqlite3.Connection) -> dict[str, Stretches]:
    sets: dict[str, Stretches] = {}
    with suppress(*_UNREADABLE):
        sets.update((name, its) for name, its in spool_schema.cursors(old) if its is not None)
    return sets


def _newest(old: sqlite3.Connection, rank: Rank, table: str = "blocks") -> int:
    with suppress(*_UNREADABLE):
        return spool_read.newest(old, rank, table)
    return rank.base


def _rows(
    old: sqlite3.Connection, table: str, after: int, upto: int, depth: int = DEPTH
) -> Iterator[tuple[object, ...]]:
    """From both ends as far as it can be read, and then the same with both halves of what is between."""
    query = f"SELECT {spool_read.COLUMNS} FROM {table} WHERE id > ? AND id <= ? ORDER BY id"  # noqa: S608
    with suppress(*_UNREADABLE):
        for row in old.execute(query, (after, upto)):
            after = row[0]
            yield row
        return
    with suppress(*_UNREADABLE):
        for row in old.execute(f"{query} DESC", (after, upto)):
            upto = row[0] - 1
            yield row
        return
    if depth and after < upto:
        middle = (after + upto) // 2
        yield from _rows(old, table, after, middle, depth - 1)
        yield from _rows(old, table, middle, upto, depth - 1)


def _copied(rows: Iterator[tuple[object, ...]], fresh: sqlite3.Connection, table: str) -> Iterator[Row]:
    """Those that are what was written, once they are in the fresh file; as many as it has room for."""
    sound = (row for row in rows if is_sound(row))
    while some := list(islice(sound, AT_ONCE)):
        try:
            with transaction(fresh):
                fresh.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?)", some)  # noqa: S608
        except sqlite3.Error as error:
            if not is_full(error):
                raise
            return
        yield from some  # type: ignore[misc]


def _copy_others(old: sqlite3.Connection, fresh: sqlite3.Connection) -> None:
    """The ledger and the dead letters, as far as they can be read."""
    for table in ("losses", "letters"):
        with suppress(*_UNREADABLE), transaction(fresh):
            for row in old.execute(f"SELECT * FROM {table}"):  # noqa: S608
                marks = ", ".join("?" * len(row))
                with suppress(*_UNREADABLE):
                    fresh.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608
