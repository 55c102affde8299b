"""What the API asks of the telemetry: `gateway/api/house.py` says what each answer is.

The ledger and the dead letters are read by connections of their own: who looks keeps nobody from writing.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, Final, TypeVar

from sitewarden.gateway.api.house import Sought
from sitewarden.gateway.database import connect_reading
from sitewarden.gateway.journal import Page
from sitewarden.gateway.ledger.causes import Cause, Gone, cause_of
from sitewarden.gateway.records import Cell, micros
from sitewarden.gateway.sinks.base import Sink
from sitewarden.gateway.spool.blocks import Letter, Loss, SpoolStats
from sitewarden.gateway.spool.spool import Spool, SpoolFailed
from sitewarden.rules.model import Reason

R = TypeVar("R", Loss, Letter)

LOSSES: Final = "SELECT id, why, count, first, last, destination, sample, note, subject FROM losses"
LETTERS: Final = "SELECT id, id, destination, line, words FROM letters"
NEWEST: Final = 2**63 - 1  # what is older than any row


class Telemetry:
    def __init__(
        self,
        spool: Spool,
        sinks: Callable[[], Mapping[str, Sink]],
        lasting: Callable[[], Sequence[Loss] | None],
    ) -> None:
        """`lasting`: the gaps that are not over, which the spool does not have yet, the newest first; None:
        nothing is spooled."""
        self._spool, self._sinks, self._lasting = spool, sinks, lasting
        self._counting = Lock()
        self._missing = dict.fromkeys(Cause, 0)
        self._counted = self._newest()  # row of the ledger

    @property
    def stats(self) -> SpoolStats | None:
        return None if self._lasting() is None else self._spool.seen

    def losses(self, sought: Sought, limit: int, after: int | None = None) -> Page[Loss]:
        """What lasts stands before the first page."""
        page = self._page(Loss, LOSSES, *_where(sought), limit, after)
        lasting = [] if after else [loss for loss in self._lasting() or () if meets(loss, sought)]
        return Page(lasting + page.rows, page.next)

    def missing(self) -> Mapping[Cause, int]:
        """Values that came to be missing since the start, by whose affair that is."""
        with self._counting:
            query = "SELECT id, why, count FROM losses WHERE id > ? ORDER BY id"
            for number, why, count in self._rows(query, self._counted):
                self._missing[cause_of(why)] += count
                self._counted = number
            return dict(self._missing)

    def letters(self, limit: int, after: int | None = None) -> Page[Letter]:
        return self._page(Letter, LETTERS, "TRUE", (), limit, after)

    def retry(self, ids: Sequence[int]) -> int:
        return self._spool.retry(ids)

    def discard(self, ids: Sequence[int]) -> int:
        return self._spool.discard(ids)

    def drain(self, destination: str, on: bool) -> None:
        self._sinks()[destination].drain(on)

    def _page(
        self,
        made: Callable[..., R],
        select: str,
        where: str,
        values: Sequence[Cell],
        limit: int,
        after: int | None,
    ) -> Page[R]:
        """Newest first. The first column is the row's number, the others are what it is made of."""
        query = f"{select} WHERE {where} AND id < ? ORDER BY id DESC LIMIT ?"
        found = self._rows(query, *values, after or NEWEST, limit + 1)
        return Page(
            [made(*row) for _, *row in found[:limit]], found[limit - 1][0] if len(found) > limit else None
        )

    def _newest(self) -> int:
        ((newest,),) = self._rows("SELECT coalesce(max(id), 0) FROM losses")
        return int(newest)

    def _rows(self, query: str, *values: Cell) -> list[Any]:
        try:
            with connect_reading(self._spool.path) as db:
                return db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise SpoolFailed(str(error)) from error


def _where(sought: Sought) -> tuple[str, list[Cell]]:
    """As SQL, and the values in it: `meets`, of many."""
    where, values = ["TRUE"], list[Cell]()
    if sought.about:
        device = sought.about.partition(".")[0]
        where.append("(subject IN ('', ?, ?) OR substr(subject, 1, ?) = ?)")
        inside = f"{sought.about}."
        values += [device, sought.about, len(inside), inside]
    if sought.cause:
        reasons = [str(why) for why in (*Gone, *Reason) if cause_of(why) == sought.cause]
        where.append(f"why IN ({', '.join('?' * len(reasons))})")
        values += reasons
    if sought.since:
        where.append("(last = 0 OR last >= ?)")
        values.append(micros(sought.since) * 1000)
    if sought.until:
        where.append("first <= ?")
        values.append(micros(sought.until) * 1000)
    return " AND ".join(where), values


def meets(loss: Loss, sought: Sought) -> bool:
    """Whether it concerns what is sought: what a device lacks its points lack as well, and a device what one
    of them lacks. A gap of everything concerns all."""
    about, subject = sought.about, loss.subject
    return (
        (
            not (about and subject)
            or subject in (about, about.partition(".")[0])
            or subject.startswith(f"{about}.")
        )
        and sought.cause in ("", cause_of(loss.why))
        and not (sought.since and loss.last and loss.last < micros(sought.since) * 1000)
        and not (sought.until and loss.first > micros(sought.until) * 1000)
    )
