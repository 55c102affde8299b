"""trend.db: lowest, mean, highest and last of every point a minute, an hour and a day, for the charts.

Good readings of numbers count; a bool is 0 or 1. The mean is that of the readings, unweighted. A minute is
written once it is over: until then it stands in memory, where charts find it too. Whoever kills the process
loses that minute of the charts, and of nothing else.
"""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from threading import Lock
from zoneinfo import ZoneInfo

from sitewarden.gateway.database import (
    MIB,
    Sync,
    connect_reading,
    is_broken,
    is_full,
    open_sound,
    set_aside,
)
from sitewarden.gateway.records import micros, stamp
from sitewarden.gateway.trend.charts import chart
from sitewarden.gateway.trend.rollups import ADDED, DAY, KEPT, SCHEMA, Calendar, How, Level, Rollups, Sums
from sitewarden.rules.model import Quality, Reading

DAYS = 400  # that minutes are kept, if they fit
MOST = 1024 * MIB  # bytes
MINUTE = 60_000_000  # µs


@dataclass(frozen=True, slots=True)
class TrendRow:
    """One bucket, by the instant at which it begins. Buckets without a reading are left out."""

    at: datetime
    low: float
    mean: float
    high: float
    last: float


@dataclass(slots=True)
class _Minute:
    low: float
    high: float
    total: float = 0.0
    count: int = 0
    last: float = 0.0

    def add(self, value: float) -> None:
        if value < self.low:
            self.low = value
        elif value > self.high:
            self.high = value
        self.total += value
        self.count += 1
        self.last = value


class Trend:
    """`add`, `flush` and `put` belong to one thread; `query` to any. Days are those of `zone`. `set_aside`:
    the newest broken file that was replaced since the start."""

    def __init__(
        self, path: Path, zone: ZoneInfo = ZoneInfo("UTC"), days: int = DAYS, most: int = MOST
    ) -> None:
        self.path, self._zone, self._most = path, zone, most
        self._kept = KEPT | {Level.MINUTES: days * DAY}
        self._minutes: dict[tuple[int, str], _Minute] = {}
        self._lock = Lock()  # a minute is either in memory or in the file
        self._opened = self._behind = False
        self.set_aside: Path | None = None
        self._sound(lambda _: None)

    def _open(self) -> None:
        """Unless it is open."""
        if self._opened:
            return
        self._db, aside = open_sound(self.path, Sync.NORMAL, SCHEMA)
        self.set_aside = aside or self.set_aside
        (page,) = self._db.execute("PRAGMA page_size").fetchone()
        self._db.execute(f"PRAGMA max_page_count = {self._most // page}")
        self._rollups = Rollups(self._db, self._zone, self._kept)
        self._opened = True

    # -- writing ---------------------------------------------------------------------------------

    def add(self, readings: Iterable[Reading]) -> None:
        at, number = None, 0
        with self._lock:
            for reading in readings:
                value = reading.value
                if (
                    reading.quality is not Quality.GOOD
                    or not isinstance(value, float | int)
                    or not isfinite(value)
                ):
                    continue
                if reading.at is not at:  # the same for all that one answer brought
                    at, number = reading.at, micros(reading.at.wall) // MINUTE
                key = number, reading.point
                if (minute := self._minutes.get(key)) is None:
                    minute = self._minutes[key] = _Minute(value, value)
                minute.add(value)

    @property
    def due(self) -> bool:
        """Whether a minute is over, or an old file not rolled up yet: time to `flush`."""
        return bool(self._minutes) and (min(self._minutes)[0] != max(self._minutes)[0] or self._behind)

    def flush(self) -> None:
        """Writes what was added and rolls up what is over; into a fresh file if this turns out to be broken.
        Raises sqlite3.Error or OSError; what was added is then lost."""
        with self._lock:
            minutes, self._minutes = self._minutes, {}
            self.put([_sums(*key, it) for key, it in minutes.items()])
        if minutes:
            self.roll()

    def put(self, sums: list[Sums], how: How = ADDED) -> None:
        """Minutes as they come, or as another record of them has it. Raises as `flush`."""
        if sums:
            self._sound(lambda rollups: rollups.put(sums, how))

    def roll(self) -> bool:
        """Rolls up some of what is over, and forgets what is too old; False: there is no more."""
        self._sound(Rollups.roll)
        self._sound(Rollups.forget_old)
        self._behind = self._rollups.behind
        return self._behind

    def close(self) -> None:
        self._db.close()

    def _sound(self, action: Callable[[Rollups], None]) -> None:
        try:
            self._open()
            self._with_room(action)
        except sqlite3.DatabaseError as error:
            if not is_broken(error):
                raise
            self._opened = False
            self._db.close()
            self.set_aside = set_aside(self.path)
            self._open()
            self._with_room(action)

    def _with_room(self, action: Callable[[Rollups], None]) -> None:
        while True:
            try:
                action(self._rollups)
            except sqlite3.OperationalError as error:
                if not is_full(error) or not self._rollups.make_room():
                    raise
            else:
                return

    # -- reading ---------------------------------------------------------------------------------

    def query(self, point: str, since: datetime, until: datetime, buckets: int) -> list[TrendRow]:
        """At most `buckets` rows of equal width over [since, until): whole minutes, over more than a week
        whole hours, over more than a year whole days, by the clock of the site."""
        first, end = micros(since) // MINUTE, -(-micros(until) // MINUTE)
        with self._lock, connect_reading(self.path) as db:
            held = [_sums(*key, it) for key, it in self._minutes.items() if key[1] == point]
            found = list(chart(db, Calendar(self._zone), point, first, end, buckets, held))
        return [
            TrendRow(stamp(it.minute * MINUTE, 0.0).wall, it.low, it.total / it.count, it.high, it.last)
            for it in found
        ]

    def counted(self) -> int:
        """Readings that went into the file and whose minutes are still in it."""
        query = "SELECT (SELECT total(count) FROM minutes) + (SELECT total(count) FROM fresh)"
        with connect_reading(self.path) as db:
            return int(db.execute(query).fetchone()[0])


def _sums(minute: int, point: str, it: _Minute) -> Sums:
    return Sums(point, minute, it.low, it.high, it.total, it.count, it.last)
