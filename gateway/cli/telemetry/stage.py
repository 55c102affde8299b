"""Readings of files, put in order and without doubles, in a file of their own until they are taken over.

Nothing of an import has to fit in memory, and the files may be in any order.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sitewarden.gateway.records import micros, stamp
from sitewarden.gateway.trend.rollups import Sums
from sitewarden.rules.model import Quality, Reading, Reason, Value

MINUTE = 60_000_000  # µs
PAGE = 10_000  # rows

_SCHEMA = """
CREATE TABLE readings (
    at INTEGER, point TEXT, kind TEXT, value ANY, quality TEXT, reason TEXT, PRIMARY KEY (at, point)
) STRICT, WITHOUT ROWID;
"""


@contextmanager
def stage(folder: Path) -> Iterator["Stage"]:
    """In a folder that it makes in this one and takes away again."""
    with (
        TemporaryDirectory(prefix="import-", dir=folder) as made,
        closing(sqlite3.connect(Path(made) / "stage.db", isolation_level=None)) as db,
    ):
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        db.executescript(_SCHEMA)
        yield Stage(db)


class Stage:
    """One reading a point and microsecond: the first that came."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, readings: Iterable[Reading]) -> int:
        """Returns how many were new."""
        before = self._db.total_changes
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR IGNORE INTO readings VALUES (?, ?, ?, ?, ?, ?)", map(_row, readings))
        self._db.execute("COMMIT")
        return self._db.total_changes - before

    def drop(self, known: Iterable[tuple[int, str]]) -> None:
        """Those of these instants (µs) and points."""
        self._db.execute("BEGIN")
        self._db.executemany("DELETE FROM readings WHERE at = ? AND point = ?", known)
        self._db.execute("COMMIT")

    def span(self) -> tuple[int, int] | None:
        """µs of the first and the last."""
        first, last = self._db.execute("SELECT min(at), max(at) FROM readings").fetchone()
        return None if first is None else (first, last)

    def points(self) -> set[str]:
        return {point for (point,) in self._db.execute("SELECT DISTINCT point FROM readings")}

    def count(self, since: int = 0) -> int:
        (count,) = self._db.execute("SELECT count(*) FROM readings WHERE at >= ?", (since,)).fetchone()
        return int(count)

    def pages(self, since: int = 0) -> Iterator[list[Reading]]:
        """From this instant (µs) on, the oldest first."""
        asked = self._db.execute("SELECT * FROM readings WHERE at >= ? ORDER BY at, point", (since,))
        while rows := asked.fetchmany(PAGE):
            yield [_reading(*row) for row in rows]


def sums(pages: Iterable[list[Reading]]) -> Iterator[list[Sums]]:
    """Minutes of points that good numbers make up, the oldest first; a page of readings gives one list."""
    held: dict[tuple[int, str], Sums] = {}
    for page in pages:
        newest = micros(page[-1].at.wall) // MINUTE
        for it in page:
            if it.quality is Quality.GOOD and isinstance(it.value, float | int):
                value, minute = float(it.value), micros(it.at.wall) // MINUTE
                its = Sums(it.point, minute, value, value, value, 1, value)
                key = minute, it.point
                held[key] = held[key] + its if key in held else its
        yield [it for (minute, _), it in held.items() if minute < newest]
        held = {key: it for key, it in held.items() if key[0] >= newest}
    yield list(held.values())


def _row(reading: Reading) -> tuple[int, str, str, Value | None, str, str]:
    kind = type(reading.value).__name__
    return micros(reading.at.wall), reading.point, kind, reading.value, reading.quality, reading.reason


def _reading(at: int, point: str, kind: str, value: Value | None, quality: str, reason: str) -> Reading:
    typed = bool(value) if kind == "bool" else value
    return Reading(point, typed, stamp(at, 0.0), Quality(quality), Reason(reason))
