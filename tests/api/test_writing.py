"""What the API answers to who writes a value: how that ended, or why it never began."""

import pytest
from fastapi.testclient import TestClient

from sitewarden.gateway.api import writing
from sitewarden.rules.model import (
    FireKind,
    FireSignal,
    Outcome,
    Reading,
    Reason,
    Value,
    Write,
    WriteEnded,
)
from tests.api.small_house import START, SmallHouse

SETPOINT = "pump-1.setpoint"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PATIENCE", 0.5)


def comes(house: SmallHouse, outcome: Outcome, **more: Value | Reason) -> None:
    """So the device takes it."""
    house.device = WriteEnded("", outcome, START, **more)  # type: ignore[arg-type]


def write(caller: TestClient, value: object, point: str = SETPOINT, lang: str = "en") -> tuple[int, object]:
    body = {"value": value, "reason": "night pressure"}
    answer = caller.post(f"/api/v1/points/{point}/write?lang={lang}", json=body)
    return answer.status_code, answer.json()


def test_a_write_that_was_read_back_is_answered_and_kept(house: SmallHouse, engineer: TestClient) -> None:
    comes(house, Outcome.VERIFIED, before=60.0, read=45.0)
    status, told = write(engineer, 45)
    assert status == 200
    assert told == {
        "point": SETPOINT,
        "value": 45,
        "by": "the-engineer",
        "note": "night pressure",
        "asked": "2026-05-20T06:30:00Z",
        "outcome": "verified",
        "text": "written and read back",
        "at": "2026-05-20T06:30:00.200000Z",
        "before": 60.0,
        "read": 45.0,
        "reason": "",
    }
    house.journal.close()
    assert engineer.get("/api/v1/writes?lang=en").json() == {"items": [told], "next": None}


def test_what_was_sent_to_all_is_done(house: SmallHouse, engineer: TestClient) -> None:
    comes(house, Outcome.SENT)
    assert write(engineer, 45)[0] == 200


@pytest.mark.parametrize(
    ("outcome", "more", "status", "code", "members", "english", "chinese"),
    [
        (
            Outcome.REFUSED,
            {"reason": Reason.ILLEGAL_VALUE},
            409,
            "write_refused",
            {"reason": "illegal_value"},
            "The device refused: ",
            "设备拒绝写入：",
        ),
        (
            Outcome.UNVERIFIED,
            {"read": 50.0},
            409,
            "write_unverified",
            {"value": 90.5, "read": 50.0},
            "The device confirmed 90.50, but Pump 1 · Set point reads 50.00.",
            "设备已确认 90.50，但1号水泵 · 设定值回读为 50.00。",
        ),
        (Outcome.LAPSED, {}, 504, "write_lapsed", {}, "not confirmed in time", "未在规定时间内确认"),
    ],
)
def test_any_other_end_is_a_problem_in_both_languages(
    house: SmallHouse,
    engineer: TestClient,
    outcome: Outcome,
    more: dict[str, Value | Reason],
    status: int,
    code: str,
    members: dict[str, object],
    english: str,
    chinese: str,
) -> None:
    comes(house, outcome, **more)
    for lang, words in (("en", english), ("zh", chinese)):
        found, problem = write(engineer, 90.5, lang=lang)
        assert isinstance(problem, dict)
        assert (found, problem["code"], problem["point"]) == (status, code, SETPOINT)
        assert members.items() <= problem.items()
        assert words in problem["detail"]


def test_while_nothing_is_heard_the_answer_waits_no_longer_than_it_says(engineer: TestClient) -> None:
    status, problem = write(engineer, 45)
    assert isinstance(problem, dict)
    assert (status, problem["code"]) == (504, "write_lapsed")


@pytest.mark.parametrize(
    ("point", "value", "status", "code", "words"),
    [
        (SETPOINT, 100.5, 422, "out_of_limits", "takes: 0.00 to 100.00"),
        (SETPOINT, -1, 422, "out_of_limits", "takes: 0.00 to 100.00"),
        (SETPOINT, 10**400, 422, "out_of_limits", "takes: 0.00 to 100.00"),
        (SETPOINT, "fast", 422, "wrong_type", "Its type is u16"),
        (SETPOINT, True, 422, "wrong_type", "Its type is u16"),
        ("pump-1.control_mode_request", 2, 422, "wrong_type", "Its type is enum"),
        ("io-gate.out7", 1, 422, "wrong_type", "Its type is bool"),
        ("pump-1.pressure", 3.0, 422, "read_only", "Pump 1 · Pressure is read-only"),
        ("pump-1.nothing", 1, 404, "no_such_point", "no point 'pump-1.nothing'"),
        ("io-gate.out1", False, 409, "barrier_output", "open the lane instead"),
        ("io-gate.out2", True, 409, "barrier_output", "open the lane instead"),
    ],
)
def test_what_never_reaches_the_core(
    house: SmallHouse, engineer: TestClient, point: str, value: object, status: int, code: str, words: str
) -> None:
    comes(house, Outcome.VERIFIED)
    found, problem = write(engineer, value, point)
    assert isinstance(problem, dict)
    assert (found, problem["code"]) == (status, code)
    assert words in problem["detail"]
    assert house.now() == START, "nothing has happened"


def test_limits_are_told_as_numbers_too(house: SmallHouse, engineer: TestClient) -> None:
    _, problem = write(engineer, 101)
    assert isinstance(problem, dict)
    assert (problem["low"], problem["high"]) == (0.0, 100.0)
    (point,) = [p for p in engineer.get("/api/v1/points?device=pump-1").json() if p["point"] == SETPOINT]
    assert (point["writable"], point["limits"], point["type"]) == (True, [0.0, 100.0], "u16")


def test_a_fire_makes_no_difference(house: SmallHouse, engineer: TestClient) -> None:
    house.step(FireSignal("panel", FireKind.FIRE, house.now()))
    assert write(engineer, False, "io-gate.out1")[0] == 409


def test_a_second_write_of_the_point_waits_for_the_first(house: SmallHouse, engineer: TestClient) -> None:
    write(engineer, 10)
    status, problem = write(engineer, 20)
    assert isinstance(problem, dict)
    assert (status, problem["code"]) == (409, "write_under_way")


@pytest.mark.parametrize("reason", ["", "  ", "a\x07b", "x" * 201])
def test_a_reason_is_needed(engineer: TestClient, reason: str) -> None:
    answer = engineer.post(f"/api/v1/points/{SETPOINT}/write", json={"value": 1, "reason": reason})
    assert answer.status_code == 422


def test_the_stream_tells_of_a_write(house: SmallHouse, engineer: TestClient) -> None:
    news = house.hub.subscribe("test", 10, frozenset({Write, Reading}))
    comes(house, Outcome.VERIFIED, read=45.0)
    write(engineer, 45)
    (told,) = news.take(0)
    assert isinstance(told, Write)
    assert (told.by, told.outcome) == ("the-engineer", Outcome.VERIFIED)
