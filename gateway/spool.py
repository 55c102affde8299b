"""spool.db: telemetry that is not delivered yet, in checksummed blocks, with a cursor a destination.

A block is what one commit appended. It goes away once every destination is past it, or as the oldest
when there is no room; then it is counted in the ledger of losses, with its instants and the reason.
Whatever happens to the file, the gateway goes on: a broken block is skipped, a broken file is set aside.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock, Thread
from typing import TypeVar

from sitewarden.gateway.blocks import NEWEST_FIRST, OLDEST_FIRST, SCHEMA, Block, Loss, Packer, SpoolStats
from sitewarden.gateway.clock import EARLIEST, boot_seconds
from sitewarden.gateway.database import (
    MIB,
    Ballast,
    Sync,
    is_broken,
    is_full,
    open_sound,
    set_aside,
    transaction,
)
from sitewarden.gateway.hub import Subscription
from sitewarden.gateway.records import micros
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.troubles import Troubles

T = TypeVar("T")

MOST = 512 * MIB  # bytes; some 50 million readings, half a day of a thousand a second
SHARE = 64  # the oldest 1/64 of all blocks makes room at once
BALLAST = 8 * MIB
LOSSES = 10_000  # lines of the ledger that are kept

PAUSE, GROUP = 0.5, 1000  # s and effects: whichever comes first is a commit
BLOCK = 5000  # lines in one block at most, when the disk was slow
HELD = 4 * BLOCK  # lines that wait for a disk that refuses, at most
NEARLY_FULL, ENOUGH_ROOM = 0.8, 0.7  # of the room there is
COUNTING = 0.01  # of the writer's time, at most

_EARLIEST = micros(EARLIEST) * 1000  # ns


class SpoolFailed(Exception):
    """The disk did not take a block, not even in the room of the oldest ones."""


def spool_ballast(data: Path) -> Ballast:
    return Ballast(data / "spool.ballast", BALLAST)


class Spool:
    """Any thread may use it; one at a time gets in, and none of them is the main loop."""

    def __init__(self, path: Path, destinations: Sequence[str] = (), most: int = MOST) -> None:
        self.path, self.most = path, most
        self._destinations = tuple(destinations)
        self._lock = RLock()
        self._ballast = spool_ballast(path.parent)
        self._packer = Packer()
        self._lost = 0
        self.set_aside = 0  # broken files since the start
        self.dropping = False  # the newest block took the room of the oldest ones
        self._next = 1
        self._opened = False
        self._sound(lambda: None)
        self.seen = SpoolStats(0, 0, 0, most, None, {}, 0, self.set_aside)
        """As it was when it was counted last, for those who must not wait for a disk."""

    # -- writing ---------------------------------------------------------------------------------

    def append(self, lines: Sequence[bytes], first: int, last: int) -> None:
        """One durable block; the instants are the lines' earliest and latest in ns. Raises SpoolFailed."""
        with self._lock:
            row = self._packer.pack(lines, first, last)
            self._guarded(lambda: self._with_room(lambda: self._insert(row)))

    def lose(self, loss: Loss) -> None:
        """Writes a gap into the ledger. Raises SpoolFailed."""
        row = (loss.why, loss.destination, loss.count, loss.first, loss.last, loss.sample, loss.note)
        with self._lock:
            self._guarded(lambda: self._with_room(lambda: self._enter(row)))
            self._lost += loss.count

    def advance(self, destination: str, block: int) -> None:
        """`destination` has this block and all before it: there is proof. Raises SpoolFailed."""
        with self._lock:
            self._guarded(lambda: self._with_ballast(lambda: self._pass(destination, block)))

    def serve(self, destinations: Sequence[str]) -> None:
        """From now on these; a new one begins with the oldest block there is. Raises SpoolFailed."""
        with self._lock:
            self._destinations = tuple(destinations)
            self._guarded(lambda: self._with_ballast(self._enlist))

    # -- reading ---------------------------------------------------------------------------------

    def read(self, destination: str, most: int) -> list[Block]:
        """The oldest blocks that `destination` lacks, about `most` lines of them, at least one block.
        Blocks that are not what was written are skipped and counted. Raises SpoolFailed."""
        with self._lock:
            return self._guarded(lambda: self._read(destination, most))

    def newest_line(self, destination: str) -> bytes | None:
        """The newest line that `destination` lacks. Raises SpoolFailed."""
        with self._lock:
            blocks = self._guarded(lambda: self._read(destination, 1, NEWEST_FIRST))
        return blocks[-1].lines[-1] if blocks else None

    def losses(self, limit: int = 100) -> list[Loss]:
        """The ledger, newest first."""
        query = (
            "SELECT why, count, first, last, destination, sample, note FROM losses ORDER BY id DESC LIMIT ?"
        )
        with self._lock:
            return self._guarded(lambda: [Loss(*row) for row in self._db.execute(query, (limit,))])

    def stats(self) -> SpoolStats:
        """Counts, in the file: 0.25 s for 80,000 blocks. Raises SpoolFailed."""
        with self._lock:
            self.seen = self._guarded(self._stats)
        return self.seen

    @property
    def fill(self) -> float:
        """0 to 1 of the room there is."""
        with self._lock:
            return self._guarded(self._used) / self.most

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # -- the file --------------------------------------------------------------------------------

    def _guarded(self, action: Callable[[], T]) -> T:
        try:
            return self._sound(action)
        except (sqlite3.Error, OSError) as error:
            raise SpoolFailed(str(error)) from error

    def _sound(self, action: Callable[[], T]) -> T:
        """Does it again in a fresh file if this one turns out to be broken. Raises OSError where the file
        system says no to that; whoever comes next tries it again."""
        try:
            self._open()
            return action()
        except sqlite3.DatabaseError as error:
            if not is_broken(error):
                raise
        self._opened = False
        self._db.close()
        set_aside(self.path)
        self.set_aside += 1
        self._open()
        return action()

    def _open(self) -> None:
        """Unless it is open."""
        if self._opened:
            return
        self._db, aside = self._with_ballast(lambda: open_sound(self.path, Sync.FULL, SCHEMA))
        self.set_aside += aside is not None
        self._page = int(self._db.execute("PRAGMA page_size").fetchone()[0])
        self._db.execute(f"PRAGMA max_page_count = {self.most // self._page}")
        self._take_stock()
        self._opened = True

    def _take_stock(self) -> None:
        self._enlist()
        (newest,) = self._db.execute("SELECT max(id) FROM blocks").fetchone()
        (passed,) = self._db.execute("SELECT max(block) FROM cursors").fetchone()
        # Never a number twice: a sink may still hold blocks of a file that was set aside.
        self._next = max(self._next, (newest or 0) + 1, (passed or 0) + 1)
        self._ballast.take()

    def _with_ballast(self, action: Callable[[], T]) -> T:
        """Does it again in the room of the ballast if the disk is full."""
        try:
            return action()
        except sqlite3.Error as error:
            if not (is_full(error) and self._ballast.give()):
                raise
        return action()

    def _enlist(self) -> None:
        marks = ", ".join("?" * len(self._destinations))
        with transaction(self._db):
            self._db.execute(f"DELETE FROM cursors WHERE destination NOT IN ({marks})", self._destinations)  # noqa: S608
            self._db.executemany(
                "INSERT OR IGNORE INTO cursors VALUES (?, 0)", [(each,) for each in self._destinations]
            )
            self._drop_delivered()

    def _with_room(self, action: Callable[[], None]) -> None:
        """Does it again in the room of the oldest blocks, as often as it takes."""
        dropping = False
        while True:
            try:
                action()
            except sqlite3.Error as error:
                if not is_full(error) or not self._with_ballast(self._drop_oldest):
                    raise
                dropping = True
            else:
                self.dropping = dropping or (self.dropping and not self._may_grow())
                return

    def _insert(self, row: tuple[int | bytes, ...]) -> None:
        with transaction(self._db):
            self._db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)", (self._next, *row))
        self._next += 1

    def _may_grow(self) -> bool:
        """After a drop: whether there is room again. Until then the file keeps its size."""
        if not self._ballast.plenty or self._used() / self.most > ENOUGH_ROOM:
            return False
        self._db.execute(f"PRAGMA max_page_count = {self.most // self._page}")
        self._ballast.take()
        return True

    def _drop_oldest(self) -> bool:
        """Makes room; False: there is nothing to drop."""
        self._db.execute("PRAGMA max_page_count = 1")  # SQLite takes what there is: grow no more
        share = "SELECT id FROM blocks ORDER BY id LIMIT 1 + (SELECT count(*) FROM blocks) / ?"
        with transaction(self._db):
            summed = f"SELECT count(*), sum(count), min(first), max(last) FROM blocks WHERE id IN ({share})"  # noqa: S608
            blocks, lines, first, last = self._db.execute(summed, (SHARE,)).fetchone()
            if blocks:
                self._db.execute(f"DELETE FROM blocks WHERE id IN ({share})", (SHARE,))  # noqa: S608
                self._write_loss(("full", "", lines, first, last, b"", ""))
        self._lost += lines or 0
        return bool(blocks)

    def _drop_delivered(self) -> None:
        self._db.execute("DELETE FROM blocks WHERE id <= (SELECT min(block) FROM cursors)")

    def _pass(self, destination: str, block: int) -> None:
        with transaction(self._db):
            self._db.execute(
                "UPDATE cursors SET block = max(block, ?) WHERE destination = ?", (block, destination)
            )
            self._drop_delivered()

    def _enter(self, row: tuple[str | int | bytes, ...]) -> None:
        with transaction(self._db):
            self._write_loss(row)

    def _write_loss(self, row: tuple[str | int | bytes, ...]) -> None:
        self._db.execute("INSERT INTO losses VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", row)
        self._db.execute("DELETE FROM losses WHERE id <= (SELECT max(id) FROM losses) - ?", (LOSSES,))

    def _read(self, destination: str, most: int, order: str = OLDEST_FIRST) -> list[Block]:
        blocks: list[Block] = []
        bad: list[tuple[int, int]] = []
        lines = 0
        for row in self._db.execute(order, (destination,)):
            if block := self._packer.unpack(row):
                blocks.append(block)
                lines += len(block.lines)
            else:
                count = row[3] if isinstance(row[3], int) else 0  # a broken page may not even say
                bad.append((row[0], count))
            if lines >= most:
                break
        if bad:
            self._skip(bad)
        return blocks

    def _skip(self, bad: Sequence[tuple[int, int]]) -> None:
        with transaction(self._db):
            for number, count in bad:
                self._db.execute("DELETE FROM blocks WHERE id = ?", (number,))
                self._write_loss(("crc", "", count, 0, 0, b"", f"block {number}"))
        self._lost += sum(count for _, count in bad)

    def _used(self) -> int:
        """Bytes, without the pages that are free again."""
        pages, free = (
            int(self._db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count")
        )
        return (pages - free) * self._page

    def _stats(self) -> SpoolStats:
        blocks, lines, oldest = self._db.execute(
            "SELECT count(*), coalesce(sum(count), 0), min(first) FROM blocks"
        ).fetchone()
        pending = self._db.execute(
            "SELECT destination, (SELECT coalesce(sum(count), 0) FROM blocks WHERE id > block) FROM cursors"
        )
        return SpoolStats(
            blocks, lines, self._used(), self.most, oldest, dict(pending), self._lost, self.set_aside
        )


class SpoolWriter:
    """The thread between the hub and the spool: a group commit every `PAUSE` s or `GROUP` effects.

    What the disk refuses is tried again with the next commit. If that takes too long the oldest lines go,
    and the gap comes into the ledger as soon as there is one again.

    Troubles: `spool_nearly_full`; `spool_full`, the oldest is being dropped; `spool_failed`, the disk
    refuses; `spool_overrun`, more came than could be written; `spool_set_aside`, the file was broken.
    """

    def __init__(self, spool: Spool, subscription: Subscription, lines: Lines, troubles: Troubles) -> None:
        self._spool, self._subscription, self._lines, self._troubles = spool, subscription, lines, troubles
        self._overruns = 0  # effects the subscription dropped, as far as they are in the ledger
        self._held: list[tuple[int, bytes]] = []  # not yet written
        self._gap: Loss | None = None  # what `_held` had no room for, not yet in the ledger
        self._untimed = 0  # lines of a box that does not know the year yet, not yet in the ledger
        self._count_at = 0.0  # of `boot_seconds`
        self._thread = Thread(target=self._run, name="spool", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Writes what is there; the spool stays open for the sinks."""
        self._subscription.close()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._subscription.closed or self._subscription.depth:
            self._take()
            try:
                self._write_held()
                self._watch()
                self._count()
            except SpoolFailed as error:
                self._hold_less()
                self._troubles.on("spool_failed", "spool", {"error": str(error)})
            else:
                self._troubles.off("spool_failed", "spool")

    def _take(self) -> None:
        """Lines of 1970 would be stored there for ever."""
        lines = self._lines.format(self._subscription.take(PAUSE, at_least=GROUP))
        timed = [line for line in lines if line[0] >= _EARLIEST]
        self._untimed += len(lines) - len(timed)
        self._held += timed

    def _write_held(self) -> None:
        if self._untimed and (self._held or self._subscription.closed):
            self._spool.lose(Loss("clock", self._untimed))
            self._untimed = 0
        while block := self._held[:BLOCK]:
            instants = [ns for ns, _ in block]
            self._spool.append([line for _, line in block], min(instants), max(instants))
            del self._held[:BLOCK]
        if self._gap:
            self._spool.lose(self._gap)
            self._gap = None

    def _hold_less(self) -> None:
        if gone := self._held[:-HELD]:
            del self._held[:-HELD]
            instants = [ns for ns, _ in gone]
            before = self._gap or Loss("refused", 0, min(instants))
            self._gap = replace(before, count=before.count + len(gone), last=max(instants))

    def _count(self) -> None:
        begun = boot_seconds()
        if begun >= self._count_at:
            self._spool.stats()
            ended = boot_seconds()
            self._count_at = ended + (ended - begun) / COUNTING

    def _watch(self) -> None:
        """Tells of what got worse or better with the last commit."""
        spool, troubles = self._spool, self._troubles
        fill = spool.fill
        if fill > NEARLY_FULL or fill < ENOUGH_ROOM:
            troubles.set(
                "spool_nearly_full", "spool", fill > NEARLY_FULL, {"percent": round(NEARLY_FULL * 100)}
            )
        troubles.set("spool_full", "spool", spool.dropping, {})
        if spool.set_aside:
            troubles.on("spool_set_aside", "spool", {"files": spool.set_aside}, lasts=False)
        overrun = self._subscription.dropped - self._overruns
        if overrun:
            spool.lose(Loss("overrun", overrun))
            self._overruns += overrun
        troubles.set("spool_overrun", "spool", overrun > 0, {})
