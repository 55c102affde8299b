"""What trend.db is made of: minutes, hours and days of each point, and how the finer becomes the coarser.

Hours are those of UTC, which has every hour once; days begin at the site's midnight and have 23 or 25 hours
where the clocks change. A row's `minute` is the one since 1970 at which it begins.

A table by point is quick to draw and dear to write: a thousand points are a thousand pages a minute. So
the minutes since the last full hour stand in `fresh`, by minute, where a page holds those of many points.
When the hour is over they move to `minutes` in one go, and the hour's row, and the day's, is made of them.
What comes late goes to the finest table that still reaches back so far, and what stands above is made anew.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sitewarden.gateway.database import transaction

HOUR, DAY = 60, 1440  # minutes

_TABLE = """
CREATE TABLE IF NOT EXISTS {} (
    point INTEGER NOT NULL, minute INTEGER NOT NULL, low REAL NOT NULL, high REAL NOT NULL,
    total REAL NOT NULL, count INTEGER NOT NULL, last REAL NOT NULL, PRIMARY KEY ({})
) STRICT, WITHOUT ROWID;
"""
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS points (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
{_TABLE.format("fresh", "minute, point")}
{_TABLE.format("minutes", "point, minute")}
{_TABLE.format("hours", "point, minute")}
{_TABLE.format("days", "point, minute")}
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, minute INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS zones (name TEXT PRIMARY KEY) STRICT;
"""


class Level(StrEnum):
    """A table by point, the finest first."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"


@dataclass(frozen=True, slots=True)
class Sums:
    """What a minute, or more, of a point comes to."""

    point: str
    minute: int  # at which it begins
    low: float
    high: float
    total: float
    count: int
    last: float

    def __add__(self, later: "Sums") -> "Sums":
        return Sums(
            self.point,
            self.minute,
            min(self.low, later.low),
            max(self.high, later.high),
            self.total + later.total,
            self.count + later.count,
            later.last,
        )


KEPT = {Level.MINUTES: 400 * DAY, Level.HOURS: 3653 * DAY, Level.DAYS: 36525 * DAY}
"""Minutes back from the newest, if there is room."""

YIELDS = ((Level.MINUTES, 7 * DAY), (Level.HOURS, 400 * DAY), (Level.MINUTES, 0), (Level.HOURS, 0))
"""Who makes room, down to how much of it, in turn."""

_BOUNDS = """
SELECT (SELECT minute FROM {0} WHERE point = ?1 ORDER BY minute LIMIT 1),
    (SELECT minute FROM {0} WHERE point = ?1 ORDER BY minute DESC LIMIT 1)
"""

SHARE = 64  # the oldest 1/64 makes room at once
ROLL = 20_000  # points times hours that are rolled up at once, at most: about a second

_ROW = "VALUES ((SELECT id FROM points WHERE name = ?), ?, ?, ?, ?, ?, ?)"
_ADD = """
INSERT INTO {} {} ON CONFLICT (point, minute) DO UPDATE SET
    low = min(low, excluded.low), high = max(high, excluded.high), total = total + excluded.total,
    count = count + excluded.count, last = {}
"""
_REPLACE = """
INSERT INTO {} {} ON CONFLICT (point, minute) DO UPDATE SET
    low = excluded.low, high = excluded.high, total = excluded.total, count = excluded.count,
    last = excluded.last
WHERE excluded.count > count
"""


@dataclass(frozen=True, slots=True)
class How:
    """Statements that bring a row in."""

    fresh: str
    late: Mapping[Level, str]


ADDED = How(
    _ADD.format("fresh", _ROW, "excluded.last"),
    {
        Level.MINUTES: _ADD.format("minutes", _ROW, "excluded.last"),
        Level.HOURS: _ADD.format("hours", _ROW, "last"),
        Level.DAYS: _ADD.format("days", _ROW, "last"),
    },
)
"""Further readings of a minute; of the parts of an hour or a day the late one is the earlier."""

FULLER = How(_REPLACE.format("fresh", _ROW), {level: _REPLACE.format(level, _ROW) for level in Level})
"""Another record of the same minute: the one with more readings stands. Twice is as good as once."""

_MOVE = _ADD.format(
    "minutes",
    "SELECT point, minute, low, high, total, count, last FROM fresh WHERE minute < ? ORDER BY point, minute",
    "excluded.last",
)
_SUM_UP = """
INSERT OR REPLACE INTO {coarse}
SELECT point, :since, min(low), max(high), sum(total), sum(count), (
    SELECT last FROM {fine} WHERE point = :point AND minute < :until ORDER BY minute DESC LIMIT 1
) FROM {fine} WHERE point = :point AND minute >= :since AND minute < :until GROUP BY point
"""


class Calendar:
    """The days of a time zone, in minutes since 1970."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone

    def day(self, minute: int, later: int = 0) -> int:
        """The midnight that begins its day, or that of some days later."""
        date = datetime.fromtimestamp(minute * 60, self.zone).date() + timedelta(days=later)
        return int(datetime(date.year, date.month, date.day, tzinfo=self.zone).timestamp()) // 60

    def begin(self, level: Level, minute: int) -> int:
        """Of the minute, hour or day that it is in."""
        match level:
            case Level.MINUTES:
                return minute
            case Level.HOURS:
                return minute - minute % HOUR
            case Level.DAYS:
                return self.day(minute)

    def end(self, level: Level, minute: int) -> int:
        """As `begin`, of the next one."""
        match level:
            case Level.MINUTES:
                return minute + 1
            case Level.HOURS:
                return minute - minute % HOUR + HOUR
            case Level.DAYS:
                return self.day(minute, 1)


