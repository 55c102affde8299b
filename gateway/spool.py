"""spool.db: telemetry on its way, in checksummed blocks, with a cursor a destination.

A block is what one commit appended. It stays until every destination has it, and for `keep` s more while
there is room; without room, what everybody has goes first, then the oldest readings, and events last of
all. What goes without having arrived is counted in the ledger of losses, in the same transaction.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Condition, RLock
from typing import TypeVar

from sitewarden.gateway import spool_letters
from sitewarden.gateway.blocks import (
    Batch,
    Block,
    Letter,
    Loss,
    Packer,
    Rank,
    Row,
    SpoolStats,
    Stretch,
    is_sound,
    seal,
    unpack,
)
from sitewarden.gateway.database import MIB, Broken, Sync, connect_reading, is_full
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.spool_cursors import Cursors, Stretches, intersect, total
from sitewarden.gateway.spool_file import SpoolFile

T = TypeVar("T")

MOST = 512 * MIB  # bytes; some 50 million readings, half a day of a thousand a second
SHARE = 64  # the oldest 1/64 of all lines makes room at once
ENOUGH_ROOM = 0.7  # of the room there is: nothing is dropped for want of it any more
LOSSES = 10_000  # lines of the ledger that are kept
TRIM = 64  # blocks that were kept long enough go at once, at most …
TRIM_EVERY = 32  # … with every so many commits: each has a cost in pages written

_ROWS = "SELECT id, first, last, count, crc, packed, lines FROM blocks WHERE id > ? AND id <= ? ORDER BY id"


class SpoolFailed(Exception):
    """The disk did not take a block, not even in the room of the oldest ones."""


class Spool:
    """Any thread may use it, but none that must not wait for a disk. One at a time writes; reading goes on
    beside it."""

    def __init__(
        self, path: Path, destinations: Sequence[str] = (), most: int = MOST, keep: float = 0.0
    ) -> None:
        self.path, self.most = path, most
        self._keep = round(keep * 1e9)  # ns
        self._lock = RLock()
        self._came = Condition()
        self._file = SpoolFile(path, most, destinations)
        self._packer = Packer()
        self._instant = 0  # ns; of the newest line
        self._commits = self._lost = 0
        self.dropping = False  # what nobody had yet made room
        self._file.sound(lambda: None)
        self.seen = SpoolStats(0, 0, most, None, {}, {}, 0, self.set_aside)
        """As it was when it was counted last, for those who must not wait for a disk."""

    @property
    def set_aside(self) -> int:
        """Broken files since the start."""
        return self._file.set_aside

    # -- writing ---------------------------------------------------------------------------------

    def append(self, lines: Sequence[bytes], first: int, last: int, rank: Rank = Rank.READING) -> None:
        """One durable block; the instants are the lines' earliest and latest in ns. Raises SpoolFailed."""
        with self._lock:
            packed, stored = self._packer.pack(lines)
            self._write(lambda: self._insert(rank, len(lines), first, last, packed, stored))
            self._instant = last
        self._tell()

    def lose(self, loss: Loss) -> None:
        """Writes a gap into the ledger. Raises SpoolFailed."""
        with self._lock:
            self._write(lambda: self._drop((), (loss,)))

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
            self._came.wait_for(lambda: self._file.cursors.appended > after, timeout)
        return self._file.cursors.appended

    def losses(self, limit: int = 100) -> list[Loss]:
        """The ledger, newest first. Raises SpoolFailed."""
        query = (
            "SELECT why, count, first, last, destination, sample, note, subject FROM losses"
            " ORDER BY id DESC LIMIT ?"
        )
        with self._lock:
            return self._guarded(lambda: [Loss(*row) for row in self._file.db.execute(query, (limit,))])

    def stats(self) -> SpoolStats:
        """Costs a look at a few blocks, however many there are. Raises SpoolFailed."""
        with self._lock:
            self.seen = self._guarded(self._stats)
        return self.seen

    @property
    def fill(self) -> float:
        """0 to 1 of the room there is, by what somebody still lacks."""
        with self._lock:
            return self._guarded(self._lacking_bytes) / self.most

    # -- destinations ----------------------------------------------------------------------------

    def done(self, destination: str, batch: Batch) -> None:
        """`destination` has the batch, but for what it held: there is proof. A power cut may forget that,
        and the batch is sent again. Raises SpoolFailed."""
        taken = Stretch(batch.after, batch.upto)
        self._turn(lambda cursors: cursors.done(destination, taken, batch.held))

    def part(self, destination: str, before: int) -> None:
        """What waits in its live lane and ended before `before` (ns) is backlog from now on. Raises
        SpoolFailed."""
        with self._lock:
            self._guarded(lambda: self._part(destination, before))

    def serve(self, destinations: Sequence[str]) -> None:
        """From now on these; a new one begins with the oldest block there is. Raises SpoolFailed."""
        with self._lock:
            self._file.destinations = tuple(destinations)
            self._turn(lambda cursors: cursors.serving(destinations))

    def close(self) -> None:
        with self._lock:
            self._file.close()

    # -- dead letters ----------------------------------------------------------------------------

    def bury(self, destination: str, letters: Sequence[tuple[bytes, str]]) -> None:
        """Lines that `destination` will never take, and what it said. They are kept, and count as lost when
        they go. Raises SpoolFailed."""

        def bury() -> None:
            gone = spool_letters.too_many(self._file.db, len(letters))
            with self._telling(spool_letters.losses(gone)) as db:
                spool_letters.remove(db, gone)
                spool_letters.bury(db, destination, letters)

        with self._lock:
            self._write(bury)

    def letters(self, limit: int = 100, before: int | None = None) -> list[Letter]:
        """The newest first, older than the one of this number. Raises SpoolFailed."""
        with self._lock:
            return self._guarded(lambda: spool_letters.newest(self._file.db, limit, before))

    def discard(self, ids: Sequence[int]) -> int:
        """Throws them away; returns how many there were. Raises SpoolFailed."""

        def discard() -> int:
            gone = spool_letters.named(self._file.db, ids)
            with self._telling(spool_letters.losses(gone)) as db:
                spool_letters.remove(db, gone)
            return len(gone)

        with self._lock:
            return self._write(discard)

    def retry(self, ids: Sequence[int]) -> int:
        """Sends them again, to the destination that refused them and to no other, as part of its backlog;
        returns how many there were. Raises SpoolFailed."""

        def retry() -> int:
            again: dict[tuple[str, Rank], list[Letter]] = {}
            for letter in spool_letters.named(self._file.db, ids):
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
        except (sqlite3.Error, OSError) as error:
            raise SpoolFailed(str(error)) from error

    def _write(self, action: Callable[[], T]) -> T:
        """In the room of what can go, as often as it takes."""
        return self._guarded(lambda: self._with_room(action))

    def _turn(self, change: Callable[[Cursors], Cursors]) -> None:
        """Cursors alone: not worth a wait for the disk."""

        def turn() -> None:
            with self._committing(change(self._cursors), Sync.NORMAL):
                pass

        with self._lock:
            self._guarded(lambda: self._file.with_ballast(turn))

    def _committing(
        self, cursors: Cursors, sync: Sync = Sync.FULL
    ) -> AbstractContextManager[sqlite3.Connection]:
        """A transaction that now and then clears away what was kept long enough."""
        self._commits += 1
        due = () if self._commits % TRIM_EVERY else tuple(self._due(cursors))
        return self._file.writing(cursors.without(due), sync, due)

    def _insert(self, rank: Rank, count: int, first: int, last: int, packed: bool, stored: bytes) -> None:
        cursors = self._cursors.grown(rank, count)
        with self._committing(cursors) as db:
            _put(db, seal(cursors.newest[rank], first, last, count, packed, stored))

    def _send_again(self, destination: str, rank: Rank, letters: Sequence[Letter]) -> None:
        lines = [letter.line for letter in letters]
        cursors = self._cursors.grown(rank, len(lines))
        number = cursors.newest[rank]
        with self._committing(cursors.only(destination, Stretch(number - len(lines), number))) as db:
            spool_letters.remove(db, letters)
            _put(db, seal(number, *spool_letters.span(lines), len(lines), *self._packer.pack(lines)))

    def _due(self, cursors: Cursors) -> Iterator[Stretch]:
        """What everybody has and has been kept long enough, `TRIM` blocks of each stretch at most."""
        for kept in cursors.kept():
            rows = self._file.db.execute(
                "SELECT id, last FROM blocks WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
                (kept.after, kept.upto, TRIM),
            )
            old = [number for number, last in rows if not self._keep or last < self._instant - self._keep]
            if old:
                yield Stretch(kept.after, old[-1])

    # -- room ------------------------------------------------------------------------------------

    def _with_room(self, action: Callable[[], T]) -> T:
        lost = 0
        while True:
            try:
                result = action()
            except sqlite3.Error as error:
                dropped = self._file.with_ballast(self._make_room) if is_full(error) else None
                if dropped is None:
                    raise
                lost += dropped
            else:
                self._file.may_grow()
                self.dropping = lost > 0 or (self.dropping and not self._at_ease())
                return result

    def _at_ease(self) -> bool:
        return self._file.ballast.plenty and self._lacking_bytes() < ENOUGH_ROOM * self.most

    def _make_room(self) -> int | None:
        """Drops what can go most easily; returns how many lines were lost, None if nothing is left."""
        self._file.grow_no_more()
        cursors = self._cursors
        lacking = sorted(cursors.lacking(), key=lambda it: (Rank.of(it.upto), it))
        for stretch in (*cursors.kept(), *lacking):
            reach = stretch.after + 1 + total(cursors.reached(cursors.stored)) // SHARE
            gone = (Stretch(stretch.after, self._block_with(min(reach, stretch.upto))),)
            return self._drop(gone, tuple(self._missed(gone, "full")))
        return None

    def _drop(self, gone: Stretches, losses: Sequence[Loss]) -> int:
        """Takes these blocks out and tells the ledger; returns how many lines were lost."""
        with self._telling(losses, gone):
            pass
        return sum(loss.count for loss in losses)

    @contextmanager
    def _telling(self, losses: Sequence[Loss], gone: Stretches = ()) -> Iterator[sqlite3.Connection]:
        """A transaction in which the ledger is told, and these blocks go."""
        with self._file.writing(self._cursors.without(gone), gone=gone) as db:
            yield db
            for loss in losses:
                self._write_loss(db, loss)
        self._lost += sum(loss.count for loss in losses)

    def _block_with(self, number: int) -> int:
        """The block that this line is in."""
        row = self._file.db.execute("SELECT min(id) FROM blocks WHERE id >= ?", (number,)).fetchone()
        if row[0] is None:
            raise Broken(f"no block has line {number}")
        return int(row[0])

    # -- losses ----------------------------------------------------------------------------------

    def _missed(self, gone: Stretches, why: str, note: str = "") -> Iterator[Loss]:
        """Who loses how much if these go."""
        first = last = 0
        for stretch in gone:
            first, last = self._file.db.execute(
                "SELECT coalesce(min(first), 0), coalesce(max(last), 0) FROM blocks WHERE id > ? AND id <= ?",
                (stretch.after, stretch.upto),
            ).fetchone()
        counts = {name: total(intersect(its, gone)) for name, its in self._cursors.pending.items()}
        if len(set(counts.values())) == 1:
            counts = {"": next(iter(counts.values()))}
        for name, count in counts.items():
            if count:
                yield Loss(why, count, first, last, name, note=note)

    def _write_loss(self, db: sqlite3.Connection, loss: Loss) -> None:
        db.execute(
            "INSERT INTO losses VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                loss.why,
                loss.destination,
                loss.subject,
                loss.count,
                loss.first,
                loss.last,
                loss.sample,
                loss.note,
            ),
        )
        db.execute("DELETE FROM losses WHERE id <= (SELECT max(id) FROM losses) - ?", (LOSSES,))

    # -- blocks ----------------------------------------------------------------------------------

    def _read(self, destination: str, lane: Lane, most: int, until: int) -> Batch | None:
        for stretch in self._cursors.lane(destination, lane is Lane.LIVE):
            with connect_reading(self.path) as db:
                batch, bad = self._collect(db, stretch, most, until)
            if bad:
                self._skip(bad)
            if batch:
                return batch
        return None

    def _collect(
        self, db: sqlite3.Connection, stretch: Stretch, most: int, until: int
    ) -> tuple[Batch | None, Stretches]:
        """The batch, and what of the stretch is broken. Raises Broken if lines are missing."""
        blocks: list[Block] = []
        held: list[Stretch] = []
        bad: list[Stretch] = []
        at, lines = stretch.after, 0
        for row in db.execute(_ROWS, (stretch.after, stretch.upto)):
            number, _, last, count, *_ = row
            its = Stretch(at, number)
            if not is_sound(row):
                bad.append(its)
            elif count != its.count:
                raise Broken(f"{its.count - count} lines are missing before block {number}")
            elif last > until:
                held.append(its)
            else:
                blocks.append(unpack(row))
                lines += count
            at = number
            if lines >= most:
                break
        else:
            if at != stretch.upto:
                raise Broken(f"{stretch.upto - at} lines are missing after block {at}")
        if not blocks:
            return None, tuple(bad)
        upto = blocks[-1].id
        early = tuple(it for it in held if it.upto <= upto)
        return Batch(tuple(blocks), stretch.after, upto, early), tuple(bad)

    def _skip(self, bad: Stretches) -> None:
        """Takes broken blocks out; their lines are counted."""

        def skip() -> None:
            gone = intersect(self._cursors.lacking(), bad)
            lost = [loss for it in gone for loss in self._missed((it,), "crc", f"block {it.upto}")]
            self._drop(gone, [replace(loss, first=0, last=0) for loss in lost])  # nor were these written

        with self._lock:
            self._write(skip)

    def _part(self, destination: str, before: int) -> None:
        cursors = self._cursors
        for stretch in cursors.lane(destination, live=True):
            cursors = cursors.parted(destination, self._ended(stretch, before))
        if cursors != self._cursors:
            self._turn(lambda _: cursors)

    def _ended(self, stretch: Stretch, before: int) -> int:
        """Up to where its blocks ended before that instant: in order, but for steps of the clock."""
        after, upto = stretch.after, stretch.upto
        while after < upto:
            number, last, count = self._file.db.execute(
                "SELECT id, last, count FROM blocks WHERE id > ? ORDER BY id LIMIT 1", ((after + upto) // 2,)
            ).fetchone() or (upto, before, 1)
            if last < before:
                after = number
            else:
                upto = number - count
        return after

    # -- figures ---------------------------------------------------------------------------------

    def _lacking_bytes(self) -> int:
        """Of the pages in use, the share of the lines that somebody lacks."""
        lacking, kept = total(self._cursors.lacking()), total(self._cursors.kept())
        return self._file.used * lacking // (lacking + kept) if lacking else 0

    def _stats(self) -> SpoolStats:
        cursors = self._cursors
        pending = {name: cursors.waiting(name) for name in cursors.pending}
        since = {
            name: self._begun(cursors.reached(its)) for name, its in cursors.pending.items() if pending[name]
        }
        lacking = cursors.lacking()
        return SpoolStats(
            total(lacking),
            self._lacking_bytes(),
            self.most,
            min(since.values(), default=None),
            pending,
            since,
            self._lost,
            self.set_aside,
            total(cursors.kept()),
        )

    def _begun(self, stretches: Iterable[Stretch]) -> int:
        """The earliest instant of their oldest blocks."""
        query = "SELECT first FROM blocks WHERE id > ? ORDER BY id LIMIT 1"
        firsts = (self._file.db.execute(query, (it.after,)).fetchone() for it in stretches)
        return min((int(row[0]) for row in firsts if row), default=0)


def _put(db: sqlite3.Connection, row: Row) -> None:
    db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)", row)
