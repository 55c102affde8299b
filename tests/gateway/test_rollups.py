"""Minutes, hours and days agree with the readings they came from, in whatever order these came."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.gateway.trend import rollups
from sitewarden.gateway.trend.rollups import FULLER, Sums
from sitewarden.gateway.trend.trend import Trend, TrendRow
from sitewarden.rules.model import Reading, Stamp

UTC_ZONE, BERLIN, KOLKATA = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
SPRING = datetime(2026, 3, 27, tzinfo=UTC)  # two days before Berlin's day of 23 hours
Told = tuple[datetime, float, float, float]

OLD_SCHEMA = """
CREATE TABLE points (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE minutes (
    point INTEGER NOT NULL, minute INTEGER NOT NULL, low REAL NOT NULL, high REAL NOT NULL,
    total REAL NOT NULL, count INTEGER NOT NULL, last REAL NOT NULL, PRIMARY KEY (point, minute)
) STRICT, WITHOUT ROWID;
"""


def reading(minute: float, value: float, point: str = "p.x") -> Reading:
    return Reading(point, value, Stamp(SPRING + timedelta(minutes=minute), minute))


def bucketed(readings: Iterable[Reading], edges: list[datetime]) -> list[Told]:
    """Start, lowest, mean and highest, the plain way."""
    rows = []
    for begin, end in pairwise(edges):
        values = [float(it.value) for it in readings if begin <= it.at.wall < end]  # type: ignore[arg-type]
        if values:
            rows.append((begin, min(values), sum(values) / len(values), max(values)))
    return rows


def told(rows: Iterable[TrendRow]) -> list[Told]:
    return [(it.at, it.low, it.mean, it.high) for it in rows]


def midnights(zone: ZoneInfo, days: int) -> list[datetime]:
    first = SPRING.astimezone(zone).date()
    dates = [first + timedelta(days=n) for n in range(days + 1)]
    return [datetime(it.year, it.month, it.day, tzinfo=zone).astimezone(UTC) for it in dates]


batches = st.lists(
    st.lists(st.tuples(st.integers(0, 5 * 1440 - 1), st.integers(-100, 100)), max_size=12), max_size=8
)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(batches, st.sampled_from([UTC_ZONE, BERLIN, KOLKATA]), st.booleans())
def test_every_level_agrees_with_the_readings(
    batches: list[list[tuple[int, int]]], zone: ZoneInfo, written: bool
) -> None:
    readings = [reading(minute, float(value)) for batch in batches for minute, value in batch]
    with TemporaryDirectory() as folder:
        trend = Trend(Path(folder) / "trend.db", zone)
        for batch in batches:
            trend.add(reading(minute, float(value)) for minute, value in batch)
            if written:
                trend.flush()
        days = midnights(zone, 6)
        assert told(trend.query("p.x", days[0], days[-1], 6)) == bucketed(readings, days)
        hours = [SPRING + timedelta(hours=n) for n in range(5 * 24 + 1)]
        assert told(trend.query("p.x", hours[0], hours[-1], 120)) == bucketed(readings, hours)
        odd = [SPRING + timedelta(minutes=7 + 97 * n) for n in range(75)]
        assert told(trend.query("p.x", odd[0], odd[-1], 74)) == bucketed(readings, odd)
        trend.close()


def test_a_day_has_the_hours_that_its_site_has(tmp_path: Path) -> None:
    trend = Trend(tmp_path / "trend.db", BERLIN)
    trend.add(reading(minute, 1.0) for minute in range(0, 6 * 1440, 30))
    trend.flush()
    days = midnights(BERLIN, 5)
    rows = trend.query("p.x", days[0], days[-1], 5)
    assert [row.at for row in rows] == days[:-1]
    with closing(sqlite3.connect(tmp_path / "trend.db")) as db:
        counts = [count for (count,) in db.execute("SELECT count FROM days ORDER BY minute")]
    assert counts == [46, 48, 46, 48, 48, 48]  # the first began an hour before the readings
    trend.close()


def test_the_last_value_is_the_newest_at_every_level(tmp_path: Path) -> None:
    trend = Trend(tmp_path / "trend.db")
    trend.add([reading(0, 1.0), reading(70, 2.0), reading(1500, 3.0), reading(4000, 4.0)])
    trend.flush()
    trend.add([reading(30, 9.0)])
    trend.flush()
    days = trend.query("p.x", SPRING, SPRING + timedelta(days=3), 3)
    assert [row.last for row in days] == [2.0, 3.0, 4.0]
    hours = trend.query("p.x", SPRING, SPRING + timedelta(hours=2), 2)
    assert [(row.last, row.high) for row in hours] == [(9.0, 9.0), (2.0, 2.0)]
    trend.close()


def test_an_old_file_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "trend.db"
    begin = int(SPRING.timestamp()) // 60
    with closing(sqlite3.connect(path)) as db:
        db.executescript(OLD_SCHEMA)
        db.execute("INSERT INTO points VALUES (7, 'p.x')")
        rows = [(7, begin + n, n, n + 1, 2 * n + 1, 2, n) for n in range(0, 3000, 10)]
        db.executemany("INSERT INTO minutes VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        db.commit()
    trend = Trend(path)
    before = trend.query("p.x", SPRING, SPRING + timedelta(days=3), 3)
    trend.add([reading(2990, 5.0), reading(3060, 1.0)])
    trend.flush()
    assert trend.set_aside is None
    after = trend.query("p.x", SPRING, SPRING + timedelta(days=3), 3)
    assert after[:2] == before[:2]
    assert after[1].at == SPRING + timedelta(days=1)
    assert after[1].high == 2871.0
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*), sum(count) FROM hours").fetchone() == (50, 601)
        assert db.execute("SELECT count(*) FROM days").fetchone() == (2,)
        assert db.execute("SELECT count(*) FROM fresh").fetchone() == (1,)
    trend.close()


def test_a_large_old_file_is_taken_over_by_and_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "ROLL", 10)
    trend = Trend(tmp_path / "trend.db")
    trend.add(reading(60.0 * n, 1.0) for n in range(30))
    trend.flush()
    turns = 0
    while trend.roll():
        turns += 1
    assert turns == 1
    assert len(trend.query("p.x", SPRING, SPRING + timedelta(hours=30), 30)) == 30
    trend.close()


def test_what_comes_later_than_minutes_are_kept_is_in_its_hour_and_day(tmp_path: Path) -> None:
    trend = Trend(tmp_path / "trend.db", days=1)
    trend.add([reading(0, 1.0), reading(4 * 1440, 2.0)])
    trend.flush()
    trend.add([reading(10, 5.0), reading(90, 7.0)])
    trend.flush()
    rows = trend.query("p.x", SPRING, SPRING + timedelta(hours=2), 120)
    assert [(row.low, row.mean, row.high, row.last) for row in rows] == [(1, 3, 5, 1), (7, 7, 7, 7)]
    day = trend.query("p.x", SPRING, SPRING + timedelta(days=1), 1)
    assert [(row.low, row.high, row.mean) for row in day] == [(1.0, 7.0, 13 / 3)]
    trend.close()


def test_the_fuller_record_of_a_minute_stands(tmp_path: Path) -> None:
    trend = Trend(tmp_path / "trend.db")
    begin = int(SPRING.timestamp()) // 60
    trend.add([reading(0, 1.0), reading(0.2, 1.0), reading(200, 1.0)])
    trend.flush()
    for _ in range(2):
        trend.put([Sums("p.x", begin, 5, 5, 5, 1, 5), Sums("p.x", begin + 1, 0, 4, 8, 4, 3)], FULLER)
    rows = trend.query("p.x", SPRING, SPRING + timedelta(hours=1), 1)
    assert told(rows) == [(SPRING, 0.0, 10 / 6, 4.0)]
    trend.close()


def test_in_another_time_zone_days_begin_elsewhere(tmp_path: Path) -> None:
    for zone in (UTC_ZONE, BERLIN, KOLKATA):
        trend = Trend(tmp_path / "trend.db", zone)
        if zone is UTC_ZONE:
            trend.add(reading(minute, float(minute)) for minute in range(0, 4320, 10))
        trend.add([reading(4320, 0.0)])
        trend.flush()
        days = midnights(zone, 2)
        values = [reading(minute, float(minute)) for minute in range(0, 4320, 10)]
        assert told(trend.query("p.x", days[0], days[-1], 2)) == bucketed(values, days)
        trend.close()


def test_a_minute_is_written_once_it_is_over(tmp_path: Path) -> None:
    trend = Trend(tmp_path / "trend.db")
    trend.add([reading(0, 1.0), reading(0.9, 2.0)])
    assert not trend.due
    assert trend.query("p.x", SPRING, SPRING + timedelta(minutes=1), 1)[0].last == 2.0
    trend.add([reading(1, 3.0)])
    assert trend.due
    trend.close()


def test_where_midnight_is_at_half_past_no_hour_is_forgotten_in_part(tmp_path: Path) -> None:
    trend = Trend(tmp_path / "trend.db", KOLKATA, days=1)
    trend.add(reading(minute, 1.0) for minute in range(0, 3 * 1440, 10))
    trend.flush()
    with closing(sqlite3.connect(tmp_path / "trend.db")) as db:
        (oldest,) = db.execute("SELECT min(minute) FROM minutes").fetchone()
    assert oldest % 60 == 0
    trend.add([reading(oldest - int(SPRING.timestamp()) // 60 + 5, 4.0)])
    trend.flush()
    begin = datetime.fromtimestamp(oldest * 60, UTC)
    assert [row.high for row in trend.query("p.x", begin, begin + timedelta(hours=1), 1)] == [4.0]
    trend.close()
