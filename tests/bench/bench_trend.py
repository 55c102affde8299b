"""What a chart takes of trend.db, and what trend.db takes of a flash disk."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sitewarden.gateway.database import Sync, connect, transaction
from sitewarden.gateway.trend.rollups import SCHEMA
from sitewarden.gateway.trend.trend import Trend
from sitewarden.rules.model import Reading, Stamp
from tests.bench.installation import folder
from tests.bench.measure import Figure, seconds

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = int(BEGIN.timestamp()) // 60
ZONE = ZoneInfo("Asia/Shanghai")
POINTS, DAYS = 4, 366  # of a thousand points only those of the chart are looked at
BUCKETS = 300
EVERY = 3  # s

_MINUTES_ONLY = """
SELECT bucket, least, mean, most, last FROM (
    SELECT (minute - :since) / :width AS bucket, min(low) AS least, sum(total) / sum(count) AS mean,
        max(high) AS most, max(minute) AS newest, point AS id
    FROM minutes WHERE point = 1 AND minute >= :since AND minute < :until
    GROUP BY bucket
) JOIN minutes ON minutes.point = id AND minutes.minute = newest
ORDER BY bucket
"""
_UPSERT = """
INSERT INTO minutes VALUES (?1, ?2, ?3, ?3, ?3, 1, ?3) ON CONFLICT (point, minute) DO UPDATE SET
    low = min(low, excluded.low), high = max(high, excluded.high), total = total + excluded.total,
    count = count + excluded.count, last = excluded.last
"""


def figures() -> Iterator[Figure]:
    with folder() as path:
        yield from _charts(path / "year.db")
    with folder() as path:
        yield _written(path)


def _charts(path: Path) -> Iterator[Figure]:
    """A year of minutes, rolled up as an old file is that is taken over."""
    with closing(connect(path, Sync.NORMAL)) as db:
        db.executescript(SCHEMA)
        for point in range(1, POINTS + 1):
            rows = (
                (point, FIRST + n, n % 97, n % 97 + 2, 60 * (n % 97), 60, n % 89) for n in range(DAYS * 1440)
            )
            with transaction(db):
                db.execute("INSERT INTO points VALUES (?, ?)", (point, f"pump-{point}.pressure"))
                db.executemany("INSERT INTO minutes VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    trend = Trend(path, ZONE)
    trend.add([Reading("pump-1.pressure", 1.0, Stamp(BEGIN + timedelta(days=DAYS), 0.0))])
    trend.flush()
    while trend.roll():
        pass
    with closing(sqlite3.connect(path)) as db:
        for name, days in (("year", 365), ("month", 30), ("week", 7), ("day", 1)):
            until = BEGIN + timedelta(days=DAYS, minutes=-7)
            since = until - timedelta(days=days)
            end = FIRST + DAYS * 1440 - 7
            bounds = {"since": end - days * 1440, "until": end, "width": days * 1440 // BUCKETS}

            def ours(since: datetime = since, until: datetime = until) -> None:
                assert trend.query("pump-1.pressure", since, until, BUCKETS)

            def minutes(bounds: dict[str, int] = bounds) -> None:
                assert db.execute(_MINUTES_ONLY, bounds).fetchall()

            value, baseline = seconds(ours) * 1e3, seconds(minutes) * 1e3
            note = f"{BUCKETS} buckets; baseline: the same of minutes alone"
            target = 0.1 if name == "year" else None
            yield Figure(f"trend.chart_of_a_{name}", value, "ms", baseline, target, note=note)
    trend.close()


def _written(path: Path) -> Figure:
    """Bytes handed to the disk, a thousand points, an hour and what is done at its end."""
    names = [f"unit-{n // 10}.p{n % 10}" for n in range(1000)]
    trend = Trend(path / "ours.db", ZONE)

    def hour(number: int) -> None:
        for second in range(3600 * number, 3600 * (number + 1), EVERY):
            at = Stamp(BEGIN + timedelta(seconds=second), float(second))
            trend.add(Reading(name, float(second % 7), at) for name in names)
            if trend.due:
                trend.flush()

    hour(0)
    ours = _bytes(lambda: hour(1)) / 60
    trend.close()
    with closing(connect(path / "upserts.db", Sync.NORMAL)) as db:
        db.executescript(SCHEMA)
        with transaction(db):  # each point has a page of its own by now
            db.executemany(_UPSERT, ((point, minute, 1.0) for point in range(1000) for minute in range(120)))

        def minute() -> None:
            for _ in range(60 // EVERY):
                with transaction(db):
                    db.executemany(_UPSERT, ((point, 120, 1.0) for point in range(1000)))

        baseline = _bytes(minute)
    note = f"a thousand points; baseline: each merged into its minute every {EVERY} s"
    return Figure("trend.written_a_minute", ours / 1e6, "MB", baseline / 1e6, 0.05, note=note)


def _bytes(work: Callable[[], None]) -> int:
    """That this process handed to the system in write calls."""

    def written() -> int:
        text = Path("/proc/self/io").read_text(encoding="ascii")
        return int(text.split("wchar:")[1].split()[0])

    before = written()
    work()
    return written() - before
