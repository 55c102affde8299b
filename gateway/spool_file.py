"""The file of the spool: how it is opened and replaced, and the room it has.

Whatever happens to the file, the gateway goes on: a broken one is set aside, a fresh one takes its place.
"""

import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sitewarden.gateway import spool_ledger, spool_read
from sitewarden.gateway.blocks import Loss, Rank, Stretch
from sitewarden.gateway.database import (
    MIB,
    Ballast,
    Broken,
    Sync,
    is_broken,
    is_full,
    open_sound,
    set_aside,
    transaction,
)
from sitewarden.gateway.spool_cursors import Cursors, Stretches, union

T = TypeVar("T")

BALLAST = 8 * MIB

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
CREATE TABLE IF NOT EXISTS held (
    id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
    crc INTEGER NOT NULL, packed INTEGER NOT NULL, lines BLOB NOT NULL
) STRICT;
"""

STORED = ""  # the destination whose stretches are what is in the file


def spool_ballast(data: Path) -> Ballast:
    return Ballast(data / "spool.ballast", BALLAST)


class SpoolFile:
    """One connection, for one thread at a time. `cursors` are what the file says."""

    db: sqlite3.Connection
    cursors: Cursors

    def __init__(self, path: Path, most: int, destinations: Sequence[str]) -> None:
        self.path, self.most, self.destinations = path, most, tuple(destinations)
        self.ballast = spool_ballast(path.parent)
        self.set_aside = 0  # broken files since the start
        self.lost = 0  # lines since the start
        self._opened = self._sealed = False
        self._newest = {rank: rank.base for rank in Rank}
        self._saved: dict[str, Stretches] = {}
        self._page = 0

    def close(self) -> None:
        self.db.close()
        self._opened = False

    def sound(self, action: Callable[[], T]) -> T:
        """Does it again in a fresh file if this one turns out to be broken. Raises OSError where the file
        system says no to that; whoever comes next tries it again."""
        try:
            self._open()
            return action()
        except Broken:
            pass
        except sqlite3.DatabaseError as error:
            if not is_broken(error):
                raise
        self.close()
        set_aside(self.path)
        self.set_aside += 1
        self._open()
        return action()

    @contextmanager
    def writing(
        self,
        cursors: Cursors,
        *,
        gone: Stretches = (),
        losses: Sequence[Loss] = (),
        sync: Sync = Sync.FULL,
    ) -> Iterator[sqlite3.Connection]:
        """A transaction: `cursors` hold after it, the blocks of `gone` are no more, and the ledger has the
        losses. NORMAL: a power cut may take it, a killed process not."""
        cursors = cursors.without(gone)
        sets = {**cursors.pending, STORED: cursors.stored}
        self.db.execute(f"PRAGMA synchronous = {sync}")
        with transaction(self.db):
            ends = [(it.after, it.upto) for it in gone]  # they first: they may be the room for the rest
            self.db.executemany("DELETE FROM blocks WHERE id > ? AND id <= ?", ends)
            yield self.db
            if losses:
                spool_ledger.enter(self.db, losses)
            self._save(sets)
        self.cursors, self._saved, self._newest = cursors, sets, dict(cursors.newest)
        self.lost += sum(loss.count for loss in losses)

    # -- room ------------------------------------------------------------------------------------

    def with_ballast(self, action: Callable[[], T]) -> T:
        """Does it again in the room of the ballast if the disk is full."""
        try:
            return action()
        except sqlite3.Error as error:
            if not (is_full(error) and self.ballast.give()):
                raise
        return action()

    @property
    def used(self) -> int:
        """Bytes, without the pages that are free again."""
        pages, free = (
            int(self.db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count")
        )
        return (pages - free) * self._page

    def grow_no_more(self) -> None:
        self.db.execute("PRAGMA max_page_count = 1")  # SQLite takes what there is
        self._sealed = True

    def may_grow(self) -> None:
        """Unless the disk is as good as full."""
        if self._sealed and self.ballast.plenty:
            self.db.execute(f"PRAGMA max_page_count = {self.most // self._page}")
            self.ballast.take()
            self._sealed = False

    # -- opening ---------------------------------------------------------------------------------

    def _open(self) -> None:
        """Unless it is open."""
        if self._opened:
            return
        self.db, aside = self.with_ballast(lambda: open_sound(self.path, Sync.FULL, SCHEMA))
        self.set_aside += aside is not None
        try:
            self._page = int(self.db.execute("PRAGMA page_size").fetchone()[0])
            self.db.execute(f"PRAGMA max_page_count = {self.most // self._page}")
            self._sealed = False
            self._load()
        except BaseException:
            self.db.close()
            raise
        self._opened = True
        self.ballast.take()

    def _load(self) -> None:
        """Never a number twice: a sink may still hold blocks of a file that was set aside."""
        self._saved = dict(self._stretches())
        edges = [edge for each in self._saved.values() for it in each for edge in (it.after, it.upto)]
        edges += [spool_read.newest(self.db, rank) for rank in Rank]
        for edge in set(edges) - {rank.end for rank in Rank}:
            self._newest[Rank.of(edge)] = max(self._newest[Rank.of(edge)], edge)
        pending = dict(self._saved)
        fresh = tuple(sorted(Stretch(self._newest[rank], rank.end) for rank in Rank))
        self.cursors = Cursors(dict(self._newest), pending.pop(STORED, fresh), pending)
        self.with_ballast(self._enlist)

    def _enlist(self) -> None:
        with self.writing(self.cursors.serving(self.destinations)):
            pass

    def _stretches(self) -> Iterator[tuple[str, Stretches]]:
        for destination, text, crc in self.db.execute("SELECT destination, stretches, crc FROM cursors"):
            if crc != _crc(destination, text):
                raise Broken("a cursor is not what was written")
            yield destination, _parsed(text)

    def _save(self, sets: Mapping[str, Stretches]) -> None:
        """What is different."""
        for name in self._saved.keys() - sets:
            self.db.execute("DELETE FROM cursors WHERE destination = ?", (name,))
        for name, stretches in sets.items():
            if self._saved.get(name) != stretches:
                text = _told(stretches)
                row = name, text, _crc(name, text)
                self.db.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", row)


def _told(stretches: Stretches) -> str:
    return " ".join(f"{it.after}:{it.upto}" for it in stretches)


def _parsed(text: str) -> Stretches:
    return union(Stretch(*map(int, pair.split(":"))) for pair in text.split())


def _crc(destination: str, text: str) -> int:
    return zlib.crc32(f"{destination} {text}".encode())
