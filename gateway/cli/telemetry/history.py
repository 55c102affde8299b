"""What is stored of the past, as rows: readings and events from the spool's blocks, rollups from trend.db.

The files are read beside a running gateway, a page at a time: a long look would keep SQLite from tidying up.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache
from re import compile as pattern

from sitewarden.gateway.sinks.parse import Record, Value, parse
from sitewarden.gateway.spool.blocks import is_sound, unpack
from sitewarden.gateway.trend.rollups import Level

PAGE_BLOCKS, PAGE_ROWS = 64, 10_000
MINUTE = 60_000_000_000  # ns

Row = tuple[int, str, *tuple[Value | None, ...]]
"""The instant in ns since 1970, the point or the event, and the other cells."""

_FRESH = """
SELECT minute, point, low, total / count, high, last, count FROM fresh
WHERE minute >= ? AND minute < ? ORDER BY minute, point
"""

Columns = Mapping[str, str]
"""Names, and the types of their cells."""

READINGS: Columns = {
    "at": "instant",
    "point": "text",
    "value": "number",
    "state": "flag",
    "text": "text",
    "quality": "text",
    "reason": "text",
}
EVENTS: Columns = {"at": "instant", "event": "text", "tags": "text", "fields": "text"}
ROLLUPS: Columns = {
    "at": "instant",
    "point": "text",
    "low": "number",
    "mean": "number",
    "high": "number",
    "last": "number",
    "count": "count",
}


@dataclass(frozen=True, slots=True)
class Range:
    """[since, until) in ns."""

    since: int
    until: int


@dataclass(slots=True)
class Points:
    """Which are wanted, by patterns; none: all."""

    patterns: Sequence[str] = ()
    wanted: Callable[[str], bool] = field(init=False)

    def __post_init__(self) -> None:
        matching = [pattern(translate(it)).match for it in self.patterns]
        self.wanted = cache(lambda point: not matching or any(match(point) for match in matching))


@dataclass(slots=True)
class History:
    """One way through a file. `size`: steps there are; `broken`: blocks that are not what was written."""

    size: int
    pages: Iterator[tuple[int, list[Row]]]  # steps done, rows
    broken: int = 0


def from_spool(db: sqlite3.Connection, events: bool, span: Range, points: Points) -> History:
    """Readings or events, block after block as they were recorded."""
    ids = "id < 0" if events else "id > 0"
    bounds = (span.since, span.until)
    asked = f"FROM blocks WHERE {ids} AND last >= ? AND first < ?"
    (size,) = db.execute(f"SELECT count(*) {asked}", bounds).fetchone()
    query = f"SELECT id, first, last, count, crc, packed, lines {asked} AND id > ? ORDER BY id LIMIT ?"

    def pages() -> Iterator[tuple[int, list[Row]]]:
        after = -(1 << 62)
        while found := db.execute(query, (*bounds, after, PAGE_BLOCKS)).fetchall():
            after = found[-1][0]
            sound = [it for it in found if is_sound(it)]
            history.broken += len(found) - len(sound)
            records = (parse(line) for it in sound for line in unpack(it).lines)
            wanted = (it for it in records if span.since <= it.ns < span.until)
            if events:
                yield len(found), [_event(it) for it in wanted]
            else:
                readings = [_reading(it) for it in wanted if it.measurement == "reading"]
                yield len(found), [it for it in readings if points.wanted(it[1])]

    history = History(size, pages())
    return history


def _reading(record: Record) -> Row:
    tags, fields = record.tags, record.fields
    point = f"{tags['device']}.{tags['point']}"
    cells = (fields.get(name) for name in ("value", "state", "text", "quality", "reason"))
    return record.ns, point, *cells


def _event(record: Record) -> Row:
    tags, fields = (json.dumps(dict(it), ensure_ascii=False) for it in (record.tags, record.fields))
    return record.ns, record.measurement, tags, fields


def from_trend(db: sqlite3.Connection, level: Level, span: Range, points: Points) -> History:
    """Units that are over, point after point; of the hour that is not over its minutes at the end."""
    named = [(it, name) for it, name in db.execute("SELECT id, name FROM points") if points.wanted(name)]
    since, until = -(-span.since // MINUTE), -(-span.until // MINUTE)
    query = (
        f"SELECT minute, low, total / count, high, last, count FROM {level}"  # noqa: S608
        " WHERE point = ? AND minute >= ? AND minute < ? ORDER BY minute LIMIT ?"
    )

    def pages() -> Iterator[tuple[int, list[Row]]]:
        for number, name in sorted(named, key=lambda it: it[1]):
            begin = since
            while found := db.execute(query, (number, begin, until, PAGE_ROWS)).fetchall():
                begin = found[-1][0] + 1
                yield 0, [(minute * MINUTE, name, *rest) for minute, *rest in found]
            yield 1, []
        if level is Level.MINUTES:
            names = dict(named)
            rows = [row for row in db.execute(_FRESH, (since, until)) if row[1] in names]
            yield 0, [(minute * MINUTE, names[point], *rest) for minute, point, *rest in rows]

    return History(len(named), pages())
