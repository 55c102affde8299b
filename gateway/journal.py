"""journal.db: what was decided, durable before a barrier moves.

One thread commits. Whatever was submitted while a commit was under way goes into the next one together
(group commit), so the rate of decisions is not bound by the disk's rate of flushes. Readers have
connections of their own and wait for nobody.

If a commit fails its records are kept and tried again with the next one, in order, so that a disk that
was full for an hour costs the durability of that hour and no record. `HELD` submissions wait so; of what
comes after them the records are lost, which whoever submitted them is told (JournalFull), and the cells are
held, the newest of each key. A record that no disk would take is refused alone: it neither holds up the
others nor ends the thread.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

import structlog

from sitewarden.gateway import cards, records
from sitewarden.gateway.database import (
    MIB,
    Ballast,
    Sync,
    connect,
    connect_reading,
    is_full,
    is_refusal,
    open_sound,
    salvage,
    transaction,
)
from sitewarden.gateway.records import (
    ALARMS,
    DECISIONS,
    PASSAGES,
    Cell,
    Table,
    micros,
    stamp,
)
from sitewarden.rules import cells
from sitewarden.rules.model import AlarmChange, Decision, Keep, Passage, Record, Stamp

log = structlog.get_logger()

Done = Callable[[BaseException | None], None]
R = TypeVar("R")

GROUP = 256  # submissions in one transaction at most
HELD = 10_000  # submissions that wait for a disk that does not answer, at most
CHECKPOINT = 64  # commits between two checkpoints
RETRY = 1.0  # s between attempts while there is nothing new
KEPT = timedelta(days=400)  # records and changes of cards; GA/T 1742-2020 asks for a year of them

SCHEMA = (
    (
        "CREATE TABLE IF NOT EXISTS cells (key TEXT PRIMARY KEY, cell TEXT NOT NULL) STRICT, WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS newest"
        " (one INTEGER PRIMARY KEY CHECK (one = 1), wall INTEGER NOT NULL, mono REAL NOT NULL) STRICT;"
    )
    + records.SCHEMA
    + cards.SCHEMA
)

_PUT_CELL = "INSERT INTO cells VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET cell = excluded.cell"
_DROP_CELL = "DELETE FROM cells WHERE key = ?"
_CELL = (_PUT_CELL, _DROP_CELL)
_LAST = f"SELECT wall, mono FROM ({records.NEWEST}) ORDER BY mono DESC LIMIT 1"  # noqa: S608 - no person's text
_NOTED = "SELECT wall, mono FROM newest"
_NOTE = (
    "INSERT INTO newest VALUES (1, ?, ?) ON CONFLICT (one) DO UPDATE"
    " SET wall = excluded.wall, mono = excluded.mono WHERE excluded.mono >= mono"
)

Statement = tuple[str, tuple[Cell, ...]]


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Some of many rows. `next` goes on after them; None: there are no more."""

    rows: list[R]
    next: int | None


class JournalFull(Exception):
    """More submissions wait for the disk than are held: this one is not tried again."""


@dataclass(slots=True)
class _Job:
    statements: list[Statement]
    done: Done | None  # None: it has its answer and is held for a disk that refuses


