"""What is stored comes out as it went in, as CSV and as Parquet, and never as half a file."""

import csv
import io
import json
import sqlite3
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

import pytest
from pyarrow.parquet import read_table

from sitewarden.gateway.cli.telemetry.sheets import CsvSheet
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.spool.blocks import Rank
from sitewarden.gateway.spool.spool import Spool
from sitewarden.gateway.trend.trend import Trend
from sitewarden.rules.model import Effect, LinkChanged, Quality, Reading, Reason, Stamp
from tests.cli.conftest import Shell

ZONE = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 11, 1, 12, tzinfo=ZONE)


def at(minutes: float) -> Stamp:
    return Stamp((NOON + timedelta(minutes=minutes)).astimezone(UTC), minutes)


READINGS = (
    Reading("pump-1.pressure", 0.4, at(0)),
    Reading("pump-1.running", True, at(1)),
    Reading("lift-1.display", 'B1, "left"', at(2)),
    Reading("pump-1.pressure", 0.5, at(60), Quality.BAD, Reason.TIMEOUT),
    Reading("pump-1.pressure", 0.75, at(24 * 60)),
)


def spooled(folder: Path, effects: Sequence[Effect], rank: Rank = Rank.READING) -> None:
    lines = Lines("cuihu").format(effects)
    spool = Spool(folder / "data" / "spool.db", ("influx",))
    for ns, line in lines:
        spool.append([line], ns, ns, rank)
    spool.close()


@pytest.fixture
def site(folder: Path) -> Path:
    spooled(folder, READINGS)
    spooled(folder, [LinkChanged("pump-1", False, at(5), Reason.TIMEOUT)], Rank.EVENT)
    trend = Trend(folder / "data" / "trend.db", ZONE)
    trend.add(Reading("pump-1.pressure", float(n), at(10 * n)) for n in range(300))
    trend.flush()
    trend.close()
    return folder


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_readings_come_out_with_their_types_and_the_time_of_the_site(site: Path, shell: Shell) -> None:
    got = rows(shell("telemetry", "export").out)
    assert [
        (it["point"], it["value"], it["state"], it["text"], it["quality"], it["reason"]) for it in got
    ] == [
        ("pump-1.pressure", "0.4", "", "", "good", ""),
        ("pump-1.running", "", "true", "", "good", ""),
        ("lift-1.display", "", "", 'B1, "left"', "good", ""),
        ("pump-1.pressure", "0.5", "", "", "bad", "timeout"),
        ("pump-1.pressure", "0.75", "", "", "good", ""),
    ]
    assert got[0]["at"] == "2026-11-01T12:00:00+08:00"


def test_a_range_and_points_are_chosen(site: Path, shell: Shell) -> None:
    words = ("--point", "*.pressure", "--since", "2026-11-01T12:30", "--until", "2026-11-02")
    assert [it["value"] for it in rows(shell("telemetry", "export", *words).out)] == ["0.5"]


def test_events_come_out(site: Path, shell: Shell) -> None:
    (row,) = rows(shell("telemetry", "export", "--events").out)
    assert (row["event"], json.loads(row["tags"])) == ("device", {"site": "cuihu", "device": "pump-1"})
    assert json.loads(row["fields"]) == {"up": False, "reason": "timeout"}


@pytest.mark.parametrize(("unit", "count", "first"), [("minute", 300, 1), ("hour", 49, 6), ("day", 2, 72)])
def test_rollups_come_out(site: Path, shell: Shell, unit: str, count: int, first: int) -> None:
    got = rows(shell("telemetry", "export", "--every", unit).out)
    assert (len(got), int(got[0]["count"])) == (count, first)
    assert got[0]["low"] == "0.0"
    assert float(got[0]["mean"]) == (first - 1) / 2


def test_parquet_has_the_same_rows_with_their_types(site: Path, shell: Shell) -> None:
    told = shell("telemetry", "export", "all.parquet", "--json").json
    assert (told["rows"], told["first"]) == (5, "2026-11-01T04:00:00.000000Z")
    assert told["bytes"] == (site / "all.parquet").stat().st_size
    table = read_table(site / "all.parquet").to_pylist()
    assert [(it["point"], it["value"], it["state"], it["text"]) for it in table[:3]] == [
        ("pump-1.pressure", 0.4, None, None),
        ("pump-1.running", None, True, None),
        ("lift-1.display", None, None, 'B1, "left"'),
    ]
    assert table[0]["at"] == NOON


@pytest.mark.slow
def test_what_cannot_be_done_is_said(site: Path, shell: Shell) -> None:
    (site / "there.csv").write_text("mine")
    for words, said in {
        ("there.csv",): "there.csv is there already: --force overwrites it",
        ("--point", "pump-1.presure"): "no point 'pump-1.presure'; did you mean 'pump-1.pressure'?",
        (
            "x.csv",
            "--since",
            "2027-01-01",
        ): "from 2026-11-01 12:00:00 to 2026-11-02 12:00:00 (Asia/",
        ("no/where.csv",): "no/where.csv: No such file or directory",
    }.items():
        got = shell("telemetry", "export", *words)
        assert (got.code, said in got.err) == (1, True), got.err
    assert (site / "there.csv").read_text() == "mine"
    assert not (site / "x.csv").exists()
    assert shell("telemetry", "export", "there.csv", "--force").code == 0
    assert len(rows((site / "there.csv").read_text())) == 5


def test_options_that_contradict_each_other_are_refused(site: Path, shell: Shell) -> None:
    assert shell("telemetry", "export", "--json").code == 2
    assert shell("telemetry", "export", "--events", "--every", "day").code == 2


def test_without_pyarrow_it_says_what_to_install(
    site: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sitewarden.gateway.cli.telemetry.parquet", None)
    got = shell("telemetry", "export", "x.parquet")
    assert "pip install 'sitewarden[parquet]'" in got.err
    assert got.code == 1


def test_an_interruption_leaves_no_half_file(
    site: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(CsvSheet, "write", interrupted)
    assert shell("telemetry", "export", "x.csv").code != 0
    assert not list(site.glob("*x.csv*"))


def test_a_broken_block_is_left_out_and_said(site: Path, shell: Shell) -> None:
    with sqlite3.connect(site / "data" / "spool.db") as db:
        db.execute("UPDATE blocks SET lines = x'00' WHERE id = 2")
    got = shell("telemetry", "export")
    assert len(rows(got.out)) == 4
    assert "1 block of the spool cannot be read" in got.err


def test_it_reads_beside_an_open_spool(site: Path, shell: Shell) -> None:
    spool = Spool(site / "data" / "spool.db", ("influx",))
    assert len(rows(shell("telemetry", "export").out)) == 5
    spool.close()
