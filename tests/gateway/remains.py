"""What a gateway left on its disk when it was killed, read from a copy: the files are its own to mend."""

import re
import shutil
import sqlite3
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sitewarden.gateway.records import stamp
from sitewarden.gateway.spool.spool import Spool
from sitewarden.rules.cells import Place, load
from sitewarden.rules.model import Alarm
from tests.gateway.spool_under_test import drain

FILES = ("journal.db", "journal.db-wal", "spool.db", "spool.db-wal")


class Remains:
    def __init__(self, data: Path, folder: Path, destination: str) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in FILES:
            if (data / name).exists():
                shutil.copy(data / name, folder / name)
        self._folder, self._destination = folder, destination

    def integrity(self) -> list[str]:
        return [str(row[0]) for name in FILES[::2] for row in self._rows(name, "PRAGMA integrity_check")]

    def grants(self) -> dict[str, list[datetime]]:
        """The instants of all granted decisions, by lane."""
        found: defaultdict[str, list[datetime]] = defaultdict(list)
        for lane, wall in self._journal(
            "SELECT lane, wall FROM decisions WHERE verdict = 'granted' ORDER BY id"
        ):
            found[str(lane)].append(_when(wall))
        return found

    def denials(self, since: int) -> list[tuple[str, str]]:
        """Card and reason of each, after the decision of this number."""
        rows = self._journal(f"SELECT card, why FROM decisions WHERE id > {since} ORDER BY id")  # noqa: S608
        return [(str(card), str(why)) for card, why in rows]

    def count(self, table: str, where: str = "TRUE") -> int:
        ((rows,),) = self._journal(f"SELECT count(*) FROM {table} WHERE {where}")  # noqa: S608
        return int(str(rows))

    def places(self) -> dict[str, bool]:
        """Whether each card went in or out last, as the passages tell it."""
        rows = self._journal("SELECT card, direction FROM passages WHERE card != '' ORDER BY id")
        return {str(card): direction == "in" for card, direction in rows}

    def perhaps_gone(self) -> set[str]:
        """The cards that were let through since their last passage: the kill may have hidden another."""
        rows = self._journal(
            "SELECT card FROM decisions WHERE verdict = 'granted' AND wall >"
            " (SELECT max(wall) FROM passages WHERE passages.card = decisions.card)"
        )
        return {str(card) for (card,) in rows}

    def remembered_places(self) -> dict[str, bool]:
        """The same, as the next gateway will find it."""
        cells = self._cells("inside")
        return {card: cell.inside for card, cell in cells.items() if isinstance(cell, Place)}

    def alarms(self) -> dict[str, str]:
        """The state of each open alarm, as the next gateway will find it."""
        cells = self._cells("alarm")
        return {name: cell.state for name, cell in cells.items() if isinstance(cell, Alarm)}

    def alarm_breaks(self) -> list[tuple[str, str, str]]:
        """Where an alarm's history does not go on from where it was: id, state before, state after that."""
        last: defaultdict[str, str] = defaultdict(lambda: "normal")
        breaks = []
        for alarm, before, after in self._journal("SELECT alarm, before, after FROM alarms ORDER BY id"):
            if last[str(alarm)] != before:
                breaks.append((str(alarm), last[str(alarm)], str(before)))
            last[str(alarm)] = str(after)
        return breaks

    def spooled(self, point: str) -> list[int]:
        """Every good value of the point in the spool, in order."""
        line = re.compile(rf",point={point} value=([0-9.]+),quality=\"good\"".encode())
        with closing(Spool(self._folder / "spool.db", [self._destination])) as spool:
            lines = drain(spool, self._destination)
            assert spool.stats().lost == 0
        found = map(line.search, lines)
        return [int(float(match[1])) for match in found if match]

    def _cells(self, kind: str) -> dict[str, object]:
        rows = self._journal(f"SELECT key, cell FROM cells WHERE key LIKE '{kind}/%'")  # noqa: S608
        return {str(key).partition("/")[2]: load(str(key), str(cell)) for key, cell in rows}

    def _journal(self, query: str) -> list[Sequence[object]]:
        return list(self._rows("journal.db", query))

    def _rows(self, name: str, query: str) -> Iterator[Sequence[object]]:
        with closing(sqlite3.connect(self._folder / name)) as db:
            yield from db.execute(query).fetchall()


def unexplained(instants: Sequence[datetime], grants: Sequence[datetime], within: float) -> list[datetime]:
    """Those of the movements' `instants` that have no grant of their own within so many s before them."""
    left = list(grants)
    missing = []
    for at in instants:
        newest = bisect_left(left, at) - 1
        if newest >= 0 and (at - left[newest]).total_seconds() <= within:
            del left[newest]
        else:
            missing.append(at)
    return missing


def _when(wall: object) -> datetime:
    return stamp(int(str(wall)), 0.0).wall
