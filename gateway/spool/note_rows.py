"""What the writer has to know after a restart: a few words by name, committed with what they tell of."""

import sqlite3
import zlib
from collections.abc import Mapping

_CRC = 4  # bytes, before the words


def put(db: sqlite3.Connection, notes: Mapping[str, bytes]) -> None:
    rows = ((name, _crc(name, body) + body) for name, body in notes.items())
    db.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", rows)


def all_of(db: sqlite3.Connection) -> dict[str, bytes]:
    """Those that are what was written."""
    rows = db.execute("SELECT name, body FROM notes")
    return {name: body[_CRC:] for name, body in rows if body[:_CRC] == _crc(name, body[_CRC:])}


def _crc(name: str, body: bytes) -> bytes:
    return zlib.crc32(body, zlib.crc32(name.encode())).to_bytes(_CRC)
