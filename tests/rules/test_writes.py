"""A write has one record, whoever asked and whatever became of it."""

import pytest

from sitewarden.rules.model import (
    Action,
    AlarmState,
    Command,
    Do,
    Effect,
    FireKind,
    FireSignal,
    Keep,
    Operator,
    Outcome,
    Reason,
    Value,
    Write,
    WriteEnded,
)
from sitewarden.rules.writes import PATIENCE
from tests.rules.site_under_test import Site, at, of

SPEED = "pump.speed"


def asks(site: Site, point: str = SPEED, value: Value | None = 62.5, reason: str = "test") -> list[Effect]:
    return site.step(Operator(Action.WRITE, point, "guard", at(site.now), reason, value))


def ends(site: Site, outcome: Outcome, **more: Value | Reason) -> list[Write]:
    return of(site.step(WriteEnded(SPEED, outcome, at(site.now), **more)), Write)  # type: ignore[arg-type]


def test_an_operators_write_becomes_a_command_that_its_record_goes_ahead_of() -> None:
    effects = asks(Site())
    assert of(effects, Command) == [Command("pump", "speed", Do.WRITE, value=62.5)]
    assert [operator.value for operator in of(effects, Operator)] == [62.5]
    assert [keep.key for keep in of(effects, Keep)] == [f"write/{SPEED}"]


def test_how_it_ended_is_recorded_with_who_asked_and_what_was_there() -> None:
    site = Site()
    asks(site)
    site.wait(0.3)
    assert ends(site, Outcome.VERIFIED, before=40.0, read=62.5) == [
        Write(SPEED, 62.5, "guard", "test", at(0.0), Outcome.VERIFIED, at(0.3), 40.0, 62.5)
    ]
    assert ends(site, Outcome.VERIFIED) == [], "once"


@pytest.mark.parametrize(
    ("outcome", "alarm"),
    [
        (Outcome.VERIFIED, None),
        (Outcome.SENT, None),
        (Outcome.REFUSED, None),
        (Outcome.UNVERIFIED, "write_unverified"),
        (Outcome.LAPSED, "write_lapsed"),
    ],
)
def test_an_alarm_comes_only_where_a_person_must_know(outcome: Outcome, alarm: str | None) -> None:
    site = Site()
    asks(site)
    ends(site, outcome)
    raised = {code: site.alarm(f"{code}:{SPEED}") for code in ("write_unverified", "write_lapsed")}
    assert {code for code, found in raised.items() if found} == ({alarm} if alarm else set())
    if alarm and (found := raised[alarm]):
        assert found.state is AlarmState.RETURNED


def test_a_write_that_nobody_tells_of_lapses() -> None:
    site = Site()
    asks(site)
    assert of(site.wait(PATIENCE - 0.1), Write) == []
    (write,) = of(site.wait(0.2), Write)
    assert (write.outcome, write.by) == (Outcome.LAPSED, "guard")
    assert ends(site, Outcome.VERIFIED) == [], "too late"


def test_a_crash_in_between_costs_no_record() -> None:
    site = Site()
    asks(site)
    again = site.restarted()
    (write,) = of(again.wait(PATIENCE), Write)
    assert (write.outcome, write.value, write.note) == (Outcome.LAPSED, 62.5, "test")


def test_one_write_of_a_point_at_a_time() -> None:
    site = Site()
    asks(site)
    assert asks(site, value=70.0) == []
    assert of(asks(site, "pump.mode", 1), Command)
    ends(site, Outcome.VERIFIED)
    assert of(asks(site, value=70.0), Command)


@pytest.mark.parametrize("point", ["io-in.out1", "io-in.out2", "io-out.out3"])
@pytest.mark.parametrize("burns", [False, True])
def test_what_moves_a_barrier_is_the_lanes_own(point: str, burns: bool) -> None:
    site = Site()
    if burns:
        site.step(FireSignal("p", FireKind.FIRE, at(site.now)))
    assert asks(site, point, value=False) == []


@pytest.mark.parametrize(
    ("point", "value", "reason"),
    [
        (SPEED, 62.5, ""),
        (SPEED, None, "test"),
        ("nobody.speed", 1, "test"),
        ("pump", 1, "test"),
        ("", 1, "a"),
    ],
)
def test_what_is_no_write_leaves_no_trace(point: str, value: Value | None, reason: str) -> None:
    assert asks(Site(), point, value, reason) == []
