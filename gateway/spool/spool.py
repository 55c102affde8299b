"""spool.db: telemetry on its way, in checksummed blocks, with a cursor a destination.

A block is what one commit appended. It stays until every destination has it, and for `keep` s more while
there is room; without room, what everybody has goes first, then the oldest readings, and events last of
all. What goes without having arrived is counted in the ledger of losses, in the same transaction.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Condition, RLock
from types import MappingProxyType
from typing import TypeVar

from sitewarden.gateway.database import MIB, Broken, Sync, connect_reading
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.spool import block_rows, held_rows, letter_rows, loss_rows, note_rows
from sitewarden.gateway.spool.blocks import (
    Batch,
    Fresh,
    Letter,
    Loss,
    Packer,
    Rank,
    SpoolStats,
    Stretch,
    is_sound,
    seal,
    unpack,
)
from sitewarden.gateway.spool.cursors import Cursors, Stretches, intersect, total
from sitewarden.gateway.spool.file import SpoolFile
from sitewarden.gateway.spool.room import Room

T = TypeVar("T")

NOTHING: Mapping[str, bytes] = MappingProxyType({})
MOST = 512 * MIB  # bytes; some 50 million readings, half a day of a thousand a second
TRIM_EVERY = 32  # commits: what was kept long enough goes with one of them, and few pages are written for it


class SpoolFailed(Exception):
    """The disk did not take a block, not even in the room of the oldest ones."""


class Spool:
    """Any thread may use it, but none that must not wait for a disk. One at a time writes; reading goes on
    beside it."""

    def __init__(
        self, path: Path, destinations: Sequence[str] = (), most: int = MOST, keep: float = 0.0
    ) -> None:
        self.path, self.most = path, most
        self._lock = RLock()
        self._came = Condition()
        self._file = SpoolFile(path, most, destinations)
        self._room = Room(self._file, keep)
        self._packer = Packer()
        self._instant = 0  # ns; of the newest line
        self._commits = 0
        self._file.sound(lambda: None)
        self.seen = SpoolStats(0, 0, most, None, {}, {}, 0, self.set_aside)
        """As it was when it was counted last, for those who must not wait for a disk."""

    @property
    def set_aside(self) -> int:
        """Broken files since the start."""
        return self._file.set_aside

    @property
    def dropping(self) -> bool:
        """Whether what somebody lacks makes room for what comes."""
        return self._room.dropping

    # -- writing ---------------------------------------------------------------------------------

    def append(self, lines: Sequence[bytes], first: int, last: int, rank: Rank = Rank.READING) -> None:
        """One durable block; the instants are the lines' earliest and latest in ns. Raises SpoolFailed."""
        self.commit([Fresh(rank, lines, first, last)])

    def commit(
        self, fresh: Sequence[Fresh], gaps: Sequence[Loss] = (), notes: Mapping[str, bytes] = NOTHING
    ) -> None:
        """All of it or nothing: a durable block each, gaps for the ledger in which no line was lost, and what
        `notes` is to give after a restart. Raises SpoolFailed."""
        with self._lock:
            bodies = [self._packer.pack(it.lines) for it in fresh]

            def insert() -> None:
                cursors, rows = self._cursors, []
                for it, body in zip(fresh, bodies, strict=True):
                    before = cursors.newest[it.rank]
                    cursors = cursors.grown(it.rank, len(it.lines))
                    if it.history:
                        cursors = cursors.had(Stretch(before, cursors.newest[it.rank]))
                    rows.append(seal(cursors.newest[it.rank], it.first, it.last, len(it.lines), *body))
                with self._committing(cursors) as db:
                    for row in rows:
                        block_rows.put(db, row)
                    loss_rows.enter(db, gaps)
                    note_rows.put(db, notes)

            self._write(insert)
            self._instant = max([self._instant, *(it.last for it in fresh)])
        self._tell()

    def notes(self) -> Mapping[str, bytes]:
        """As committed last. Raises SpoolFailed."""
        with self._lock:
            return self._guarded(lambda: note_rows.all_of(self._file.db))

    def hold(self, lines: Sequence[bytes], first: int, last: int, rank: Rank = Rank.READING) -> None:
        """As `append`, but the instants are the monotonic clock's: kept, not sent. Raises SpoolFailed."""
        with self._lock:
            packed, stored = self._packer.pack(lines)

            def insert() -> None:
                with self._file.writing(self._cursors) as db:
                    number = held_rows.newest(db, rank) + len(lines)
                    row = seal(number, first, last, len(lines), packed, stored)
                    block_rows.put(db, row, held_rows.TABLE)

            self._write(insert)

    def release(self, offset: int) -> int:
        """What was held is sent, its instants put right by `offset` ns; returns how many lines. Raises
        SpoolFailed."""
        with self._lock:
            released = sum(iter(lambda: self._write(lambda: self._release(offset)), None))
        self._tell()
        return released

    def restamp(self, by: int) -> None:
        """What is held is by so many ns later than was thought. Raises SpoolFailed."""

        def restamp() -> None:
            with self._file.writing(self._cursors) as db:
                held_rows.restamp(db, by, self._packer)

        with self._lock:
            self._write(restamp)

    def held(self) -> tuple[int, int] | None:
        """The earliest and the latest instant of what is held; None: there is nothing. Raises SpoolFailed."""
        with self._lock:
            return self._guarded(lambda: held_rows.span(self._file.db))

    def lose(self, loss: Loss) -> None:
        """Writes a gap into the ledger. Raises SpoolFailed."""

        def enter() -> None:
            with self._file.writing(self._cursors, losses=(loss,)):
                pass

        with self._lock:
            self._write(enter)

    # -- reading ---------------------------------------------------------------------------------

    def read(self, destination: str, lane: Lane, most: int, until: int) -> Batch | None:
        """About `most` lines that `destination` lacks, at least one block: events before readings, the
        oldest first in each. Blocks with instants after `until` (ns) are passed over and stay pending.
        Blocks that are not what was written are skipped and counted. Raises SpoolFailed."""
        try:
            return self._read(destination, lane, most, until)
        except (sqlite3.Error, Broken):
            with self._lock:  # nothing changes meanwhile: what looks broken now is
                return self._guarded(lambda: self._read(destination, lane, most, until))

    def wait(self, after: int, timeout: float) -> int:
        """How many lines were ever appended, as soon as it is more than `after` (what this returned last) or
        `timeout` s have passed."""
        with self._came:
            self._came.wait_for(lambda: self._cursors.appended > after, timeout)
        return self._cursors.appended

    def losses(self, limit: int = 100) -> list[Loss]:
        """The ledger, newest first. Raises SpoolFailed."""
        with self._lock:
            return self._guarded(lambda: loss_rows.newest(self._file.db, limit))

    def losses_after(self, number: int, limit: int) -> list[tuple[int, Loss]]:
        """The ledger from there on, the oldest first, each with its number. Raises SpoolFailed."""
        with self._lock:
            return self._guarded(lambda: loss_rows.after(self._file.db, number, limit))

    def stats(self) -> SpoolStats:
        """Costs a look at a few blocks, however many there are. Raises SpoolFailed."""
        with self._lock:
            self.seen = self._guarded(self._stats)
        return self.seen

    @property
    def fill(self) -> float:
        """0 to 1 of the room there is, by what somebody still lacks."""
        with self._lock:
            return self._guarded(lambda: self._room.lacking) / self.most

    # -- destinations ----------------------------------------------------------------------------

    def done(self, destination: str, batch: Batch) -> None:
        """`destination` has the batch, but for what it held: there is proof. A power cut may forget that,
        and the batch is sent again. Raises SpoolFailed."""
        taken = Stretch(batch.after, batch.upto)
        self._turn(lambda cursors: cursors.done(destination, taken, batch.held))

    def part(self, destination: str, before: int) -> None:
        """What waits in its live lane and ended before `before` (ns) is backlog from now on. Raises
        SpoolFailed."""

        def parted(cursors: Cursors) -> Cursors:
            for stretch in cursors.lane(destination, live=True):
                edge = block_rows.ended(self._file.db, stretch, before)
                cursors = cursors.parted(destination, edge)
            return cursors

        self._turn(parted)

    def serve(self, destinations: Sequence[str]) -> None:
        """From now on these; a new one begins with the oldest block there is, and what one that goes still
        lacked is in the ledger. Raises SpoolFailed."""
        with self._lock:
            self._write(lambda: self._file.serve(destinations))

    def close(self) -> None:
        with self._lock:
            self._file.close()

    # -- dead letters ----------------------------------------------------------------------------

    def bury(self, destination: str, letters: Sequence[tuple[bytes, str]]) -> None:
        """Lines that `destination` will never take, and what it said. They are kept, and count as lost when
        they go. Raises SpoolFailed."""

        def bury() -> None:
            gone = letter_rows.too_many(self._file.db, len(letters))
            with self._file.writing(self._cursors, losses=letter_rows.losses(gone)) as db:
                letter_rows.remove(db, gone)
                letter_rows.bury(db, destination, letters)

        with self._lock:
            self._write(bury)

    def letters(self, limit: int = 100, before: int | None = None) -> list[Letter]:
        """The newest first, older than the one of this number. Raises SpoolFailed."""
        with self._lock:
            return self._guarded(lambda: letter_rows.newest(self._file.db, limit, before))

    def discard(self, ids: Sequence[int]) -> int:
        """Throws them away; returns how many there were. Raises SpoolFailed."""

        def discard() -> int:
            gone = letter_rows.named(self._file.db, ids)
            with self._file.writing(self._cursors, losses=letter_rows.losses(gone)) as db:
                letter_rows.remove(db, gone)
            return len(gone)

        with self._lock:
            return self._write(discard)

    def retry(self, ids: Sequence[int]) -> int:
        """Sends them again, to the destination that refused them and to no other, as part of its backlog;
        returns how many there were. Raises SpoolFailed."""

        def retry() -> int:
            again: dict[tuple[str, Rank], list[Letter]] = {}
            for letter in letter_rows.named(self._file.db, ids):
                rank = Rank.READING if letter.line.startswith(b"reading,") else Rank.EVENT
                if letter.destination in self._cursors.pending:
                    again.setdefault((letter.destination, rank), []).append(letter)
            for (destination, rank), letters in again.items():
                self._send_again(destination, rank, letters)
            return sum(map(len, again.values()))

        with self._lock:
            count = self._write(retry)
        self._tell()
        return count

    # -- how it is done --------------------------------------------------------------------------

    @property
    def _cursors(self) -> Cursors:
        return self._file.cursors

    def _tell(self) -> None:
        """Those who wait."""
        with self._came:
            self._came.notify_all()

    def _guarded(self, action: Callable[[], T]) -> T:
        try:
            return self._file.sound(action)
        except (sqlite3.Error, Broken, OSError) as error:
            raise SpoolFailed(str(error)) from error

    def _write(self, action: Callable[[], T]) -> T:
        """In the room of what can go."""
        return self._guarded(lambda: self._room.within(action))

    def _turn(self, change: Callable[[Cursors], Cursors]) -> None:
        """Cursors alone: not worth a wait for the disk."""

        def turn() -> None:
            cursors = change(self._cursors)
            if cursors != self._cursors:
                with self._committing(cursors, Sync.NORMAL):
                    pass

        with self._lock:
            self._write(turn)

    def _committing(
        self, cursors: Cursors, sync: Sync = Sync.FULL
    ) -> AbstractContextManager[sqlite3.Connection]:
        """A transaction that now and then clears away what was kept long enough."""
        self._commits += 1
        gone = () if self._commits % TRIM_EVERY else tuple(self._room.overdue(cursors, self._instant))
        return self._file.writing(cursors, gone=gone, sync=sync)

    def _release(self, offset: int) -> int | None:
        """The oldest block that is held; returns its lines, None: there is none."""
        row = held_rows.oldest(self._file.db)
        if row is None:
            return None
        if not is_sound(row):
            with self._file.writing(self._cursors, losses=(held_rows.loss(row, "crc"),)) as db:
                held_rows.remove(db, row)
            return 0
        block = unpack(row)
        cursors = self._cursors.grown(block.rank, block.count)
        packed, stored = self._packer.pack(held_rows.stamped(block, offset))
        first, last = block.first + offset, block.last + offset
        with self._file.writing(cursors) as db:
            held_rows.remove(db, row)
            number = cursors.newest[block.rank]
            block_rows.put(db, seal(number, first, last, block.count, packed, stored))
        return block.count

    def _send_again(self, destination: str, rank: Rank, letters: Sequence[Letter]) -> None:
        lines = [letter.line for letter in letters]
        cursors = self._cursors.grown(rank, len(lines))
        number = cursors.newest[rank]
        with self._file.writing(cursors.only(destination, Stretch(number - len(lines), number))) as db:
            letter_rows.remove(db, letters)
            row = seal(number, *letter_rows.span(lines), len(lines), *self._packer.pack(lines))
            block_rows.put(db, row)

    def _read(self, destination: str, lane: Lane, most: int, until: int) -> Batch | None:
        for stretch in self._cursors.lane(destination, lane is Lane.LIVE):
            with connect_reading(self.path) as db:
                batch, bad = block_rows.collect(db, stretch, most, until)
            if bad:
                self._skip(bad)
            if batch:
                return batch
        return None

    def _skip(self, bad: Stretches) -> None:
        """Takes broken blocks out; their lines are counted, but nothing else is known of them."""

        def skip() -> None:
            pending = self._cursors.pending
            gone = intersect(self._cursors.lacking(), bad)
            losses = [
                loss
                for it in gone
                for loss in loss_rows.missed(pending, (it,), "crc", note=f"block {it.upto}")
            ]
            with self._file.writing(self._cursors, gone=gone, losses=losses):
                pass

        with self._lock:
            self._write(skip)

    def _stats(self) -> SpoolStats:
        db, cursors = self._file.db, self._cursors
        waits = {name: cursors.reached(lacking) for name, lacking in cursors.pending.items()}
        since = {name: block_rows.begun(db, lacking) for name, lacking in waits.items() if lacking}
        return SpoolStats(
            lines=total(cursors.lacking()),
            bytes=self._room.lacking,
            limit=self.most,
            oldest=min(since.values(), default=None),
            pending={name: total(lacking) for name, lacking in waits.items()},
            since=since,
            lost=self._file.lost,
            set_aside=self.set_aside,
            kept=total(cursors.kept()),
            held=held_rows.waiting(db),
            letters=letter_rows.counts(db),
            backlog={name: total(cursors.lane(name, live=False)) for name in cursors.pending},
        )
