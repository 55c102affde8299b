"""What a chart shows of a point, from the coarsest table that has it: see rollups.py for the tables.

A chart takes milliseconds whatever its range, since no more than `ROWS` rows of a table are looked at.
"""

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from sitewarden.gateway.trend.rollups import DAY, HOUR, Calendar, Level, Sums, mark

ROWS = {Level.MINUTES: 7 * DAY, Level.HOURS: 400 * DAY}
"""Minutes that a chart of this level spans at most: ten thousand rows."""

_BUCKETS = """
SELECT least, most, sum, readings, last, minute FROM (
    SELECT {0}.point AS id, min(low) AS least, max(high) AS most, sum(total) AS sum, sum(count) AS readings,
        max(minute) AS newest
    FROM json_each(?) AS edge CROSS JOIN {0}
    WHERE point = ? AND minute >= json_extract(value, '$[0]') AND minute < json_extract(value, '$[1]')
    GROUP BY key
) JOIN {0} ON point = id AND minute = newest
"""
_FRESH = """
WITH RECURSIVE clock(minute) AS (VALUES (?) UNION ALL SELECT minute + 1 FROM clock WHERE minute + 1 < ?)
SELECT low, high, total, count, last, fresh.minute FROM clock CROSS JOIN fresh USING (minute) WHERE point = ?
"""

Row = tuple[float, float, float, int, float, int]


def chart(
    db: sqlite3.Connection,
    calendar: Calendar,
    point: str,
    since: int,
    until: int,
    buckets: int,
    more: Iterable[Sums],
) -> Iterator[Sums]:
    """At most `buckets` buckets over [since, until), minutes; `more`: minutes that are in no table yet. A
    bucket is whole minutes, hours or days, and may be wider than asked; those without a reading are left
    out."""
    level = _level(db, calendar, since, until, buckets)
    edges = _edges(calendar, level, since, until, buckets)
    found: dict[int, Sums] = {}
    for it in (*_stored(db, calendar, level, point, edges), *more):
        if edges[0] <= it.minute < edges[-1]:
            begin = edges[bisect_right(edges, it.minute) - 1]
            found[begin] = found[begin] + it if begin in found else replace(it, minute=begin)
    for begin in sorted(found):
        yield found[begin]


def _level(db: sqlite3.Connection, calendar: Calendar, since: int, until: int, buckets: int) -> Level:
    """The coarsest that serves the asked buckets exactly. If none coarser than minutes does, the finest that
    reaches back so far and has few enough rows."""
    for level, unit in ((Level.DAYS, DAY), (Level.HOURS, HOUR)):
        whole = all(calendar.begin(level, edge) == edge for edge in (since, until))
        if whole and round((until - since) / unit) % buckets == 0:
            return level
    for level in (Level.MINUTES, Level.HOURS):
        if until - since <= ROWS[level] and since >= mark(db, f"{level} since"):
            return level
    return Level.DAYS


def _edges(calendar: Calendar, level: Level, since: int, until: int, buckets: int) -> list[int]:
    """Where buckets begin, and at last where they end."""
    begin, end = calendar.begin(level, since), calendar.end(level, until - 1)
    unit = {Level.MINUTES: 1, Level.HOURS: HOUR, Level.DAYS: DAY}[level]
    units = round((end - begin) / unit)
    width = max(-(-units // buckets), 1)
    starts = range(0, units, width)
    if level is Level.DAYS:
        return [*(calendar.day(begin, later) for later in starts), end]
    return [*(begin + unit * start for start in starts), end]


def _stored(
    db: sqlite3.Connection, calendar: Calendar, level: Level, point: str, edges: Sequence[int]
) -> Iterator[Sums]:
    """Of what is rolled up whole buckets, and then what is not, from the next finer table."""
    found = db.execute("SELECT id FROM points WHERE name = ?", (point,)).fetchone()
    if found is None:
        return
    (number,) = found
    at, rolled = edges[0], mark(db, Level.HOURS)
    if level is Level.DAYS:
        upto = min(max(mark(db, Level.DAYS), at), edges[-1])
        yield from _table(db, Level.DAYS, number, point, edges, at, upto)
        at = upto
    if level is not Level.MINUTES:
        on = min(-(-at // HOUR) * HOUR, edges[-1])  # a day may begin at half past
        yield from _table(db, Level.MINUTES, number, point, edges, at, on)
        upto = min(max(rolled, on), edges[-1])
        yield from _table(db, Level.HOURS, number, point, edges, on, upto)
        at = upto
    yield from _table(db, Level.MINUTES, number, point, edges, at, edges[-1])
    (newest,) = db.execute("SELECT max(minute) FROM fresh").fetchone()
    since, until = max(at, rolled), min(edges[-1], (newest or 0) + 1)
    if since < until:
        yield from (_sums(point, row) for row in db.execute(_FRESH, (since, until, number)))


def _table(
    db: sqlite3.Connection,
    table: Level,
    number: int,
    point: str,
    edges: Sequence[int],
    since: int,
    until: int,
) -> Iterator[Sums]:
    """What of it lies in [since, until), summed up by the edges."""
    clipped = [(max(begin, since), min(end, until)) for begin, end in pairwise(edges)]
    wanted = json.dumps([(begin, end) for begin, end in clipped if begin < end])
    for row in db.execute(_BUCKETS.format(table), (wanted, number)):
        yield _sums(point, row)


def _sums(point: str, row: Row) -> Sums:
    low, high, total, count, last, minute = row
    return Sums(point, minute, low, high, total, count, last)