class Journal:
    """`set_aside`: the name a broken journal was given when this fresh one took its place, with all
    of the permits, cells and records that could still be read."""

    def __init__(self, path: Path, *lesser: Ballast) -> None:
        """`lesser`: the ballast of what matters less than a record, given up too once the own is gone."""
        self.path = path
        self._db, self.set_aside = open_sound(path, Sync.FULL, SCHEMA, check=True)
        if self.set_aside:
            salvage(self.set_aside, self._db)
        self._ballasts = (Ballast(path.with_name("journal.ballast"), 4 * MIB), *lesser)
        self._take_ballast()
        self._db.execute("PRAGMA wal_autocheckpoint = 0")
        self._commits = 0
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._held: list[_Job] = []
        self._thread = Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    # -- writing ---------------------------------------------------------------------------------

    def submit(self, batch: Sequence[Record], done: Done, at: Stamp | None = None) -> None:
        """One transaction. `done(None)`, in the journal's thread, once it is durable; `done(error)` if
        it is not (yet), JournalFull if it never will be. `at` is remembered as the newest instant, where
        the records bear none; some of what is too old then is forgotten with it."""
        job = _Job([_statement(record) for record in batch], done)
        if at:
            job.statements += _note(at)
        if self._jobs.qsize() >= HELD:
            done(self._full())
        else:
            self._jobs.put(job)

    @property
    def alive(self) -> bool:
        """Whether the thread that commits is there."""
        return self._thread.is_alive()

    @property
    def in_reserve(self) -> bool:
        """Whether all of the ballast is there. Any thread may ask; it looks on the disk."""
        return all(ballast.claimed for ballast in self._ballasts)

    def close(self, timeout: float = 5.0) -> None:
        """Commits what was submitted before, and ends the thread."""
        self._jobs.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        closing = False
        while not closing:
            jobs, closing = self._next_group()
            if jobs or self._held:
                self._settle(jobs)
                self._checkpoint()
        self._db.close()

    def _settle(self, fresh: Sequence[_Job]) -> None:
        """Commits them after those that are held, and answers them."""
        jobs = [*self._held, *fresh]
        self._held = []
        error = self._commit(jobs)
        if error and not is_refusal(error) and len(jobs) > 1:
            for job in jobs:  # one of them no disk will ever take: each for itself
                self._settle([job])
            return
        if error and is_refusal(error):
            self._hold(jobs)
        for job in jobs:
            _answer(job, error)
        if error is None:
            self._take_ballast()

    def _hold(self, jobs: Sequence[_Job]) -> None:
        self._held, over = [*jobs[:HELD]], jobs[HELD:]
        if not over:
            return
        cells = {values[0]: (sql, values) for job in over for sql, values in job.statements if sql in _CELL}
        self._held.append(_Job([*cells.values()], None))
        for job in over:
            _answer(job, self._full())

    def _full(self) -> JournalFull:
        return JournalFull(f"{HELD} submissions wait for {self.path.name}")

    def _next_group(self) -> tuple[list[_Job], bool]:
        """Waits for one submission and takes what else is there; True when it is time to end."""
        jobs: list[_Job] = []
        try:
            while len(jobs) < GROUP:
                job = self._jobs.get(not jobs, RETRY if self._held else None)
                if job is None:
                    return jobs, True
                jobs.append(job)
        except Empty:
            pass
        return jobs, False

    def _commit(self, jobs: Sequence[_Job]) -> Exception | None:
        try:
            self._write(jobs)
        except Exception as error:  # noqa: BLE001 - whatever it is, this thread commits for everybody
            if isinstance(error, sqlite3.Error) and is_full(error) and self._give_ballast():
                return self._commit(jobs)
            return error
        return None

    def _checkpoint(self) -> None:
        """Moves the log into the file now and then, when nobody waits for a commit."""
        self._commits += 1
        if self._commits % CHECKPOINT == 0:
            try:
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.Error as error:
                if is_full(error):  # anything else the next commit meets, and reports
                    self._give_ballast()

    def _take_ballast(self) -> None:
        for ballast in self._ballasts:
            ballast.take()

    def _give_ballast(self) -> bool:
        """The next there is; False if all is gone."""
        return any(ballast.give() for ballast in self._ballasts)

    def _write(self, jobs: Sequence[_Job]) -> None:
        with transaction(self._db):
            for job in jobs:
                for sql, values in job.statements:
                    self._db.execute(sql, values)

    # -- reading, from any thread ----------------------------------------------------------------

    def cells(self) -> tuple[dict[str, object], tuple[str, ...]]:
        """Every cell as it was kept last, for `Core`, and the keys of those that cannot be read."""
        found: dict[str, object] = {}
        unreadable: list[str] = []
        with connect_reading(self.path) as db:
            rows = db.execute("SELECT key, cell FROM cells").fetchall()
        for key, text in rows:
            try:
                found[key] = cells.load(key, text)
            except ValueError:
                unreadable.append(key)
        return found, tuple(unreadable)

    def newest(self) -> Stamp | None:
        """The newest instant on record; a clock goes on from here."""
        with connect_reading(self.path) as db:
            return _newest(db)

    def page(
        self,
        table: Table[R],
        limit: int = 50,
        before: datetime | None = None,
        lane: str | None = None,
        after: int | None = None,
    ) -> Page[R]:
        """Newest first: of `lane`, older than `before`, and coming after the page that said `after`."""
        where, values = ["TRUE"], list[Cell]()
        if before:
            where, values = [*where, "wall < ?"], [*values, micros(before)]
        if lane:
            where, values = [*where, "lane = ?"], [*values, lane]
        if after:
            where, values = [*where, "id < ?"], [*values, after]
        with connect_reading(self.path) as db:
            found = db.execute(table.select(" AND ".join(where)), (*values, limit + 1)).fetchall()
        rows = [record for _, *row in found[:limit] if (record := _unpacked(table, *row))]
        return Page(rows, found[limit - 1][0] if len(found) > limit else None)

    def decisions(self, limit: int = 50, before: datetime | None = None) -> list[Decision]:
        return self.page(DECISIONS, limit, before).rows

    def passages(
        self, limit: int = 50, before: datetime | None = None, lane: str | None = None
    ) -> list[Passage]:
        return self.page(PASSAGES, limit, before, lane).rows

    def alarm_history(self, limit: int = 50, before: datetime | None = None) -> list[AlarmChange]:
        return self.page(ALARMS, limit, before).rows


