"""What the writer has to know after a restart: a few words by name, committed with what they tell of."""

import sqlite3
from collections.abc import Mapping


def put(db: sqlite3.Connection, notes: Mapping[str, bytes]) -> None:
    db.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", notes.items())


def all_of(db: sqlite3.Connection) -> dict[str, bytes]:
    return dict(db.execute("SELECT name, body FROM notes"))
