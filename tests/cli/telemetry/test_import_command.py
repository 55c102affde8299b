"""History comes in from files, once however often, and what is wrong with them is said and set aside."""

import csv
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

import pytest

from sitewarden.gateway.app import alone
from sitewarden.gateway.clock import wall_now
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.spool.blocks import unpack
from sitewarden.gateway.spool.spool import Spool
from sitewarden.gateway.trend.trend import Trend
from sitewarden.rules.model import Quality, Reading, Reason, Stamp, Value
from tests.cli.conftest import Shell

ZONE = ZoneInfo("Asia/Shanghai")
SITE = """\
site: {id: cuihu, timezone: Asia/Shanghai, language: en}
data: data
spool: {keep: 30 d}
sinks: {influx: {type: influxdb, url: "http://127.0.0.1:9", bucket: site}}
"""
NOON = (wall_now().astimezone(ZONE) - timedelta(days=3)).replace(hour=12, minute=0, second=0, microsecond=0)
HEAD = "at,point,value,state,text,quality,reason\n"


@pytest.fixture
def site(folder: Path) -> Path:
    (folder / "site.yaml").write_text(SITE, encoding="utf-8")
    return folder


def reading(minute: float, value: Value | None, point: str = "pump-1.pressure", **more: str) -> Reading:
    at = Stamp((NOON + timedelta(minutes=minute)).astimezone(UTC), 0.0)
    quality, reason = Quality(more.get("quality", "good")), Reason(more.get("reason", ""))
    return Reading(point, value, at, quality, reason)


READINGS = [
    *(reading(n / 4, n / 2) for n in range(400)),
    reading(3, True, "pump-1.running"),
    reading(4, 'B1, "left"', "lift-1.display"),
    reading(5.1, 0.5, quality="bad", reason="timeout"),
]


def spooled(data: Path) -> list[bytes]:
    with closing(sqlite3.connect(data / "spool.db")) as db:
        return [line for row in db.execute("SELECT * FROM blocks ORDER BY id") for line in unpack(row).lines]


def lacking(data: Path) -> int:
    with closing(Spool(data / "spool.db", ("influx",), keep=30 * 86400.0)) as spool:
        return sum(batch.count for lane in Lane if (batch := spool.read("influx", lane, 10**6, 1 << 62)))


def hours(data: Path) -> list[tuple[float, float, float]]:
    with closing(Trend(data / "trend.db", ZONE)) as trend:
        rows = trend.query("pump-1.pressure", NOON, NOON + timedelta(hours=2), 2)
    return [(row.low, row.mean, row.high) for row in rows]


@pytest.mark.parametrize("name", ["history.csv", "history.parquet"])
def test_what_was_exported_comes_in_as_it_was_and_only_once(site: Path, shell: Shell, name: str) -> None:
    lines = Lines("cuihu").format(READINGS)
    with closing(Spool(site / "data" / "spool.db", ("influx",))) as spool:
        spool.append([line for _, line in lines], lines[0][0], lines[-1][0])
    assert shell("telemetry", "export", name).code == 0
    shutil.rmtree(site / "data")
    first = shell("telemetry", "import", name, "--json")
    assert (first.code, first.json["readings"], first.json["spooled"]) == (0, 403, 403), first.err
    assert sorted(spooled(site / "data")) == sorted(line for _, line in lines)
    assert lacking(site / "data") == 0
    assert hours(site / "data") == [(0.0, 59.75, 119.5), (120.0, 159.75, 199.5)]
    again = shell("telemetry", "import", name, name, "--json").json
    assert (again["readings"], again["doubles"], again["spooled"]) == (403, 403, 0)
    assert hours(site / "data") == [(0.0, 59.75, 119.5), (120.0, 159.75, 199.5)]
    assert len(spooled(site / "data")) == 403


def test_the_gateway_s_own_record_of_a_minute_is_not_doubled(site: Path, shell: Shell) -> None:
    (site / "data").mkdir()
    with closing(Trend(site / "data" / "trend.db", ZONE)) as trend:
        trend.add(it for it in READINGS[:200])
        trend.flush()
    history(site, READINGS[100:400])
    assert shell("telemetry", "import", "history.csv").code == 0
    assert hours(site / "data") == [(0.0, 59.75, 119.5), (120.0, 159.75, 199.5)]


