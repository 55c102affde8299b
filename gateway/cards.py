"""The permits, in journal.db: written by the desk at any time, followed by the running gateway.

Whoever writes, be it the command line in another process or the page, writes the permit and a line of
the log in one transaction. The log is the audit trail and, by its revision, what the gateway follows.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from time import sleep

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

_GET = f"SELECT {', '.join(COLUMNS)} FROM permits WHERE card = ?"  # noqa: S608
_PUT = f"INSERT OR REPLACE INTO permits VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_LOG = 'INSERT INTO permit_log (wall, "by", card, permit) VALUES (?, ?, ?, ?)'
FORGET = "DELETE FROM permit_log WHERE revision < (SELECT min(revision) FROM permit_log) + 200 AND wall < ?"


class Act(StrEnum):
    """What a line of the log did to a card."""

    ISSUED = "issued"
    RENEWED = "renewed"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    ALTERED = "altered"
    REMOVED = "removed"
    KEPT = "on record"  # the first line that is left of a longer history


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

    def put(self, permit: Permit, by: str) -> None:
        """Issues a permit or alters it."""
        self.put_all((permit,), by)

    def put_all(self, permits: Iterable[Permit], by: str) -> None:
        """In steps of `STEP` permits, each of which is in or not: the gateway commits in between, and no
        barrier waits for a long list. Called again after an interruption it does no harm."""
        wall = micros(wall_now())
        rows = [(permit.card, _row(permit)) for permit in permits]
        with self._writing() as db:
            for start in range(0, len(rows), STEP):
                if start:
                    sleep(REST)
                with transaction(db):
                    for card, row in rows[start : start + STEP]:
                        if db.execute(_GET, (card,)).fetchone() == row:
                            continue  # nothing was done to it: no line in its history
                        db.execute(_PUT, row)
                        db.execute(_LOG, (wall, by, card, json.dumps(row, ensure_ascii=False)))

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

    def search(self, text: str, after: str = "", limit: int = -1) -> list[Permit]:
        """By their numbers: those with part of a card number, holder, plate or space in any case, that
        come after a number; at most `limit`, if it is not -1."""
        where = (
            "instr(lower(card || char(10) || holder || char(10) || plate || char(10) || space), ?)"
            " AND card > ? ORDER BY card LIMIT ?"
        )
        return self._select(where, text.lower(), after, limit)

    def revision(self) -> int:
        """Counts every change there ever was."""
        with connect_reading(self.path) as db:
            (revision,) = db.execute("SELECT coalesce(max(revision), 0) FROM permit_log").fetchone()
        return int(revision)

    def changed_since(self, revision: int) -> tuple[int, list[CardChange]]:
        """What came after `revision`, oldest first, and the revision to ask with next time."""
        changes = self._log("revision > ? ORDER BY revision", revision)
        return (changes[-1].revision if changes else revision), changes

    def history(self, card: str) -> list[CardChange]:
        """Everything that was done to one card and is still on record, oldest first."""
        changes = self._log("card = ? ORDER BY revision", card)
        told = [
            replace(change, acts=acts(before, change.permit))
            for before, change in zip((None, *(one.permit for one in changes)), changes, strict=False)
        ]
        if told and told[0].permit and self._oldest() > 1:  # its first lines may be among the forgotten
            told[0] = replace(told[0], acts=(Act.KEPT,))
        return told

    def _select(self, where: str, *values: str | int) -> list[Permit]:
        with connect_reading(self.path) as db:
            query = f"SELECT {', '.join(COLUMNS)} FROM permits WHERE {where}"  # noqa: S608
            return [_permit(row) for row in db.execute(query, values)]

    def _oldest(self) -> int:
        with connect_reading(self.path) as db:
            (revision,) = db.execute("SELECT coalesce(min(revision), 1) FROM permit_log").fetchone()
        return int(revision)

    def _log(self, where: str, *values: str | int) -> list[CardChange]:
        with connect_reading(self.path) as db:
            query = f'SELECT revision, card, permit, wall, "by" FROM permit_log WHERE {where}'  # noqa: S608
            return [
                CardChange(
                    revision, card, _permit(json.loads(row)) if row else None, stamp(wall, 0.0).wall, by
                )
                for revision, card, row, wall, by in db.execute(query, values)
            ]

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


def _permit(row: tuple[str, str, str, str, str, str, str, int, str]) -> Permit:
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
