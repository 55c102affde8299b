"""The room of the spool: what goes, and in which order, so that what comes has room.

What everybody has goes first, and is no loss; then the oldest readings; then what waits for the clock; and
events last of all.
"""

import sqlite3
from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import TypeVar

from sitewarden.gateway.database import is_full
from sitewarden.gateway.spool import block_rows, held_rows, loss_rows
from sitewarden.gateway.spool.blocks import Rank, Stretch
from sitewarden.gateway.spool.cursors import Cursors, Stretches, total
from sitewarden.gateway.spool.file import SpoolFile

T = TypeVar("T")

SHARE = 64  # the oldest 1/64 of all lines makes room at once
ENOUGH_ROOM = 0.7  # of the room there is: nothing is dropped for want of it any more
TRIM = 64  # blocks that were kept long enough go at once, at most


class Room:
    def __init__(self, file: SpoolFile, keep: float) -> None:
        """`keep`: s that what everybody has stays while there is room."""
        self._file = file
        self._keep = round(keep * 1e9)  # ns
        self.dropping = False  # what somebody lacked made room, and it is not over

    def within(self, action: Callable[[], T]) -> T:
        """Does it again in the room of what can go, as often as it takes."""
        dropped = False
        while True:
            lost = self._file.lost
            try:
                result = action()
            except sqlite3.Error as error:
                if not is_full(error) or not self._file.with_ballast(self._make):
                    raise
                dropped |= self._file.lost > lost
            else:
                self._file.may_grow()
                self.dropping = dropped or (self.dropping and not self._at_ease())
                return result

    def overdue(self, cursors: Cursors, now: int) -> Iterator[Stretch]:
        """What everybody has and was kept long enough at that instant (ns); a few blocks of each stretch."""
        query = "SELECT id, last FROM blocks WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
        for kept in cursors.kept():
            rows = self._file.db.execute(query, (kept.after, kept.upto, TRIM))
            old = list(takewhile(lambda row: not self._keep or row[1] < now - self._keep, rows))
            if old:
                yield Stretch(kept.after, old[-1][0])

    @property
    def lacking(self) -> int:
        """Bytes: of the pages in use, the share of the lines that somebody lacks."""
        cursors = self._file.cursors
        lacking, kept = total(cursors.lacking()), total(cursors.kept())
        return self._file.used * lacking // (lacking + kept) if lacking else 0

    def _at_ease(self) -> bool:
        return self._file.ballast.plenty and self.lacking < ENOUGH_ROOM * self._file.most

    def _make(self) -> bool:
        """False: nothing is left that could go."""
        self._file.grow_no_more()
        cursors = self._file.cursors
        readings, events = (
            [it for it in cursors.lacking() if Rank.of(it.upto) is rank]
            for rank in (Rank.READING, Rank.EVENT)
        )
        return (
            self._drop_oldest(cursors.kept())
            or self._drop_oldest(tuple(readings))
            or self._drop_held()
            or self._drop_oldest(tuple(events))
        )

    def _drop_oldest(self, stretches: Stretches) -> bool:
        if not stretches:
            return False
        file, oldest = self._file, stretches[0]
        reach = min(oldest.after + 1 + total(file.cursors.reached(file.cursors.stored)) // SHARE, oldest.upto)
        gone = Stretch(oldest.after, block_rows.block_with(file.db, reach))
        span = block_rows.span(file.db, gone)
        losses = loss_rows.missed(file.cursors.pending, (gone,), "full", span)
        with file.writing(file.cursors, gone=(gone,), losses=losses):
            pass
        return True

    def _drop_held(self) -> bool:
        row = held_rows.oldest(self._file.db)
        if row is None:
            return False
        with self._file.writing(self._file.cursors, losses=(held_rows.loss(row, "full"),)) as db:
            held_rows.remove(db, row)
        return True
