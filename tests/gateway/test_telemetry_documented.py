"""docs/telemetry.md says what the program sends: measurements, tags, fields, types, codes."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pytest

from sitewarden.config.sinks import Kind
from sitewarden.config.site import load
from sitewarden.gateway.api.house import Status
from sitewarden.gateway.board import Board
from sitewarden.gateway.ledger.causes import Cause, Gone
from sitewarden.gateway.sinks.base import SinkStatus
from sitewarden.gateway.sinks.lines import PERSONAL, Lines
from sitewarden.gateway.sinks.parse import Value, parse
from sitewarden.gateway.spool.blocks import Loss
from sitewarden.gateway.vitals import PAUSE, Process, points, vitals
from sitewarden.rules.model import (
    Alarm,
    AlarmChange,
    AlarmState,
    Decision,
    Direction,
    Effect,
    FireChange,
    FireStage,
    LinkChanged,
    Outcome,
    Passage,
    PermitKind,
    Quality,
    Reading,
    Reason,
    Severity,
    Stamp,
    Verdict,
    Why,
    Write,
)
from tests.gateway.demo_telemetry import demo

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
AT = Stamp(datetime(2026, 3, 1, 12, tzinfo=UTC), 100.0)
LATER = Stamp(AT.wall + timedelta(seconds=1), 101.0)
EVERYTHING: list[Effect] = [
    Reading("pump-1.flow", 1.5, AT, Quality.BAD, Reason.TIMEOUT),
    Reading("pump-1.running", True, AT),
    Reading("pump-1.serial", "G-1", AT),
    LinkChanged("pump-1", False, AT, Reason.TIMEOUT),
    AlarmChange(
        Alarm("low", "condition", Severity.HIGH, AlarmState.ACKNOWLEDGED, AT, "tank.level", {"limit": 0.8}),
        AlarmState.UNACKNOWLEDGED,
        LATER,
        "guard",
    ),
    Decision(
        "in-1", "01000734E0", Verdict.GRANTED, Why.PERMIT, AT, Direction.IN, PermitKind.MONTHLY, "guard", "x"
    ),
    Passage("in-1", "01000734E0", Direction.IN, AT, PermitKind.MONTHLY),
    FireChange(FireStage.HELD, FireStage.NORMAL, AT, "panel", "zone 2", "guard"),
    Write("p.x", 1.0, "guard", "why", AT, Outcome.REFUSED, AT, reason=Reason.BUSY),
    Write("p.y", True, "guard", "why", AT, Outcome.VERIFIED, LATER),
    Write("p.z", "auto", "guard", "why", AT, Outcome.VERIFIED, LATER),
]
LOSS = Loss("rejected", 3, 1, 2, "influx", b"x", "why", "pump-1.flow")
TYPES = {float: "float", bool: "boolean", str: "string", int: "integer"}


def sent() -> list[bytes]:
    site = load(ROOT / "config" / "demo" / "site.yaml")
    lines = Lines(site.id)
    status = Status(AT, True, (SinkStatus("influx", True),), 1, 2)
    own = {**points(site), **vitals(site, Board(site), status, Process(1, 1.0), 0, True, 0, LATER)}
    return [line for _, line in (*lines.format(EVERYTHING), *lines.lost([LOSS], 3), *lines.stamped(own, 3))]


def section(title: str) -> str:
    """The text below a heading, as far as the next one."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", DOCS, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(title: str) -> Iterator[list[str]]:
    table = [line for line in section(title).splitlines() if line.startswith("|")]
    for line in table[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_measurements_tags_and_fields_are_those_of_the_program() -> None:
    told: dict[str, tuple[set[str], dict[str, str]]] = {}
    for record in map(parse, sent()):
        tags, fields = told.setdefault(record.measurement, (set(), {}))
        tags.update(record.tags)
        for name, value in record.fields.items():
            assert fields.setdefault(name, kind(value)) == kind(value)
    documented = {
        words(name)[0]: (set(words(tags)), dict(re.findall(r"`(\w+)` (\w+)", fields)))
        for name, tags, fields, _ in rows("Measurements")
    }
    assert documented == told
    assert documented.keys() == set(Kind)


def kind(value: Value) -> str:
    return TYPES[type(value)]


def test_how_often_the_gateway_tells_of_itself() -> None:
    often = {words(name)[0] for name, _, _, comes in rows("Measurements") if comes == f"every {PAUSE:.0f} s"}
    assert often == {"site", "gateway", "sink"}


CODES: dict[str, type[StrEnum]] = {
    "reading.quality": Quality,
    "reading.reason": Reason,
    "alarm.state": AlarmState,
    "alarm.severity": Severity,
    "decision.verdict": Verdict,
    "decision.why": Why,
    "decision.kind": PermitKind,
    "decision.direction": Direction,
    "fire.stage": FireStage,
    "write.outcome": Outcome,
    "loss.cause": Cause,
}


def test_codes_are_those_of_the_program() -> None:
    documented = {words(field)[0]: words(codes) for field, codes in rows("Codes")}
    assert documented == {
        field: [code.value for code in codes if code.value] for field, codes in CODES.items()
    }
    rest = section("Codes").rpartition("no reading at all:")[2]
    assert words(rest) == [why.value for why in Gone]


def test_personal_fields_are_those_that_can_be_left_out() -> None:
    documented = {words(field)[0]: set(words(of)) for field, of, _ in rows("Personal data")}
    told: dict[str, set[str]] = {}
    for record in map(parse, sent()):
        for name in record.fields.keys() & PERSONAL:
            told.setdefault(name, set()).add(record.measurement)
    assert documented == told


def test_the_example_can_be_configured() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", section("Personal data"), re.DOTALL)
    (kinds,) = re.findall(r"kinds: \[(.*?)\]", example)
    assert set(kinds.split(", ")) <= set(Kind)


def test_topics_are_of_measurements() -> None:
    told = {words(row[2])[0] for row in rows("MQTT") if words(row[2])} - {"online"}
    assert told <= set(Kind)


@pytest.mark.slow
def test_how_many_series_the_demo_has() -> None:
    series = {line.partition(b" ")[0] for line in demo().lines}
    assert f"{len(series)} in all" in section("How many series")
    assert len(points(demo().site)) == 134
