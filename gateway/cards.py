"""The permits, in journal.db: written by the desk at any time, followed by the running gateway.

Whoever writes, be it the command line in another process or the page, writes the permit and a line of
the log in one transaction. The log is the audit trail and, by its revision, what the gateway follows.
What is altered is read in that transaction too: nobody writes over what another has just done.

A permit that cannot be read, since a bit has flipped or a newer version wrote it, is none: its card is not
known. It keeps no other from being read.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from time import sleep
from typing import Any

from sitewarden.gateway.clock import wall_now
from sitewarden.gateway.database import Sync, connect, connect_reading, make_private, transaction
from sitewarden.gateway.records import micros, stamp
from sitewarden.rules.model import Permit, PermitKind

SCHEMA = """
CREATE TABLE IF NOT EXISTS permits (
    card TEXT PRIMARY KEY, kind TEXT NOT NULL, valid_from TEXT NOT NULL, valid_to TEXT NOT NULL,
    holder TEXT NOT NULL, plate TEXT NOT NULL, space TEXT NOT NULL, blocked INTEGER NOT NULL,
    lanes TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS permit_log (
    revision INTEGER PRIMARY KEY AUTOINCREMENT, wall INTEGER NOT NULL, "by" TEXT NOT NULL,
    card TEXT NOT NULL, permit TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS permit_log_card ON permit_log (card);
"""

COLUMNS = ("card", "kind", "valid_from", "valid_to", "holder", "plate", "space", "blocked", "lanes")
"""The columns of the table; `sheet.py` has them too."""

STEP = 100  # permits in one transaction: some 5 ms
REST = 0.02  # s between two of them, for whoever waits

_ALL = f"SELECT {', '.join(COLUMNS)} FROM permits"  # noqa: S608 - no person's text
_GET = f"{_ALL} WHERE card = ?"
_PUT = f"INSERT OR REPLACE INTO permits VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_LOG = 'INSERT INTO permit_log (wall, "by", card, permit) VALUES (?, ?, ?, ?)'
_FOLLOW = (
    f"SELECT revision, {', '.join(COLUMNS)} FROM permit_log LEFT JOIN permits USING (card)"  # noqa: S608
    " WHERE revision > ? ORDER BY revision"
)
_HISTORY = 'SELECT revision, card, permit, wall, "by" FROM permit_log WHERE card = ? ORDER BY revision'
FORGET = "DELETE FROM permit_log WHERE revision < (SELECT min(revision) FROM permit_log) + 200 AND wall < ?"


Change = Callable[[Permit | None], Permit]
"""What a card is to be, from what it is; None: it is not issued."""


class Act(StrEnum):
    """What a line of the log did to a card."""

    ISSUED = "issued"
    RENEWED = "renewed"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    ALTERED = "altered"
    REMOVED = "removed"
    KEPT = "on record"  # the line before it is not there to compare with


@dataclass(frozen=True, slots=True)
class CardChange:
    """One line of the log; `permit` is None when the card was withdrawn. `acts` is what it did, and stands
    in a history only."""

    revision: int
    card: str
    permit: Permit | None
    at: datetime
    by: str
    acts: tuple[Act, ...] = ()


def acts(before: Permit | None, after: Permit | None) -> tuple[Act, ...]:
    """What was done between two lines of a card's history."""
    if after is None:
        return (Act.REMOVED,)
    if before is None:
        return (Act.ISSUED,)
    done = []
    if (before.valid_from, before.valid_to) != (after.valid_from, after.valid_to):
        done.append(Act.RENEWED)
    if before.blocked != after.blocked:
        done.append(Act.BLOCKED if after.blocked else Act.UNBLOCKED)
    return tuple(done) or (Act.ALTERED,)


class Cards:
    """Any thread and any process may use it; every call opens the file for itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        make_private(path.parent)
        with self._writing() as db:
            db.executescript(SCHEMA)

    # -- writing ---------------------------------------------------------------------------------

    def alter(self, card: str, change: Change, by: str) -> Permit:
        """What `change` makes of the card as it is at this instant; nobody else writes in between. What
        `change` raises is raised, and the card stays as it was."""
        with self._writing() as db, transaction(db):
            permit = change(_get(db, card))
            _store(db, permit, by)
        return permit

    def put(self, permit: Permit, by: str) -> None:
        """Issues a permit, or replaces what was known of the card."""
        self.put_all((permit,), by)

    def put_all(self, permits: Iterable[Permit], by: str, keeping: Collection[str] = ()) -> None:
        """In steps of `STEP` permits, each of which is in or not: the gateway commits in between, and no
        barrier waits for a long list. Called again after an interruption it does no harm. `keeping`: fields
        that a card which is there already keeps."""
        wanted = list(permits)
        with self._writing() as db:
            for start in range(0, len(wanted), STEP):
                if start:
                    sleep(REST)
                with transaction(db):
                    for permit in wanted[start : start + STEP]:
                        stored = _get(db, permit.card) if keeping else None
                        kept = {name: getattr(stored, name) for name in keeping} if stored else {}
                        _store(db, replace(permit, **kept), by)

    def withdraw(self, card: str, by: str) -> bool:
        """False: there is no such card."""
        with self._writing() as db, transaction(db):
            if not db.execute("DELETE FROM permits WHERE card = ?", (card,)).rowcount:
                return False
            db.execute(_LOG, (micros(wall_now()), by, card, None))
        return True

    # -- reading ---------------------------------------------------------------------------------

    def get(self, card: str) -> Permit | None:
        return next(iter(self._select("card = ?", card)), None)

    def all(self) -> list[Permit]:
        return self.search("")

    def search(self, text: str, after: str = "", limit: int | None = None) -> list[Permit]:
        """By their numbers: those with part of a card number, holder, plate or space in any case, that
        come after a number; at most `limit`."""
        where = (
            "instr(lower(card || char(10) || holder || char(10) || plate || char(10) || space), ?)"
            " AND card > ? ORDER BY card"
        )
        return self._select(where, text.lower(), after, limit=limit)

    def unreadable(self) -> list[str]:
        """The cards whose permits cannot be read."""
        with connect_reading(self.path) as db:
            return [row[0] for row in db.execute(_ALL) if not _read(row)]

    def revision(self) -> int:
        """Counts every change there ever was."""
        with connect_reading(self.path) as db:
            (revision,) = db.execute("SELECT coalesce(max(revision), 0) FROM permit_log").fetchone()
        return int(revision)

    def changed_since(self, revision: int) -> tuple[int, dict[str, Permit | None]]:
        """The cards that were changed after `revision`, as they are now (None: not issued), and the revision
        to ask with next time."""
        with connect_reading(self.path) as db:
            rows = db.execute(_FOLLOW, (revision,)).fetchall()
        return (rows[-1][0] if rows else revision), {card: _read((card, *rest)) for _, card, *rest in rows}

    def history(self, card: str) -> list[CardChange]:
        """What was done to one card, oldest first, as far as it is still on record and can be read."""
        with connect_reading(self.path) as db:
            lines = [_line(*row) for row in db.execute(_HISTORY, (card,))]
        told: list[CardChange] = []
        before, known = None, self._oldest() == 1  # else its first lines may be among the forgotten
        for line in lines:
            if line:
                done = acts(before, line.permit) if known or not line.permit else (Act.KEPT,)
                told.append(replace(line, acts=done))
                before = line.permit
            known = line is not None
        return told

    def _select(self, where: str, *values: str, limit: int | None = None) -> list[Permit]:
        """`limit` is not the query's: what cannot be read must not make a page look like the last one."""
        with connect_reading(self.path) as db:
            rows = db.execute(f"{_ALL} WHERE {where}", values)
            return list(islice((permit for row in rows if (permit := _read(row))), limit))

    def _oldest(self) -> int:
        with connect_reading(self.path) as db:
            (revision,) = db.execute("SELECT coalesce(min(revision), 1) FROM permit_log").fetchone()
        return int(revision)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        db = connect(self.path, Sync.FULL)
        try:
            yield db
        finally:
            db.close()


def _row(permit: Permit) -> tuple[str | int, ...]:
    return (
        *(permit.card, permit.kind, permit.valid_from.isoformat(), permit.valid_to.isoformat()),
        *(permit.holder, permit.plate, permit.space, int(permit.blocked)),
        json.dumps(sorted(permit.lanes), ensure_ascii=False),
    )


def _store(db: sqlite3.Connection, permit: Permit, by: str) -> None:
    row = _row(permit)
    if db.execute(_GET, (permit.card,)).fetchone() == row:
        return  # nothing was done to it: no line in its history
    db.execute(_PUT, row)
    db.execute(_LOG, (micros(wall_now()), by, permit.card, json.dumps(row, ensure_ascii=False)))


def _get(db: sqlite3.Connection, card: str) -> Permit | None:
    row = db.execute(_GET, (card,)).fetchone()
    return _read(row) if row else None


def _read(row: Sequence[Any]) -> Permit | None:
    try:
        return _permit(row)
    except (ValueError, TypeError):
        return None


def _line(revision: int, card: str, permit: str | None, wall: int, by: str) -> CardChange | None:
    """None: it cannot be read."""
    try:
        after = _permit(json.loads(permit)) if permit else None
        return CardChange(revision, card, after, stamp(wall, 0.0).wall, by)
    except (ValueError, TypeError, OverflowError):
        return None


def _permit(row: Sequence[Any]) -> Permit:
    """Raises ValueError or TypeError for what `_row` did not make."""
    card, kind, valid_from, valid_to, holder, plate, space, blocked, lanes = row
    return Permit(
        card,
        PermitKind(kind),
        date.fromisoformat(valid_from),
        date.fromisoformat(valid_to),
        holder,
        plate,
        space,
        bool(blocked),
        frozenset(json.loads(lanes)),
    )
