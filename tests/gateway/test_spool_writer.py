"""The thread between the hub and the spool."""

import errno
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from sitewarden.gateway.database import MIB
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.sinks.lines import WANTED, Lines
from sitewarden.gateway.spool.blocks import Batch, Loss, Rank
from sitewarden.gateway.spool.letter_rows import MOST
from sitewarden.gateway.spool.spool import Spool, SpoolFailed
from sitewarden.gateway.spool.writer import GAPS, HELD, KEPT, SpoolWriter
from sitewarden.gateway.troubles import Troubles
from sitewarden.rules.model import LinkChanged, Quality, Reading, Reason, Stamp, Trouble
from tests.gateway.machine import NOON, Machine
from tests.gateway.spool_stage import Stage, ns, records
from tests.gateway.spool_under_test import FOREVER, drain, noise
from tests.servers import until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    it = Spool(path, ["influx"])
    yield it
    it.close()


@pytest.fixture
def stage(spool: Spool) -> Stage:
    return Stage(spool, Machine())


def levels(count: int) -> list[Reading]:
    return [Reading("tank.level", n, Stamp(NOON + timedelta(seconds=n), 100.0 + n)) for n in range(count)]


def test_the_thread_spools_what_was_published(spool: Spool, stage: Stage) -> None:
    stage.writer.start()
    stage.hub.publish(levels(2345))
    assert until(lambda: spool.seen.pending == {"influx": 2345})  # who looks sees the last count
    stage.hub.publish(levels(10))
    stage.writer.stop()
    taken = drain(spool, most=100_000)
    assert len(taken) == 2355
    assert taken[2344].startswith(
        b'reading,site=cuihu,device=tank,point=level value=2344.0,quality="good" 1772'
    )
    assert stage.troubles == []


def test_readings_and_events_go_into_blocks_of_their_own(spool: Spool, stage: Stage) -> None:
    stage.turn([*levels(3), LinkChanged("tank", True, Stamp(NOON, 100.0)), *levels(2)])
    ranks = []
    while isinstance(batch := spool.read("influx", Lane.LIVE, 1, FOREVER), Batch):
        ranks += [(block.rank, block.count) for block in batch.blocks]
        spool.done("influx", batch)
    assert sorted(ranks) == [(Rank.READING, 5), (Rank.EVENT, 1)]


def test_what_the_gateway_says_of_itself_is_spooled_too(spool: Spool, stage: Stage) -> None:
    stage.writer._own = lambda mono: {"gateway,site=cuihu ": f"uptime={mono}"}
    stage.turn()
    (own,) = records(spool, "gateway")
    assert (own.fields, own.ns) == ({"uptime": 100.0}, ns(NOON))


def test_what_a_disk_refuses_waits_for_it_and_the_oldest_goes_first(
    spool: Spool, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise SpoolFailed("disk I/O error")

    with monkeypatch.context() as disk:
        disk.setattr(spool, "commit", refused)
        stage.turn([LinkChanged("tank", True, Stamp(NOON, 100.0)), *levels(HELD + 100)])
    stage.turn()
    taken = records(spool)
    assert len(taken) == HELD - 1  # the event stays
    assert taken[0].fields["value"] == 101.0
    assert spool.losses() == [Loss("refused", 101, ns(NOON), ns(NOON) + 100 * 10**9)]
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
    spool: Spool, stage: Stage, monkeypatch: pytest.MonkeyPatch, part: str, error: Exception
) -> None:
    def refused(*_: object) -> NoReturn:
        raise error

    with monkeypatch.context() as disk:
        disk.setattr("sitewarden.gateway.spool.block_rows.put", broken)
        disk.setattr(f"sitewarden.gateway.spool.file.{part}", refused)
        stage.turn(levels(10))
    stage.turn()
    assert len(records(spool)) == 10
    told = [(trouble.code, trouble.on) for trouble in stage.troubles if trouble.lasts]
    assert told == [("spool_failed", True), ("spool_failed", False)]


def broken(*_: object) -> NoReturn:
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise error


def test_an_overrun_is_counted_and_said(spool: Spool) -> None:
    stage = Stage(spool, Machine(), capacity=100)
    stage.turn(levels(130))
    assert len(records(spool)) == 100
    assert spool.losses() == [Loss("overrun", 30, ns(NOON), ns(NOON))]
    assert (stage.troubles[0].code, stage.troubles[0].on) == ("spool_overrun", True)
    stage.turn()
    assert not stage.troubles[1].on


def test_a_broken_file_is_said_once_and_as_something_that_is_over(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 300)
    spool = Spool(path, ["influx"])
    stage = Stage(spool, Machine())
    stage.turn(levels(10))
    stage.turn()
    assert [(trouble.code, trouble.lasts) for trouble in stage.troubles] == [("spool_set_aside", False)]
    spool.close()


