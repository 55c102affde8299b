"""trend.db: lowest, mean, highest and last of every point a minute, for the charts on the page.

Good readings of numbers count; a bool is 0 or 1. The mean is that of the readings, unweighted. What was
collected is merged into its minute's row every few seconds, so the newest minute is there as well and a
restart within a minute loses a few seconds of it.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from threading import Thread

from sitewarden.gateway.clock import Clock
from sitewarden.gateway.database import (
    MIB,
    Sync,
    connect_reading,
    is_broken,
    is_full,
    open_sound,
    set_aside,
    transaction,
)
from sitewarden.gateway.hub import Report, Subscription
from sitewarden.gateway.records import micros, stamp
from sitewarden.gateway.troubles import Troubles
from sitewarden.rules.model import Quality, Reading

FLUSH = 3.0  # s
DAYS = 400  # kept, if they fit
MOST = 1024 * MIB  # bytes; a thousand points fill it in about three weeks, fifty in a year
MINUTE = 60_000_000  # µs
DAY = 1440  # minutes

SCHEMA = """
CREATE TABLE IF NOT EXISTS points (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS minutes (
    point INTEGER NOT NULL, minute INTEGER NOT NULL, low REAL NOT NULL, high REAL NOT NULL,
    total REAL NOT NULL, count INTEGER NOT NULL, last REAL NOT NULL, PRIMARY KEY (point, minute)
) STRICT, WITHOUT ROWID;
"""

_MERGE = """
INSERT INTO minutes VALUES ((SELECT id FROM points WHERE name = ?), ?, ?, ?, ?, ?, ?)
ON CONFLICT (point, minute) DO UPDATE SET
    low = min(low, excluded.low), high = max(high, excluded.high), total = total + excluded.total,
    count = count + excluded.count, last = excluded.last
"""
_QUERY = """
SELECT bucket, least, mean, most, last FROM (
    SELECT (minute - :since) / :width AS bucket, min(low) AS least, sum(total) / sum(count) AS mean,
        max(high) AS most, max(minute) AS newest, point AS id
    FROM minutes WHERE point = (SELECT id FROM points WHERE name = :point)
        AND minute >= :since AND minute < :until
    GROUP BY bucket
) JOIN minutes ON minutes.point = id AND minutes.minute = newest
ORDER BY bucket
"""


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
    """`add` and `flush` belong to one thread; `query` to any. `set_aside`: the newest broken file that was
    replaced since the start."""

    def __init__(self, path: Path, days: int = DAYS, most: int = MOST) -> None:
        self.path, self._days, self._most = path, days, most
        self._minutes: dict[tuple[str, int], _Minute] = {}
        self._forgotten = 0  # the minute before which nothing was left when it was last looked at
        self._opened = False
        self.set_aside: Path | None = None
        self._open()

    def _open(self) -> None:
        """Unless it is open."""
        if self._opened:
            return
        self._db, aside = open_sound(self.path, Sync.NORMAL, SCHEMA)
        self.set_aside = aside or self.set_aside
        (page,) = self._db.execute("PRAGMA page_size").fetchone()
        self._db.execute(f"PRAGMA max_page_count = {self._most // page}")
        self._opened = True

    def add(self, readings: Iterable[Reading]) -> None:
        at, number = None, 0
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
            key = reading.point, number
            if (minute := self._minutes.get(key)) is None:
                minute = self._minutes[key] = _Minute(value, value)
            minute.add(value)

    def flush(self) -> None:
        """Merges what was added into the file, or into a fresh one if this turns out to be broken. Raises
        sqlite3.Error or OSError; what was added is then lost."""
        minutes, self._minutes = self._minutes, {}
        if not minutes:
            return
        try:
            self._open()
            self._forget_old(max(minute for _, minute in minutes))
            self._merge_with_room(minutes)
        except sqlite3.DatabaseError as error:
            if not is_broken(error):
                raise
            self._opened = False
            self._db.close()
            self.set_aside = set_aside(self.path)
            self._open()
            self._merge_with_room(minutes)

    def query(self, point: str, since: datetime, until: datetime, buckets: int) -> list[TrendRow]:
        """At most `buckets` rows of equal width, whole minutes, over [since, until)."""
        first, end = micros(since) // MINUTE, -(-micros(until) // MINUTE)
        width = max(-(-(end - first) // buckets), 1)
        with connect_reading(self.path) as db:
            bounds = {"point": point, "since": first, "until": end, "width": width}
            rows = db.execute(_QUERY, bounds).fetchall()
        return [TrendRow(stamp((first + bucket * width) * MINUTE, 0.0).wall, *rest) for bucket, *rest in rows]

    def counted(self) -> int:
        """Readings that went into the file and are still in it."""
        with connect_reading(self.path) as db:
            (count,) = db.execute("SELECT coalesce(sum(count), 0) FROM minutes").fetchone()
        return int(count)

    def close(self) -> None:
        self._db.close()

    def _merge(self, minutes: Mapping[tuple[str, int], _Minute]) -> None:
        names = [(point,) for point, _ in minutes]
        rows = [
            (point, minute, it.low, it.high, it.total, it.count, it.last)
            for (point, minute), it in minutes.items()
        ]
        with transaction(self._db):
            self._db.executemany("INSERT OR IGNORE INTO points (name) VALUES (?)", names)
            self._db.executemany(_MERGE, rows)

    def _merge_with_room(self, minutes: Mapping[tuple[str, int], _Minute]) -> None:
        while True:
            try:
                self._merge(minutes)
            except sqlite3.OperationalError as error:
                if not is_full(error) or not self._forget_before(self._oldest_share()):
                    raise
            else:
                return

    def _forget_old(self, newest: int) -> None:
        """Once a day."""
        oldest = newest - self._days * DAY
        if oldest >= self._forgotten + DAY:
            self._forget_before(oldest)
            self._forgotten = oldest

    def _forget_before(self, minute: int) -> int:
        """Returns how many rows went."""
        points = self._db.execute("SELECT id FROM points").fetchall()
        before = self._db.total_changes
        with transaction(self._db):
            for (point,) in points:  # one by one, since the key begins with the point
                self._db.execute("DELETE FROM minutes WHERE point = ? AND minute < ?", (point, minute))
        return self._db.total_changes - before

    def _oldest_share(self) -> int:
        """The minute that ends the oldest part of what there is, a day at least."""
        oldest, newest = self._db.execute("SELECT min(minute), max(minute) FROM minutes").fetchone()
        return int(oldest or 0) + max(((newest or 0) - (oldest or 0)) // 64, DAY)


class TrendWriter:
    """The thread between a subscription to readings and the file.

    Troubles: `trend_failed`, the disk refuses; `trend_set_aside`, the file was broken.
    """

    def __init__(self, trend: Trend, subscription: Subscription, report: Report, clock: Clock) -> None:
        self._trend, self._subscription = trend, subscription
        self._troubles = Troubles(report, clock)
        self._thread = Thread(target=self._run, name="trend", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Writes what is there and closes the file."""
        self._subscription.close()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._subscription.closed or self._subscription.depth:
            effects = self._subscription.take(FLUSH, at_least=self._subscription.capacity // 2)
            self._trend.add(effect for effect in effects if isinstance(effect, Reading))
            self._flush()
        self._trend.close()

    def _flush(self) -> None:
        try:
            self._trend.flush()
        except (sqlite3.Error, OSError) as error:
            self._troubles.on("trend_failed", "trend", {"error": str(error)})
        else:
            self._troubles.off("trend_failed", "trend")
        if aside := self._trend.set_aside:
            self._troubles.on("trend_set_aside", "trend", {"file": aside.name}, lasts=False)
