"""Line protocol as it is documented, whatever the words in it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitewarden.gateway.sinks.lines import MOVE, SERIES, Lines
from sitewarden.gateway.spool.blocks import Loss
from sitewarden.rules.model import (
    Action,
    Alarm,
    AlarmChange,
    AlarmState,
    Decision,
    Direction,
    FireChange,
    FireStage,
    LinkChanged,
    Operator,
    Outcome,
    Passage,
    PermitKind,
    Quality,
    Reading,
    Reason,
    Severity,
    Stamp,
    Value,
    Verdict,
    Why,
    Write,
)

NS = 1772366400000000000
AT = Stamp(datetime(2026, 3, 1, 12, tzinfo=UTC), 1.0)
LATER = Stamp(AT.wall + timedelta(seconds=1), 2.0)


def one(value: Value | None, quality: Quality = Quality.GOOD, reason: Reason = Reason.NONE) -> str:
    ((_, line),) = Lines("cuihu").format([Reading("pump-1.pressure", value, AT, quality, reason)])
    return line.decode()


ALARM = "alarm,site=cuihu,id=tank-low,code=low,severity=high"
PARAMS = r"{\"limit\": 0.8}"
ABOUT = f'subject="tank.level",params="{PARAMS}"'
RAISED = f"raised={NS // 1_000_000}i"
DECISION = "decision,site=cuihu,lane=in-1,direction=in,verdict=denied"
HEAD = "reading,site=cuihu,device=pump-1,point=pressure "


def test_the_type_of_a_value_chooses_its_field() -> None:
    assert one(0.42) == f'{HEAD}value=0.42,quality="good" {NS}'
    assert one(7) == f'{HEAD}value=7.0,quality="good" {NS}'
    assert one(True) == f'{HEAD}state=true,quality="good" {NS}'
    assert one("up") == f'{HEAD}quality="good",text="up" {NS}'
    assert one(0.42, Quality.BAD, Reason.TIMEOUT) == f'{HEAD}value=0.42,quality="bad",reason="timeout" {NS}'
    assert one(None, Quality.STALE, Reason.OLD) == f'{HEAD}quality="stale",reason="old" {NS}'


def test_what_is_no_number_is_dropped_and_counted() -> None:
    lines = Lines("cuihu")
    odd = [Reading("p.x", value, AT) for value in (float("nan"), float("inf"), float("-inf"))]
    assert lines.format([*odd, Reading("p.x", 1.0, AT)])[0][1].startswith(
        b"reading,site=cuihu,device=p,point=x v"
    )
    assert lines.dropped == 3


def test_events_have_measurements_of_their_own_and_no_card_in_full() -> None:
    alarm = Alarm(
        "tank-low", "low", Severity.HIGH, AlarmState.UNACKNOWLEDGED, AT, "tank.level", {"limit": 0.8}
    )
    effects = [
        LinkChanged("pump-1", False, AT, Reason.TIMEOUT),
        AlarmChange(alarm, AlarmState.NORMAL, AT, "guard"),
        Decision("in-1", "01000734E0", Verdict.DENIED, Why.EXPIRED, AT, Direction.IN, PermitKind.MONTHLY),
        Passage("in-1", "01000734E0", Direction.IN, AT, PermitKind.MONTHLY),
        Passage("out-1", "", Direction.OUT, AT),
        Decision("in-1", "", Verdict.GRANTED, Why.OPERATOR, AT, Direction.IN, None, "guard", "for 粤A12345"),
        FireChange(FireStage.NORMAL, FireStage.FIRE, AT, "panel-1", "zone 2"),
        FireChange(FireStage.HELD, FireStage.NORMAL, LATER, by="guard"),
        Operator(Action.OPEN, "in-1", "guard", AT, "delivery"),
    ]
    assert [line.decode() for _, line in Lines("cuihu").format(effects)] == [
        f'device,site=cuihu,device=pump-1 up=false,reason="timeout" {NS}',
        f'{ALARM} state="unacknowledged",{RAISED},before="normal",{ABOUT},by="guard" {NS}',
        f'{DECISION} why="expired",card="…4E0",kind="monthly" {NS}',
        f'passage,site=cuihu,lane=in-1,direction=in known=true,card="…4E0",kind="monthly" {NS}',
        f"passage,site=cuihu,lane=out-1,direction=out known=false {NS}",
        f'decision,site=cuihu,lane=in-1,direction=in,verdict=granted why="operator",by="guard" {NS}',
        f'fire,site=cuihu stage="fire",before="normal",panel="panel-1",zone="zone 2" {NS}',
        f'fire,site=cuihu stage="normal",before="held",by="guard" {NS + 1_000_000_000}',
    ]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (40.0, "value=40.0"),
        (40, "value=40.0"),
        (True, "state=true"),
        ('"a"', r'text="\"a\""'),
        ("", 'text=""'),
    ],
)
def test_a_write_has_its_outcome_the_value_that_was_asked_for_and_by_whom(value: Value, field: str) -> None:
    write = Write("pump-1.setpoint", value, "guard", "low", AT, Outcome.REFUSED, LATER, reason=Reason.BUSY)
    ((_, line),) = Lines("cuihu").format([write])
    first = "write,site=cuihu,device=pump-1,point=setpoint,outcome=refused"
    assert line.decode() == f'{first} {field},reason="busy",by="guard" {NS + 1_000_000_000}'


def test_later_points_of_a_series_at_one_instant_move_on() -> None:
    lines = Lines("cuihu")
    burst = [Reading("p.x", float(n), AT) for n in range(3)] + [Reading("p.y", 0.0, AT)]
    assert [ns - NS for ns, _ in lines.format(burst)] == [0, MOVE, 2 * MOVE, 0]
    soon = Reading("p.x", 0.0, Stamp(AT.wall + timedelta(milliseconds=1), 1.001))
    later = Reading("p.x", 0.0, Stamp(AT.wall + timedelta(milliseconds=9), 1.009))
    before = Reading("p.x", 0.0, Stamp(AT.wall - timedelta(seconds=1), 1.009))
    assert [ns - NS for ns, _ in lines.format([soon, later, before])] == [3 * MOVE, 9 * MOVE, -1000 * MOVE]


@pytest.mark.slow
def test_points_of_a_series_move_on_over_batches_and_what_is_remembered_is_bounded() -> None:
    lines = Lines("cuihu")
    again = Reading("p.x", 1.0, AT)
    given = [ns - NS for _ in range(3) for ns, _ in lines.format([again])]
    assert given == [0, MOVE, 2 * MOVE]
    later = Stamp(AT.wall + timedelta(seconds=1), 2.0)
    many = [
        AlarmChange(Alarm(f"a{n}", "low", Severity.LOW, AlarmState.NORMAL, AT), AlarmState.NORMAL, later)
        for n in range(SERIES + 1)
    ]
    assert {ns for ns, _ in lines.format(many)} == {NS + 1000 * MOVE}
    assert {ns for ns, _ in lines.format(many)} == {NS + 1001 * MOVE}
    after = Stamp(AT.wall + timedelta(seconds=2), 3.0)
    lines.format([Reading("p.x", 1.0, after)])
    assert len(lines._last) == 1


def test_what_is_stamped_by_another_clock_is_written_by_that() -> None:
    held = Lines("cuihu").format([Reading("p.x", 1.0, AT)], lambda at: round(at.mono * 1e9))
    assert held[0] == (10**9, b'reading,site=cuihu,device=p,point=x value=1.0,quality="good" 1000000000')


def test_the_ledger_has_a_measurement_of_its_own() -> None:
    losses = [
        Loss("timeout", 310, NS, NS + 100 * 10**9, subject="pump-1.flow"),
        Loss("crc", 7, destination="hq", note="block 4"),
    ]
    timeout, crc = (line.decode() for _, line in Lines("cuihu").lost(losses, NS + 1))
    span = f'first={NS // MOVE}i,last={NS // MOVE + 100_000}i,point="flow" {NS + 100 * 10**9}'
    assert timeout == f"loss,site=cuihu,why=timeout,cause=device,device=pump-1 count=310.0,{span}"
    note = 'destination="hq",note="block 4"'
    assert crc == f"loss,site=cuihu,why=crc,cause=disk count=7.0,first=0i,last=0i,{note} {NS + 1}"


LINE = re.compile(
    r"reading"
    r"(?:,(?:site|device|point)=(?:[^\\, =\n]|\\[, =])+)*"
    r' quality="[a-z]+"(?:,text="((?:[^"\\\n]|\\["\\])*)")? -?\d+'
)


WORDS = st.text(st.characters(exclude_categories=["Cs"]))


@given(WORDS, WORDS, WORDS)
def test_no_word_breaks_a_line(site: str, point: str, text: str) -> None:
    ((_, line),) = Lines(site).format([Reading(point, text, AT)])
    found = LINE.fullmatch(line.decode())
    assert found
    assert re.sub(r"\\(.)", r"\1", found[1] or "") == text.replace("\n", " ").replace("\r", " ")


def test_half_a_character_does_not_stop_the_rest() -> None:
    assert one("a\ud800b") == f'{HEAD}quality="good",text="a?b" {NS}'


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_exactly(value: float) -> None:
    assert float(one(value).split("value=")[1].split(",")[0]) == value
