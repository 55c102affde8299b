"""The sinks and the spool as the configuration wants them, and how they are, whatever their disk does."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import NoReturn

import pytest

from sitewarden.config.sinks import InfluxPlan, SinkPlan
from sitewarden.config.site import Site, SpoolPlan, load
from sitewarden.gateway.board import Board
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.database import MIB
from sitewarden.gateway.hub import Hub, Report
from sitewarden.gateway.outlets import Outlets, present
from sitewarden.gateway.sinks.carrier import Carrier
from sitewarden.gateway.spool.spool import SpoolFailed
from sitewarden.rules.cells import Fire
from sitewarden.rules.model import (
    Alarm,
    AlarmChange,
    AlarmState,
    FireChange,
    FireStage,
    LinkChanged,
    Operator,
    Reading,
    Severity,
    Trouble,
)

DEMO = Path(__file__).parents[2] / "config" / "demo" / "site.yaml"
NOBODY = "http://127.0.0.1:1"
INFLUX, OTHER = InfluxPlan("influx", NOBODY), InfluxPlan("other", NOBODY)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return replace(load(DEMO), data=tmp_path, sinks=(INFLUX,))


def made(site: Site, report: Report) -> Outlets:
    def nothing(_: Operator) -> NoReturn:
        raise AssertionError("nobody asked for anything")

    return Outlets(site, Hub(), Clock(), report, lambda: Board(site), nothing)


@pytest.fixture
def outlets(site: Site) -> Iterator[Outlets]:
    it = made(site, list[Trouble]().append)
    it.start()
    yield it
    it.stop()


def wanting(site: Site, *sinks: SinkPlan) -> Site:
    return replace(site, sinks=sinks)


def names(outlets: Outlets) -> list[str]:
    return [sink.name for sink in outlets.status(Clock().now(), True).sinks]


def test_the_spool_has_the_room_that_the_configuration_gives_it(site: Site) -> None:
    outlets = made(replace(site, spool=SpoolPlan(16 * MIB)), list[Trouble]().append)
    outlets.start()
    assert outlets.status(Clock().now(), True).spool_limit == 16 * MIB
    outlets.stop()


def test_how_they_are_is_told_while_the_disk_hangs(outlets: Outlets) -> None:
    held, over = Event(), Event()

    def hang() -> None:
        with outlets.spool._lock:
            held.set()
            over.wait()

    disk = Thread(target=hang)
    disk.start()
    try:
        assert held.wait(10)
        assert names(outlets) == ["influx"]
    finally:
        over.set()
        disk.join()


def test_what_is_equal_goes_on_and_who_looks_meanwhile_sees_no_half(site: Site, outlets: Outlets) -> None:
    influx, seen = outlets.sinks["influx"], outlets.sinks
    assert outlets.adopt(wanting(site, INFLUX, OTHER)) == ["other"]
    assert list(seen) == ["influx"]
    assert names(outlets) == ["influx", "other"]
    assert outlets.sinks["influx"] is influx
    assert outlets.adopt(wanting(site, OTHER)) == ["influx"]
    assert names(outlets) == ["other"]


def test_a_sink_that_does_not_start_is_tried_again(
    site: Site, outlets: Outlets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(sink: Carrier) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(Carrier, "start", cannot)
        with pytest.raises(RuntimeError):
            outlets.adopt(wanting(site, INFLUX, OTHER))
    assert names(outlets) == ["influx"]
    assert outlets.adopt(wanting(site, INFLUX, OTHER)) == ["other"]
    assert names(outlets) == ["influx", "other"]


def test_a_disk_that_refuses_other_sinks_changes_none(
    site: Site, outlets: Outlets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise SpoolFailed("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(outlets.spool, "serve", refused)
        with pytest.raises(SpoolFailed):
            outlets.adopt(wanting(site, OTHER))
    assert names(outlets) == ["influx"]
    assert outlets.adopt(wanting(site, OTHER)) == ["influx", "other"]


def test_with_a_sink_goes_its_alarm(site: Site) -> None:
    told: list[Trouble] = []
    outlets = made(site, told.append)
    outlets.start()
    outlets.adopt(wanting(site, OTHER))
    assert told == []  # it had none
    outlets.sinks["other"].troubles.on("sink_rejects", "other", {})
    outlets.adopt(wanting(site))
    outlets.stop()
    assert [(it.code, it.subject, it.on) for it in told] == [
        ("sink_rejects", "other", True),
        ("sink_rejects", "other", False),
    ]


def test_what_stands_is_what_a_start_knows_and_what_was_heard(site: Site) -> None:
    now = Clock().now()
    alarm = Alarm("a", "a", Severity.HIGH, AlarmState.ACKNOWLEDGED, now)
    board = Board(site, {"alarm/a": alarm, "fire": Fire(FireStage.HELD, (), 0.0)})
    heard = [Reading(next(iter(board.points)), 1.0, now), LinkChanged(next(iter(board.places)), True, now)]
    board.apply(heard)
    assert present(board, now) == [
        *heard,
        AlarmChange(alarm, AlarmState.ACKNOWLEDGED, now),
        FireChange(FireStage.HELD, FireStage.HELD, now),
    ]
