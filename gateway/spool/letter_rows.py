"""Dead letters: lines that a destination will never take as they are, for a person to look at.

They are not lost yet: sent again, they may be taken (the bucket has another retention now, the field another
type). One counts as lost when it goes, because there are too many or because it was thrown away.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from sitewarden.gateway.spool.blocks import Letter, Loss

MOST = 10_000  # letters that are kept
DIGITS = 19  # of an instant in ns, at most
NEWEST = 2**63 - 1  # what is older than any row

_ALL = "SELECT id, destination, line, words FROM letters"


def bury(db: sqlite3.Connection, destination: str, letters: Iterable[tuple[bytes, str]]) -> None:
    rows = ((destination, line, words) for line, words in letters)
    db.executemany("INSERT INTO letters VALUES (NULL, ?, ?, ?)", rows)


def too_many(db: sqlite3.Connection, coming: int) -> list[Letter]:
    """The oldest, which have to go for these to come."""
    (there,) = db.execute("SELECT count(*) FROM letters").fetchone()
    return _found(db, f"{_ALL} ORDER BY id LIMIT ?", (max(there + coming - MOST, 0),))


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """How many each destination has."""
    return dict(db.execute("SELECT destination, count(*) FROM letters GROUP BY destination"))


def newest(db: sqlite3.Connection, limit: int, before: int | None) -> list[Letter]:
    return _found(db, f"{_ALL} WHERE id < ? ORDER BY id DESC LIMIT ?", (before or NEWEST, limit))


def named(db: sqlite3.Connection, ids: Iterable[int]) -> list[Letter]:
    """Those of them that are there."""
    return [
        letter for number in dict.fromkeys(ids) for letter in _found(db, f"{_ALL} WHERE id = ?", (number,))
    ]


def remove(db: sqlite3.Connection, letters: Iterable[Letter]) -> None:
    db.executemany("DELETE FROM letters WHERE id = ?", ((letter.id,) for letter in letters))


def losses(gone: Iterable[Letter]) -> list[Loss]:
    """One for each destination and what it said."""
    by_words: dict[tuple[str, str], list[bytes]] = {}
    for letter in gone:
        by_words.setdefault((letter.destination, letter.words), []).append(letter.line)
    return [
        Loss("rejected", len(lines), *span(lines), destination, lines[-1], words)
        for (destination, words), lines in by_words.items()
    ]


def span(lines: Iterable[bytes]) -> tuple[int, int]:
    """The earliest and the latest instant in ns; 0 where the lines do not tell: some are none."""
    instants = [instant for instant in map(_instant, lines) if instant]
    return min(instants, default=0), max(instants, default=0)


def _instant(line: bytes) -> int:
    last = line.rpartition(b" ")[2]
    return int(last) if last.isdigit() and len(last) <= DIGITS else 0


def _found(db: sqlite3.Connection, query: str, values: Sequence[int]) -> list[Letter]:
    return [Letter(*row) for row in db.execute(query, values)]