def history(folder: Path, readings: list[Reading]) -> None:
    with (folder / "history.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["at", "point", "value"])
        writer.writerows([it.at.wall.isoformat(), it.point, it.value] for it in readings if it.value)


def test_with_send_the_destinations_get_it_however_old_it_is(site: Path, shell: Shell) -> None:
    (site / "old.csv").write_text("at,point,value\n2020-05-01T08:00:00,pump-1.pressure,0.5\n")
    assert shell("telemetry", "import", "old.csv", "--json").json["spooled"] == 0
    assert shell("telemetry", "import", "old.csv", "--send", "--json").json["spooled"] == 1
    assert lacking(site / "data") == 1
    ns = int(datetime(2020, 5, 1, tzinfo=UTC).timestamp()) * 10**9
    head = "reading,site=cuihu,device=pump-1,point=pressure"
    assert spooled(site / "data") == [f'{head} value=0.5,quality="good" {ns}'.encode()]


def test_a_dry_run_says_what_is_there_and_writes_nothing(site: Path, shell: Shell) -> None:
    (site / "history.csv").write_text(HEAD + "2026-11-01T08:00:00+08:00,pump-9.x,1,,,,\nx,pump-9.x,1,,,,\n")
    got = shell("telemetry", "import", "history.csv", "--dry-run")
    assert got.code == 1
    assert "1 reading of 1 point, 2026-11-01 08:00:00 to" in got.out
    assert "Not in the configuration: pump-9.x" in got.out
    assert list((site / "data").iterdir()) == []
    assert not (site / "history.csv.rejected.csv").exists()


@pytest.mark.parametrize(
    ("row", "place", "what"),
    [
        ("yesterday,p.x,1,,,,", "1", "at: found 'yesterday', expected 2026-11-01T08:00:00+08:00"),
        ("1969-01-01,p.x,1,,,,", "1", "at: found the year 1969"),
        ("2026-11-01,px,1,,,,", "2", "point: found 'px', expected DEVICE.POINT"),
        ("2026-11-01,p.x,nan,,,,", "3", "value: found 'nan', expected a number"),
        ("2026-11-01,p.x,,maybe,,,", "4", "state: found 'maybe', expected true or false"),
        ("2026-11-01,p.x,1,,up,,", "5", "text: there is a value already"),
        ("2026-11-01,p.x,,,,,", "2", "point: a good reading has a value, a state or a text"),
        ("2026-11-01,p.x,1,,,fine,", "6", "quality: found 'fine', expected one of good, stale, bad"),
        ("2026-11-01", "2", "point: found nothing"),
    ],
)
def test_a_wrong_row_is_named_and_set_aside_and_the_others_go_on(
    site: Path, shell: Shell, row: str, place: str, what: str
) -> None:
    (site / "h.csv").write_text(f"{HEAD}{row}\n2026-11-01T08:00:00,p.x,1,,,,\n", encoding="utf-8")
    got = shell("telemetry", "import", "h.csv")
    assert (got.code, got.err.splitlines()[0][: len(place) + 6]) == (1, f"h.csv:2:{place}"[: len(place) + 6])
    assert what in got.err
    assert "1 reading of 1 point" in got.out
    with (site / "h.csv.rejected.csv").open(encoding="utf-8") as file:
        (rejected,) = csv.DictReader(file)
    assert rejected["wrong"].startswith(f"h.csv:2:{place}: ")
    assert rejected["at"] == row.split(",", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("h.csv", b"when,what\n1,2\n", "h.csv:1: found the columns"),
        ("h.csv", b"at,point,value\n\xff\xfe,1,2\n", "h.csv: "),
        ("h.parquet", b"at,point,value\n", "h.parquet: "),
        ("h.csv", b"", "h.csv:1: found the columns"),
    ],
)
def test_a_file_that_is_no_history_is_refused(
    site: Path, shell: Shell, name: str, content: bytes, what: str
) -> None:
    (site / name).write_bytes(content)
    got = shell("telemetry", "import", name)
    assert got.code == 1
    assert got.err.startswith(what), got.err


def test_it_needs_the_files_for_itself(site: Path, shell: Shell) -> None:
    history(site, READINGS[:4])
    with alone(site / "data"):
        got = shell("telemetry", "import", "history.csv")
    assert (got.code, "The gateway runs on" in got.err) == (1, True)
    assert not (site / "data" / "spool.db").exists()


def test_an_interruption_leaves_nothing_behind_and_the_next_import_completes_it(
    site: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    history(site, READINGS[:400])
    with monkeypatch.context() as patched:
        patched.setattr(Spool, "commit", interrupted)
        assert shell("telemetry", "import", "history.csv").code != 0
    assert not list((site / "data").glob("import-*"))
    again = shell("telemetry", "import", "history.csv", "--json").json
    assert (again["readings"], again["spooled"]) == (399, 399)
    assert len(spooled(site / "data")) == 399