def trust_clock(path: Path, wall: datetime) -> Stamp | None:
    """From now on `wall` is the newest instant, whatever the records say. Returns what it was. No gateway
    may run on the file. Raises sqlite3.Error."""
    with closing(connect(path, Sync.FULL)) as db, transaction(db):
        before = _newest(db)
        db.execute(_NOTE, (micros(wall), before.mono if before else 0.0))
    return before


def _newest(db: sqlite3.Connection) -> Stamp | None:
    """The newest record says which second it was, the note which wall clock was believed: a record of a
    time when the clock was wrong must not outlive `trust_clock`."""
    rows = (db.execute(query).fetchone() for query in (_NOTED, _LAST))
    noted, last = (stamp(*row) if row else None for row in rows)
    if not noted or not last or last.mono < noted.mono:
        return noted or last
    return Stamp(noted.wall + timedelta(seconds=last.mono - noted.mono), last.mono)


def _unpacked(table: Table[R], wall: int, mono: float, *rest: str) -> R | None:
    """None for a row in which a bit has flipped: it must not hide the others."""
    try:
        return table.unpack(stamp(wall, mono), rest)
    except (ValueError, OverflowError) as error:
        log.error("journal.unreadable", table=table.name, error=str(error))
        return None


def _note(at: Stamp) -> list[Statement]:
    before = at.mono - KEPT.total_seconds()
    return [
        (_NOTE, (micros(at.wall), at.mono)),
        *((table.forget, (before,)) for table in records.ALL),
        (cards.FORGET, (micros(at.wall - KEPT),)),
    ]


def _answer(job: _Job, error: Exception | None) -> None:
    done, job.done = job.done, None
    if done is None:
        return
    try:
        done(error)
    except Exception:  # whoever asked is gone; the others are not
        log.exception("journal.answer_unheard")


def _statement(record: Record) -> Statement:
    sql, values = _as_it_is(record)
    return sql, tuple(map(_storable, values))


def _as_it_is(record: Record) -> Statement:
    match record:
        case Keep(key, None):
            return _DROP_CELL, (key,)
        case Keep(key, cell):
            return _PUT_CELL, (key, cells.dump(cell))
    return records.statement(record)


def _storable(value: Cell) -> Cell:
    """Half a character (a lone surrogate) is no text that could be written."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
