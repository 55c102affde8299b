"""The gateway and its site, as they are told to whoever looks after many of them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sitewarden.gateway.sinks.base import SinkStatus
from sitewarden.gateway.sinks.lines import Lines, wall_ns
from sitewarden.gateway.sinks.parse import Record, parse
from sitewarden.gateway.vitals import AGAIN, Own, Process, Vitals, points, vitals
from sitewarden.rules.model import Action, Operator, Stamp
from tests.api.small_house import SmallHouse

SINK = SinkStatus("influx", True, sent=9, waiting=7, lost=1, lag=0.4, backlog=5, rate=2.5, dead_letters=1)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[SmallHouse]:
    house = SmallHouse(tmp_path)
    house.sinks = (SINK,)
    yield house
    house.close()


def told(house: SmallHouse) -> dict[str, Record]:
    at = house.later(60)
    signs = vitals(house.site, house.board, house.status(), Process(1 << 26, 3.5), 4, False, 2, at)
    return {record.measurement: record for record in parsed(signs, at)}


def parsed(own: Own, at: Stamp) -> list[Record]:
    return [parse(line) for _, line in Lines("cuihu").stamped(own, wall_ns(at))]


def test_how_the_gateway_is(house: SmallHouse) -> None:
    gateway = told(house)["gateway"]
    assert gateway.tags == {"site": "cuihu"}
    assert gateway.fields == {
        "uptime": 60.0,
        "clock_trusted": True,
        "memory": 67_108_864.0,
        "cpu": 3.5,
        "spool_fill": 1 / 1024,
        "spool_bytes": 1_048_576.0,
        "queue_dropped": 4.0,
        "journal_ok": False,
        "journal_refused": 2.0,
    }
    assert gateway.ns == int(house.at.wall.timestamp()) * 1_000_000_000


def test_how_far_each_destination_is(house: SmallHouse) -> None:
    sink = told(house)["sink"]
    assert sink.tags == {"site": "cuihu", "sink": "influx"}
    assert sink.fields == {
        "up": True,
        "lag": 0.4,
        "waiting": 7.0,
        "backlog": 5.0,
        "rate": 2.5,
        "sent": 9.0,
        "lost": 1.0,
        "dead_letters": 1.0,
    }


def test_how_the_site_is(house: SmallHouse) -> None:
    house.up()
    house.enter()
    house.lose("tank")  # for long enough that points of others are old as well
    house.step(Operator(Action.ACKNOWLEDGE, "device_offline:tank", "guard", house.at))
    assert told(house)["site"].fields == {
        "inside": 1.0,
        "places": 120.0,
        "alarms": 5.0,
        "unacknowledged": 4.0,
        "devices": 8.0,
        "devices_up": 7.0,
        "fire": "normal",
    }


def test_what_each_point_is_called_and_counted_in(house: SmallHouse) -> None:
    records = parsed(points(house.site), house.at)
    told = {(record.tags["device"], record.tags["point"]): record for record in records}
    assert len(told) == len(house.board.points)
    pressure = told["pump-1", "pressure"]
    assert (pressure.measurement, pressure.tags["unit"]) == ("point", "bar")
    assert pressure.tags["profile"] == "grundfos-cim"
    assert pressure.fields == {"title": "1号水泵 · 压力"}
    assert "unit" not in told["pump-1", "running"].tags


def test_a_gateway_that_spools_nothing_has_an_empty_spool(house: SmallHouse) -> None:
    status = replace(house.status(), spool_bytes=0, spool_limit=0)
    signs = vitals(house.site, house.board, status, Process(1, 1.0), 0, True, 0, house.at)
    assert parsed(signs, house.at)[0].fields["spool_fill"] == 0.0


def test_signs_come_every_half_minute_and_points_with_another_site_or_day(house: SmallHouse) -> None:
    sites = [house.site]
    due = Vitals(lambda: sites[-1], lambda: {"gateway": "x=1"}).due
    count = len(house.board.points)
    assert [len(due(second)) for second in (5.0, 5.5, 34.9, 35.0, 35.5)] == [1 + count, 0, 0, 1, 0]
    sites.append(replace(house.site, language="en"))
    assert "Pump 1 · Pressure" in " ".join(due(36.0).values())
    assert due(36.5) == {}
    assert len(due(36.0 + AGAIN)) == 1 + count


def test_what_this_process_takes() -> None:
    process = Process.own()
    assert 10_000_000 < process.memory < 10_000_000_000
    assert process.cpu > 0.1
