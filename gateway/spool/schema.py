"""The tables of the spool, and a destination's cursor as a row of them."""

import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence

from sitewarden.gateway.spool.blocks import Stretch
from sitewarden.gateway.spool.cursors import Stretches, union

SCHEMA = """
CREATE TABLE IF NOT EXISTS blocks (
    id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
    crc INTEGER NOT NULL, packed INTEGER NOT NULL, lines BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS cursors (
    destination TEXT PRIMARY KEY, stretches TEXT NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS losses (
    id INTEGER PRIMARY KEY, why TEXT NOT NULL, destination TEXT NOT NULL, subject TEXT NOT NULL,
    count INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, sample BLOB NOT NULL,
    note TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS letters (
    id INTEGER PRIMARY KEY, destination TEXT NOT NULL, line BLOB NOT NULL, words TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (
    id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
    crc INTEGER NOT NULL, packed INTEGER NOT NULL, lines BLOB NOT NULL
) STRICT;
"""

_PUT = (  # in place: the index of names is not written again
    "INSERT INTO cursors VALUES (?, ?, ?)"
    " ON CONFLICT (destination) DO UPDATE SET stretches = excluded.stretches, crc = excluded.crc"
)

STORED = ""  # the destination whose stretches are what is in the file


def cursors(db: sqlite3.Connection) -> Iterator[tuple[str, Stretches | None]]:
    """Each destination's set, as `cursor` has it."""
    return map(cursor, db.execute("SELECT destination, stretches, crc FROM cursors"))


def cursor(row: Sequence[object]) -> tuple[str, Stretches | None]:
    """Of a row; None: it is not what was written."""
    match row:
        case (str(destination), str(text), int(crc)) if crc == _crc(destination, text):
            return destination, _parsed(text)
    return "", None


def save(db: sqlite3.Connection, before: Mapping[str, Stretches], now: Mapping[str, Stretches]) -> None:
    """What is different."""
    for name in before.keys() - now:
        db.execute("DELETE FROM cursors WHERE destination = ?", (name,))
    for name, stretches in now.items():
        if before.get(name) != stretches:
            text = " ".join(f"{it.after}:{it.upto}" for it in stretches)
            db.execute(_PUT, (name, text, _crc(name, text)))


def _parsed(text: str) -> Stretches:
    return union(Stretch(*map(int, pair.split(":"))) for pair in text.split())


def _crc(destination: str, text: str) -> int:
    return zlib.crc32(f"{destination} {text}".encode())
