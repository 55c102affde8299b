"""Minutes, merged into buckets."""

import errno
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from sitewarden.gateway.clock import Clock
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.trend.rollups import Rollups
from sitewarden.gateway.trend.trend import Trend, TrendRow
from sitewarden.gateway.trend.writer import TrendWriter
from sitewarden.rules.model import Quality, Reading, Reason, Stamp, Trouble, Value
from tests.gateway.machine import Machine
from tests.servers import until

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def reading(second: float, value: Value | None, point: str = "tank.level") -> Reading:
    return Reading(point, value, Stamp(NOON + timedelta(seconds=second), second))


@pytest.fixture
def trend(tmp_path: Path) -> Iterator[Trend]:
    it = Trend(tmp_path / "trend.db")
    yield it
    it.close()


def minutes(count: int) -> tuple[datetime, datetime]:
    return NOON, NOON + timedelta(minutes=count)


def test_a_minute_is_lowest_mean_highest_last(trend: Trend) -> None:
    trend.add([reading(0, 1.0), reading(10, 4), reading(59.9, 2.5), reading(60, 9.0)])
    trend.flush()
    first = TrendRow(NOON, 1.0, 2.5, 4.0, 2.5)
    assert trend.query("tank.level", *minutes(2), 2) == [
        first,
        TrendRow(NOON + timedelta(minutes=1), 9.0, 9.0, 9.0, 9.0),
    ]
    assert trend.query("tank.level", *minutes(1), 1) == [first]
    assert trend.query("other", *minutes(2), 2) == []


def test_flushes_of_one_minute_are_merged_across_a_restart(tmp_path: Path) -> None:
    for value in (3.0, 1.0, 2.0):
        trend = Trend(tmp_path / "trend.db")
        trend.add([reading(0, value)])
        trend.flush()
        trend.close()
    assert trend.query("tank.level", *minutes(1), 1) == [TrendRow(NOON, 1.0, 2.0, 3.0, 2.0)]


def test_minutes_are_merged_into_buckets(trend: Trend) -> None:
    trend.add([reading(60 * n, float(n)) for n in range(60)])
    trend.flush()
    rows = trend.query("tank.level", *minutes(60), 6)
    assert rows[1] == TrendRow(NOON + timedelta(minutes=10), 10.0, 14.5, 19.0, 19.0)
    assert len(rows) == 6


def test_only_good_numbers_count(trend: Trend) -> None:
    bad = Reading("tank.level", 99.0, reading(1, 0).at, Quality.BAD, Reason.TIMEOUT)
    trend.add([reading(0, "text"), reading(0, None), reading(0, float("nan")), bad])
    trend.add([reading(0, True), reading(1, False)])
    trend.flush()
    assert trend.query("tank.level", *minutes(1), 1) == [TrendRow(NOON, 0.0, 0.5, 1.0, 0.0)]


def test_days_that_are_over_are_forgotten(tmp_path: Path) -> None:
    trend = Trend(tmp_path / "trend.db", days=2)
    for day in range(5):
        trend.add([reading(86400 * day, float(day))])
        trend.flush()
    rows = trend.query("tank.level", NOON + timedelta(days=2), NOON + timedelta(days=9), 10_000)
    assert [row.last for row in rows] == [2.0, 3.0, 4.0]
    assert trend.counted() == 3
    hours = trend.query("tank.level", NOON, NOON + timedelta(days=9), 10_000)
    assert [row.at for row in hours] == [NOON + timedelta(days=day) for day in range(5)]
    trend.close()


def test_a_full_file_forgets_its_oldest(tmp_path: Path) -> None:
    trend = Trend(tmp_path / "trend.db", most=40 * 4096)
    for day in range(12):
        trend.add([reading(86400 * day + 60 * n, float(day)) for n in range(1000)])
        trend.flush()
    rows = trend.query("tank.level", NOON, NOON + timedelta(days=20), 1_000_000)
    assert [row.last for row in rows if row.at.hour == 20] == [float(day) for day in range(12)]
    assert 1000 < trend.counted() < 6000
    assert (tmp_path / "trend.db").stat().st_size <= 40 * 4096
    trend.close()


def test_the_writer_stores_what_was_published(tmp_path: Path) -> None:
    hub, troubles = Hub(), list[Trouble]()
    trend = Trend(tmp_path / "trend.db")
    writer = TrendWriter(trend, hub.subscribe("trend", 100, {Reading}), troubles.append, Clock())
    writer.start()
    hub.publish([reading(n, float(n)) for n in range(60)])
    writer.stop()
    assert [row.mean for row in trend.query("tank.level", *minutes(1), 1)] == [29.5]
    assert troubles == []