class Rollups:
    """Writes the tables, for one thread. Nothing here opens a transaction but for what is a whole one."""

    def __init__(self, db: sqlite3.Connection, zone: ZoneInfo, kept: Mapping[Level, int] = KEPT) -> None:
        self._db, self._kept = db, kept
        self.calendar = Calendar(zone)
        self._newest = int(db.execute("SELECT coalesce(max(minute), 0) FROM fresh").fetchone()[0])

    # -- in ----------------------------------------------------------------------------------------

    def put(self, sums: Collection[Sums], how: How = ADDED) -> None:
        """Minutes, new and late ones."""
        upto = mark(self._db, Level.HOURS)
        late = [it for it in sums if it.minute < upto]
        with transaction(self._db):
            points = ((it.point,) for it in sums)
            self._db.executemany("INSERT OR IGNORE INTO points (name) VALUES (?)", points)
            self._db.executemany(how.fresh, (_row(it, it.minute) for it in sums if it.minute >= upto))
            self._put_late(late, how)
        self._newest = max(self._newest, *(it.minute for it in sums))

    def _put_late(self, sums: Collection[Sums], how: How) -> None:
        """Each to the finest table that reaches back to it; the hours and days above it are made anew."""
        folded: dict[tuple[Level, str, int], Sums] = {}
        for it in sums:
            level = self._finest(it.minute)
            key = level, it.point, self.calendar.begin(level, it.minute)
            folded[key] = folded[key] + it if key in folded else it
        for (level, _, begin), it in folded.items():
            self._db.execute(how.late[level], _row(it, begin))
        for level in (Level.HOURS, Level.DAYS):
            upto = mark(self._db, level)
            for point, begin in {
                (it.point, self.calendar.begin(level, it.minute)) for it in sums if it.minute < upto
            }:
                self._sum_up(level, begin, self._db.execute("SELECT id FROM points WHERE name = ?", (point,)))

    def _finest(self, minute: int) -> Level:
        for level in (Level.MINUTES, Level.HOURS):
            if self.calendar.begin(level, minute) >= mark(self._db, f"{level} since"):
                return level
        return Level.DAYS

    # -- up ----------------------------------------------------------------------------------------

    @property
    def behind(self) -> bool:
        """Whether an hour is over that is not rolled up."""
        return mark(self._db, Level.HOURS) < self.calendar.begin(Level.HOURS, self._newest)

    def roll(self) -> None:
        """Rolls up the hours and days that are over, the oldest first, `ROLL` of them at most."""
        self._settle_zone(self.calendar.zone.key)
        points = self._points()
        for _ in range(max(ROLL // max(len(points), 1), 1)):
            if not self.behind:
                return
            self._roll_hour(points)

    def _roll_hour(self, points: Collection[tuple[int]]) -> None:
        """The next hour that has anything, and the days that are over with it."""
        upto, over = mark(self._db, Level.HOURS), self.calendar.begin(Level.HOURS, self._newest)
        begin = self.calendar.begin(Level.HOURS, self._next(points, upto))
        end = min(begin + HOUR, over)
        with transaction(self._db):
            if begin < over:
                self._db.execute(_MOVE, (end,))
                self._db.execute("DELETE FROM fresh WHERE minute < ?", (end,))
                self._sum_up(Level.HOURS, begin, points)
            self._set(Level.HOURS, end)
            today = self.calendar.day(end)
            if mark(self._db, Level.DAYS) < today:
                for day in {self.calendar.day(last) for last in (upto - 1, end - 1) if last > 0} - {today}:
                    self._sum_up(Level.DAYS, day, points)
                self._set(Level.DAYS, today)

    def _sum_up(self, level: Level, begin: int, points: Iterable[tuple[int]]) -> None:
        """A whole unit, of what it consists of; where that is forgotten what is there stays."""
        end = self.calendar.end(level, begin)
        fine = self._source(level, begin, end)
        if begin >= mark(self._db, f"{fine} since"):
            statement = _SUM_UP.format(coarse=level, fine=fine)
            rows = ({"point": point, "since": begin, "until": end} for (point,) in points)
            self._db.executemany(statement, rows)

    def _source(self, level: Level, begin: int, end: int) -> Level:
        """Where a day does not begin on an hour of UTC it is made of minutes, as long as they are kept."""
        if level is Level.HOURS:
            return Level.MINUTES
        whole = begin % HOUR == end % HOUR == 0
        return Level.HOURS if whole or begin < mark(self._db, "minutes since") else Level.MINUTES

    def _next(self, points: Iterable[tuple[int]], minute: int) -> int:
        """The first minute from this one on that has anything; the newest if there is none."""
        found = [self._db.execute("SELECT min(minute) FROM fresh WHERE minute >= ?", (minute,)).fetchone()[0]]
        for (point,) in points:
            first = "SELECT min(minute) FROM minutes WHERE point = ? AND minute >= ?"
            found += self._db.execute(first, (point, minute)).fetchone()
        return min((it for it in found if it is not None), default=self._newest)

    # -- out ---------------------------------------------------------------------------------------

    def forget_old(self) -> None:
        for level, kept in self._kept.items():
            before = self._midnight(self._newest - kept)
            if before > mark(self._db, f"{level} since"):
                self._forget(level, before)

    def make_room(self) -> bool:
        """Forgets the oldest; False if there is nothing more to forget."""
        for level, least in YIELDS:
            bounds = [self._db.execute(_BOUNDS.format(level), point).fetchone() for point in self._points()]
            known = [(first, last) for first, last in bounds if first is not None]
            if not known:
                continue
            oldest, newest = min(first for first, _ in known), max(last for _, last in known)
            before = self._midnight(oldest + (newest - oldest) // SHARE + DAY)
            if before <= newest - least and self._forget(level, before):
                return True
        return False

    def _midnight(self, minute: int) -> int:
        """Before it, on an hour of UTC: no hour is forgotten in part."""
        return self.calendar.begin(Level.HOURS, self.calendar.day(minute))

    def _forget(self, level: Level, before: int) -> bool:
        """Whether anything went."""
        changes = self._db.total_changes
        with transaction(self._db):
            for (point,) in self._points():  # one by one, since the key begins with the point
                self._db.execute(f"DELETE FROM {level} WHERE point = ? AND minute < ?", (point, before))  # noqa: S608
            if level is Level.MINUTES:  # of an old file that is full even what is not rolled up yet
                self._db.execute("DELETE FROM fresh WHERE minute < ?", (before,))
                self._set(Level.HOURS, before)
            gone = self._db.total_changes > changes
            self._set(f"{level} since", before)
        return gone

    # -- marks -------------------------------------------------------------------------------------

    def _points(self) -> list[tuple[int]]:
        return self._db.execute("SELECT id FROM points").fetchall()

    def _set(self, name: str, minute: int) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO marks VALUES (?, max(?, ?))", (name, minute, mark(self._db, name))
        )

    def _settle_zone(self, name: str) -> None:
        """In another time zone days begin elsewhere: those whose hours are kept are made anew."""
        if self._db.execute("SELECT name FROM zones").fetchall() == [(name,)]:
            return
        since, upto = mark(self._db, "hours since"), mark(self._db, Level.HOURS)
        with transaction(self._db):
            self._db.execute("DELETE FROM days WHERE minute >= ?", (since,))
            for point in self._points():
                for begin in self._days_of(point, since, upto):
                    self._sum_up(Level.DAYS, begin, [point])
            self._db.execute("DELETE FROM marks WHERE name = ?", (Level.DAYS,))
            self._set(Level.DAYS, self.calendar.day(upto))
            self._db.execute("DELETE FROM zones")
            self._db.execute("INSERT INTO zones VALUES (?)", (name,))

    def _days_of(self, point: tuple[int], since: int, upto: int) -> set[int]:
        hours = self._db.execute("SELECT minute FROM hours WHERE point = ? AND minute >= ?", (*point, since))
        return {self.calendar.day(hour) for (hour,) in hours} - {self.calendar.day(upto)}


def mark(db: sqlite3.Connection, name: str) -> int:
    """`hours`, `days`: what begins before this minute is rolled up. `minutes since`, `hours since`,
    `days since`: what begins before it is forgotten."""
    found = db.execute("SELECT minute FROM marks WHERE name = ?", (name,)).fetchone()
    return int(found[0]) if found else 0


def _row(it: Sums, minute: int) -> tuple[str | int | float, ...]:
    return it.point, minute, it.low, it.high, it.total, it.count, it.last