def test_a_full_spool_is_said_before_and_when_it_drops(path: Path) -> None:
    spool = Spool(path, ["influx"], most=MIB // 4)
    for n in range(60):
        spool.append(noise(n, 100), n, n)
    stage = Stage(spool, Machine())
    stage.turn(levels(10))
    assert {trouble.code for trouble in stage.troubles if trouble.on} == {"spool_nearly_full", "spool_full"}
    spool.close()


def test_dead_letters_that_are_nearly_too_many_are_said_until_somebody_looks(
    spool: Spool, stage: Stage
) -> None:
    spool.bury("influx", [(b"reading value=1 1", "no")] * int(MOST * 0.9))
    spool.stats()
    stage.turn(levels(10))
    stage.turn(levels(10))
    assert [(trouble.code, trouble.on) for trouble in stage.troubles] == [("spool_letters", True)]
    spool.discard([letter.id for letter in spool.letters(MOST // 2)])
    spool.stats()
    stage.turn(levels(10))
    assert [(trouble.code, trouble.on) for trouble in stage.troubles[1:]] == [("spool_letters", False)]


# -- what is missing -----------------------------------------------------------------------------


def test_a_gap_is_in_the_ledger_and_goes_north_once(spool: Spool, stage: Stage) -> None:
    stage.turn([stage.level(1)])
    at = stage.clock.now()
    down = LinkChanged("tank", False, at, Reason.TIMEOUT)
    stage.turn([down, Reading("tank.level", 1, at, Quality.BAD, Reason.TIMEOUT)])
    stage.machine.passes(30)
    stage.turn()
    (lasting,) = stage.writer.gaps
    assert (lasting.subject, lasting.why, lasting.count) == ("tank", "timeout", 30)
    assert (lasting.first, lasting.last) == (ns(NOON), 0)
    stage.turn([LinkChanged("tank", True, stage.clock.now()), stage.level(2)])
    for _ in range(3):
        stage.turn()
    assert stage.writer.gaps == []
    assert spool.losses() == [Loss("timeout", 30, ns(NOON), ns(NOON) + 30 * 10**9, subject="tank")]
    (told,) = records(spool, "loss")
    assert told.tags == {"site": "cuihu", "why": "timeout", "cause": "device", "device": "tank"}
    assert told.fields == {
        "count": 30.0,
        "first": ns(NOON) // 10**6,
        "last": ns(NOON) // 10**6 + 30_000,
    }
    assert told.ns == ns(NOON) + 30 * 10**9


@pytest.mark.parametrize(("ends", "why"), [(True, "stopped"), (False, "killed")])
def test_the_time_without_a_gateway_is_in_the_ledger(
    spool: Spool, stage: Stage, ends: bool, why: str
) -> None:
    stage.turn([stage.level(1)], ends)
    stage.machine.passes(60)
    again = Stage(spool, stage.machine, last=stage.clock.now())
    again.turn([again.level(2)])
    again.turn()
    assert spool.losses() == [Loss(why, 60, ns(NOON), ns(NOON) + 60 * 10**9)]
    assert spool.stats().lost == 0  # no line was


def test_a_gap_survives_a_gateway_that_is_killed(spool: Spool, stage: Stage) -> None:
    stage.turn([stage.level(1)])
    stage.turn([LinkChanged("tank", False, stage.clock.now(), Reason.TIMEOUT)])
    stage.machine.passes(60)
    again = Stage(spool, stage.machine, last=stage.clock.now())
    again.turn()
    assert [(gap.subject, gap.why, gap.count) for gap in again.writer.gaps] == [("tank", "timeout", 60)]


def test_whenever_it_is_killed_each_loss_goes_north_once(spool: Spool) -> None:
    machine = Machine()
    for n in range(20):
        spool.lose(Loss("crc", n, note=f"block {n}"))
        stage = Stage(spool, machine)
        for _ in range(n % 3):
            stage.turn([stage.level(n)])
            machine.passes(1)
    stage = Stage(spool, machine)
    stage.turn()
    stage.turn()
    told = [record for record in records(spool, "loss") if record.tags["why"] == "crc"]
    assert [record.fields["count"] for record in told] == [*range(20)]
    assert len({record.ns for record in told}) == 20


def test_that_nobody_takes_what_is_said_of_losses_is_not_said_again(spool: Spool, stage: Stage) -> None:
    spool.lose(Loss("rejected", 1, sample=b"loss,why=crc count=1.0 1", note="no"))
    spool.lose(Loss("rejected", 1, sample=b"reading,x=y value=1.0 1", note="no"))
    stage.turn()
    stage.turn()
    assert len(records(spool, "loss")) == 1


def test_a_fresh_file_has_a_ledger_that_begins_anew(spool: Spool, stage: Stage, path: Path) -> None:
    for _ in range(3):
        spool.lose(Loss("crc", 1))
    stage.turn([LinkChanged("tank", False, stage.clock.now(), Reason.TIMEOUT)])
    drain(spool)
    spool._file.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(b"\xff" * path.stat().st_size)
    stage.turn([stage.level(1)])
    spool.lose(Loss("crc", 7))
    stage.turn([stage.level(1)])
    stage.turn()
    assert [record.fields["count"] for record in records(spool, "loss")][-1] == 7.0


def test_notes_that_are_not_what_was_written_keep_nobody_from_starting(spool: Spool, stage: Stage) -> None:
    stage.turn([stage.level(1)])
    assert spool.notes().keys() == {KEPT, GAPS, "told", "guessed"}
    spool._file.db.execute("UPDATE notes SET body = CAST(body || 'x' AS BLOB)")
    assert spool.notes() == {}
    again = Stage(spool, stage.machine)
    again.turn([again.level(2)])
    assert len(records(spool)) == 2


def test_what_nobody_thought_of_does_not_end_the_thread(spool: Spool) -> None:
    broken = [True]

    def own(_: float) -> dict[str, str]:
        if broken[0]:
            raise OSError(24, "Too many open files")
        return {}

    hub, troubles, machine = Hub(), list[Trouble](), Machine()
    clock = machine.clock()
    subscription = hub.subscribe("spool", 100, WANTED)
    told = Troubles(troubles.append, clock)
    writer = SpoolWriter(spool, subscription, Lines("cuihu"), told, clock, {}, own, boot="one")
    writer.start()
    hub.publish([Reading("tank.level", 1.0, clock.now())])
    assert until(lambda: [it.code for it in troubles if it.on] == ["spool_failed"])
    broken[0] = False
    hub.publish([Reading("tank.level", 2.0, clock.now())])
    assert until(lambda: not troubles[-1].on)
    writer.stop()
    assert [record.fields["value"] for record in records(spool)][-1] == 2.0
