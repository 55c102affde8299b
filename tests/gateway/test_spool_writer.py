"""The thread between the hub and the spool."""

import errno
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from sitewarden.gateway.blocks import Loss
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.database import MIB
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.sinks.lines import WANTED, Lines
from sitewarden.gateway.spool import Spool, SpoolFailed
from sitewarden.gateway.spool_writer import HELD, SpoolWriter
from sitewarden.gateway.troubles import Troubles
from sitewarden.rules.model import Reading, Stamp, Trouble
from tests.gateway.spool_under_test import NOON, drain, noise
from tests.servers import until

pytestmark = pytest.mark.slow


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    it = Spool(path, ["influx"])
    yield it
    it.close()


class Stage:
    def __init__(self, spool: Spool, capacity: int = 100_000) -> None:
        self.hub, self.troubles = Hub(), list[Trouble]()
        subscription = self.hub.subscribe("spool", capacity, WANTED)
        lines, troubles = Lines("cuihu"), Troubles(self.troubles.append, Clock())
        self.writer = SpoolWriter(spool, subscription, lines, troubles)

    def publish(self, count: int) -> None:
        self.hub.publish(
            [Reading("tank.level", n, Stamp(NOON + timedelta(seconds=n), n)) for n in range(count)]
        )


def test_the_writer_spools_what_was_published(spool: Spool) -> None:
    stage = Stage(spool)
    stage.writer.start()
    stage.publish(12_345)
    stage.writer.stop()
    taken = drain(spool, most=100_000)
    assert len(taken) == 12_345
    assert taken[-1].startswith(
        b'reading,site=cuihu,device=tank,point=level value=12344.0,quality="good" 1772'
    )
    assert stage.troubles == []


def test_what_a_disk_refuses_waits_for_it_and_the_oldest_goes_first(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise SpoolFailed("disk I/O error")

    append = spool.append
    monkeypatch.setattr(spool, "append", refused)
    stage = Stage(spool)
    stage.writer.start()
    stage.publish(HELD + 100)
    assert until(lambda: stage.troubles)
    monkeypatch.setattr(spool, "append", append)
    stage.writer.stop()
    taken = drain(spool, most=100_000)
    assert len(taken) == HELD
    assert b" value=100.0," in taken[0]
    first = int(NOON.timestamp()) * 10**9
    assert spool.losses() == [Loss("refused", 100, first, first + 99 * 10**9)]
    assert [(trouble.code, trouble.on) for trouble in stage.troubles] == [
        ("spool_failed", True),
        ("spool_failed", False),
    ]


@pytest.mark.parametrize(
    ("part", "error"),
    [
        ("open_checked", sqlite3.OperationalError("database or disk is full")),
        ("set_aside", OSError(errno.EROFS, "Read-only file system")),
    ],
)
def test_a_broken_file_that_cannot_be_replaced_is_said_and_replaced_when_it_can(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, part: str, error: Exception
) -> None:
    def refused(*_: object) -> NoReturn:
        raise error

    stage = Stage(spool)
    with monkeypatch.context() as disk:
        disk.setattr("sitewarden.gateway.spool_read.put", broken)
        disk.setattr(f"sitewarden.gateway.spool_file.{part}", refused)
        stage.publish(10)
        stage.writer.start()
        assert until(lambda: stage.troubles)
    stage.writer.stop()
    assert len(drain(spool)) == 10
    told = [(trouble.code, trouble.on) for trouble in stage.troubles if trouble.lasts]
    assert told == [("spool_failed", True), ("spool_failed", False)]


def broken(*_: object) -> NoReturn:
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise error


def test_who_looks_sees_the_last_count(spool: Spool) -> None:
    stage = Stage(spool)
    stage.writer.start()
    stage.publish(100)
    assert until(lambda: spool.seen.pending == {"influx": 100})
    stage.writer.stop()


def test_lines_of_before_the_clock_was_set_are_lost_and_counted(spool: Spool) -> None:
    stage = Stage(spool)
    dead = [Reading("tank.level", n, Stamp(datetime.fromtimestamp(n, UTC), n)) for n in range(3)]
    stage.hub.publish(dead)
    stage.publish(10)
    stage.writer.start()
    stage.writer.stop()
    assert len(drain(spool)) == 10
    assert spool.losses() == [Loss("clock", 3)]


def test_an_overrun_is_counted_and_said(spool: Spool) -> None:
    stage = Stage(spool, capacity=100)
    stage.publish(130)
    stage.writer.start()
    stage.writer.stop()
    assert len(drain(spool)) == 100
    assert spool.losses() == [Loss("overrun", 30)]
    assert (stage.troubles[0].code, stage.troubles[0].on) == ("spool_overrun", True)


def test_a_broken_file_is_said_once_and_as_something_that_is_over(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 300)
    spool = Spool(path, ["influx"])
    stage = Stage(spool)
    stage.publish(10)
    stage.writer.start()
    stage.writer.stop()
    assert [(trouble.code, trouble.lasts) for trouble in stage.troubles] == [("spool_set_aside", False)]
    spool.close()


def test_a_full_spool_is_said_before_and_when_it_drops(path: Path) -> None:
    spool = Spool(path, ["influx"], most=MIB // 4)
    for n in range(60):
        spool.append(noise(n, 100), n, n)
    stage = Stage(spool)
    stage.publish(10)
    stage.writer.start()
    stage.writer.stop()
    assert {trouble.code for trouble in stage.troubles if trouble.on} == {"spool_nearly_full", "spool_full"}
    spool.close()
