"""The spool that version 0.1 left."""

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from sitewarden.gateway.spool.spool import Spool
from tests.gateway.spool_under_test import drain, lines

SCHEMA = """
CREATE TABLE blocks (
    id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
    crc INTEGER NOT NULL, packed INTEGER NOT NULL, lines BLOB NOT NULL
) STRICT;
CREATE TABLE cursors (destination TEXT PRIMARY KEY, block INTEGER NOT NULL) STRICT;
CREATE TABLE losses (
    id INTEGER PRIMARY KEY, why TEXT NOT NULL, destination TEXT NOT NULL, count INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, sample BLOB NOT NULL, note TEXT NOT NULL
) STRICT;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Blocks 3 to 12; `a` has all to 5, `b` none; block 9 is broken."""
    path = tmp_path / "spool.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(SCHEMA)
        for number in range(3, 13):
            body = b"\n".join(lines(10 * number, 10))
            stored = zstandard.compress(body) if number % 2 else body
            crc = zlib.crc32(body) + (number == 9)
            row = number, number, number, 10, crc, number % 2, stored
            db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        db.executemany("INSERT INTO cursors VALUES (?, ?)", [("a", 5), ("b", 2)])
        db.execute("INSERT INTO losses VALUES (1, 'full', '', 7, 1, 2, x'', '')")
        db.commit()
    return path


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    with closing(Spool(path, ["a", "b", "new"])) as it:
        yield it


def test_what_is_pending_in_it_is_sent(spool: Spool) -> None:
    assert drain(spool, "a") == lines(60, 30) + lines(100, 30)
    assert drain(spool, "b") == drain(spool, "new") == lines(30, 60) + lines(100, 30)
    spool.append(lines(0, 10), 0, 9)
    assert drain(spool, "a") == lines(0, 10)


def test_its_ledger_goes_on(spool: Spool) -> None:
    assert [(it.why, it.count, it.note) for it in spool.losses()] == [("crc", 10, "block 9"), ("full", 7, "")]
    assert spool.stats().lost == 10


def test_it_is_no_broken_file(spool: Spool, path: Path) -> None:
    assert spool.set_aside == 0
    spool.close()
    again = Spool(path, ["a"])
    assert (again.set_aside, again.stats().pending) == (0, {"a": 60})
    again.close()


@pytest.mark.parametrize("page", [2, 3, 4])
def test_a_broken_one_stops_nothing(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    with closing(Spool(path, ["a"])) as spool:
        assert set(drain(spool, "a")) <= set(lines(30, 100))
        spool.append(lines(0, 10), 0, 9)
        assert drain(spool, "a") == lines(0, 10)
