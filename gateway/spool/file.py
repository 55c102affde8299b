"""The file of the spool: how it is opened and replaced, and the room it has.

Whatever happens to the file, the gateway goes on: a broken one is set aside, a fresh one takes its place.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from sitewarden.gateway.database import (
    MIB,
    Ballast,
    Broken,
    Sync,
    beside,
    is_broken,
    is_full,
    make_private,
    open_checked,
    set_aside,
    transaction,
)
from sitewarden.gateway.spool import block_rows, loss_rows, rescue, schema, version_before
from sitewarden.gateway.spool.blocks import Loss, Rank, Stretch
from sitewarden.gateway.spool.cursors import Cursors, Stretches, total
from sitewarden.gateway.spool.pages import PAGE, Log
from sitewarden.gateway.spool.rescue import with_edges
from sitewarden.gateway.spool.schema import SCHEMA, STORED

T = TypeVar("T")

BALLAST = 8 * MIB


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
        self._replace()
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
                loss_rows.enter(self.db, losses)
            schema.save(self.db, self._saved, sets)
        self.cursors, self._saved, self._newest = cursors, sets, dict(cursors.newest)
        self.lost += sum(loss.count for loss in losses)

    def serve(self, destinations: Sequence[str]) -> None:
        """From now on these. What another one still lacked it will never get."""
        self.destinations = tuple(destinations)
        cursors = self.cursors.serving(self.destinations)
        losses = []
        for name in self.cursors.pending.keys() - cursors.pending.keys():
            if lacking := self.cursors.reached(self.cursors.pending[name]):
                span = block_rows.begun(self.db, lacking), block_rows.over(self.db, lacking)
                losses.append(Loss("removed", total(lacking), *span, name))
        with self.writing(cursors, losses=losses):
            pass

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
        make_private(self.path.parent)
        if not self.path.exists() and self._mended.exists():
            self._mended.rename(self.path)  # the power went just before this
        if Log(beside(self.path)[0]).is_broken():
            raise Broken("the log is broken in the middle, and SQLite would take what is before that")
        self.db = self.with_ballast(lambda: open_checked(self.path, Sync.FULL, SCHEMA))
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
        self._saved = {}
        for name, stretches in schema.cursors(self.db):
            if stretches is None:
                raise Broken("a cursor is not what was written")
            self._saved[name] = stretches
        pending = dict(self._saved)
        newest = {rank: max(self._newest[rank], block_rows.newest(self.db, rank)) for rank in Rank}
        newest = with_edges(newest, self._saved.values())
        if STORED not in pending and newest != self._newest:
            raise Broken("nothing says which blocks there are")
        fresh = tuple(sorted(Stretch(newest[rank], rank.end) for rank in Rank))
        self.cursors = Cursors(newest, pending.pop(STORED, fresh), pending)
        self.with_ballast(lambda: self.serve(self.destinations))

    # -- replacing -------------------------------------------------------------------------------

    @property
    def _mended(self) -> Path:
        return self.path.with_name(f"{self.path.name}.mended")

    def _replace(self) -> None:
        """Sets the broken file aside, or one of an earlier version; in its place comes what can be read of
        it. Whenever the power goes, one of the two is there."""
        known = self.cursors if self._opened else None
        if self._opened:
            self.close()
        _remove(self._mended)
        self.ballast.give()  # two files take more room than one
        before = version_before.is_of_before(self.path)
        with closing(open_checked(self._mended, Sync.NORMAL, SCHEMA)) as fresh:
            fresh.execute(f"PRAGMA max_page_count = {self.most // PAGE}")
            if before:
                losses = version_before.take_over(self.path, fresh, self.destinations)
            else:
                losses = rescue.carry_over(self.path, fresh, known, self.destinations)
        if before:
            _remove(self.path)
        else:
            self._keep_one(set_aside(self.path))
            self.set_aside += 1
        self._mended.rename(self.path)
        self.lost += sum(loss.count for loss in losses)

    def _keep_one(self, aside: Path) -> None:
        """One broken file is enough to look at."""
        for older in self.path.parent.glob(f"{self.path.name}.broken-*"):
            if not older.name.startswith(aside.name):
                older.unlink()


def _remove(path: Path) -> None:
    for each in (path, *beside(path)):
        each.unlink(missing_ok=True)