def test_a_broken_file_is_set_aside_and_said(tmp_path: Path) -> None:
    hub, troubles = Hub(), list[Trouble]()
    trend = Trend(tmp_path / "trend.db")
    trend.add([reading(n, 1.0, f"p.{n}") for n in range(3000)])
    trend.flush()
    trend.close()
    data = bytearray((tmp_path / "trend.db").read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    (tmp_path / "trend.db").write_bytes(data)
    trend = Trend(tmp_path / "trend.db")
    subscription = hub.subscribe("trend", 100, {Reading})
    hub.publish([reading(60, 1.0)])
    writer = TrendWriter(trend, subscription, troubles.append, Clock())
    writer.start()
    writer.stop()
    assert [(it.code, it.params, it.lasts) for it in troubles] == [
        ("trend_set_aside", {"file": "trend.db.broken-1"}, False)
    ]
    assert [row.mean for row in trend.query("tank.level", *minutes(2), 1)] == [1.0]


def test_a_file_found_broken_at_the_start_is_said(tmp_path: Path) -> None:
    (tmp_path / "trend.db").write_bytes(b"not a database at all" * 300)
    hub, troubles = Hub(), list[Trouble]()
    trend = Trend(tmp_path / "trend.db")
    writer = TrendWriter(trend, hub.subscribe("trend", 100, {Reading}), troubles.append, Clock())
    hub.publish([reading(0, 1.0)])
    writer.start()
    writer.stop()
    assert [(it.code, it.params, it.lasts) for it in troubles] == [
        ("trend_set_aside", {"file": "trend.db.broken-1"}, False)
    ]


@pytest.mark.parametrize(
    ("part", "error"),
    [
        ("open_sound", sqlite3.OperationalError("database or disk is full")),
        ("set_aside", OSError(errno.EROFS, "Read-only file system")),
    ],
)
def test_a_broken_file_that_cannot_be_replaced_is_said_and_replaced_when_it_can(
    trend: Trend, monkeypatch: pytest.MonkeyPatch, part: str, error: Exception
) -> None:
    def refused(*_: object) -> NoReturn:
        raise error

    hub, troubles = Hub(), list[Trouble]()
    monkeypatch.setattr("sitewarden.gateway.trend.writer.TAKE", 0.01)
    writer = TrendWriter(trend, hub.subscribe("trend", 100, {Reading}), troubles.append, Clock())
    with monkeypatch.context() as disk:
        disk.setattr(Rollups, "put", broken)
        disk.setattr(f"sitewarden.gateway.trend.trend.{part}", refused)
        hub.publish([reading(0, 1.0), reading(60, 1.0)])
        writer.start()
        assert until(lambda: troubles)
    hub.publish([reading(120, 2.0), reading(180, 2.0)])
    assert until(lambda: not troubles[-1].on)
    writer.stop()
    assert [row.mean for row in trend.query("tank.level", *minutes(4), 4)] == [2.0, 2.0]
    assert [(trouble.code, trouble.on) for trouble in troubles if trouble.lasts] == [
        ("trend_failed", True),
        ("trend_failed", False),
    ]


def broken(*_: object) -> NoReturn:
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise error


def test_the_writer_survives_a_file_that_cannot_be_replaced(
    trend: Trend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> NoReturn:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("sitewarden.gateway.trend.trend.set_aside", refused)
    with monkeypatch.context() as disk:
        disk.setattr(Rollups, "put", broken)
        trend.add([reading(0, 1.0)])
        with pytest.raises(OSError, match="Read-only"):
            trend.flush()
    trend.add([reading(60, 2.0)])
    assert not trend.due
    trend.flush()
    assert [row.mean for row in trend.query("tank.level", *minutes(2), 2)] == [2.0]


def test_a_clock_that_leaps_ahead_for_a_while_costs_no_history(trend: Trend) -> None:
    machine = Machine(NOON)
    clock, troubles, hub = machine.clock(None), list[Trouble](), Hub()
    trend.add([reading(0, 1.0)])
    trend.flush()
    writer = TrendWriter(trend, hub.subscribe("trend", 100, {Reading}), troubles.append, clock)
    machine.wall += timedelta(days=365)
    hub.publish([Reading("tank.level", 9.0, clock.now())])
    writer.start()
    writer.stop()
    since, until = NOON - timedelta(minutes=1), NOON + timedelta(days=366)
    assert [row.mean for row in trend.query("tank.level", since, until, 1)] == [1.0]
