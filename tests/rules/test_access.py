"""Validity to the day, and the order of the refusals."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sitewarden.rules.core import Core
from sitewarden.rules.model import CardRead, Decision, PermitKind, Stamp, Verdict, Why
from sitewarden.rules.parking.access import Question, judge
from sitewarden.rules.plan import AntiPassback, Lane
from tests.rules.site_under_test import IN, OUT, PLAN, SIDE, Site, of, permit

TODAY = date(2026, 3, 10)
OPEN = Question(permit("a"), IN, TODAY, None, space_taken=False, full=False)
LEAVING = replace(OPEN, lane=OUT)


def lane(of_lane: Lane, anti_passback: AntiPassback) -> Lane:
    return replace(of_lane, anti_passback=anti_passback)


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (OPEN, Why.PERMIT),
        (replace(OPEN, permit=permit("a", blocked=True)), Why.BLOCKED),
        (replace(OPEN, permit=permit("a", valid_from=date(2026, 3, 11))), Why.NOT_YET_VALID),
        (replace(OPEN, permit=permit("a", valid_to=date(2026, 3, 9))), Why.EXPIRED),
        (replace(OPEN, permit=permit("a", lanes=frozenset({"side"}))), Why.WRONG_LANE),
        (replace(OPEN, permit=permit("a", lanes=frozenset({"side", "in"}))), Why.PERMIT),
        (replace(OPEN, inside=True), Why.ALREADY_INSIDE),
        (replace(OPEN, inside=False), Why.PERMIT),
        (replace(OPEN, inside=True, lane=lane(IN, AntiPassback.SOFT)), Why.EXEMPT),
        (replace(OPEN, inside=True, lane=lane(IN, AntiPassback.OFF)), Why.PERMIT),
        (replace(OPEN, space_taken=True), Why.SPACE_TAKEN),
        (replace(OPEN, full=True), Why.FULL),
        (replace(OPEN, full=True, inside=True, lane=lane(IN, AntiPassback.SOFT)), Why.FULL),
        (LEAVING, Why.PERMIT),
        (replace(LEAVING, permit=permit("a", valid_to=date(2026, 3, 9))), Why.LET_OUT),
        (replace(LEAVING, permit=permit("a", valid_to=date(2026, 3, 9)), inside=True), Why.LET_OUT),
        (replace(LEAVING, permit=permit("a", valid_from=date(2026, 3, 11)), inside=True), Why.LET_OUT),
        (replace(LEAVING, inside=True), Why.PERMIT),
        (replace(LEAVING, inside=False), Why.NOT_INSIDE),
        (replace(LEAVING, inside=False, lane=lane(OUT, AntiPassback.SOFT)), Why.EXEMPT),
        (replace(LEAVING, inside=False, lane=lane(OUT, AntiPassback.OFF)), Why.PERMIT),
        (replace(LEAVING, full=True, space_taken=True), Why.PERMIT),
        (replace(LEAVING, permit=permit("a", blocked=True), inside=True), Why.BLOCKED),
    ],
)
def test_the_first_refusal_that_applies_is_the_answer(question: Question, why: Why) -> None:
    granted = why in (Why.PERMIT, Why.EXEMPT, Why.LET_OUT)
    assert judge(question) == (Verdict.GRANTED if granted else Verdict.DENIED, why)


@pytest.mark.parametrize("inside", [True, None])
@pytest.mark.parametrize("validity", [{"valid_to": date(2026, 3, 9)}, {"valid_from": date(2026, 3, 11)}])
def test_a_car_that_may_be_inside_is_not_shut_in_by_a_date(
    inside: bool | None, validity: dict[str, object]
) -> None:
    assert judge(replace(LEAVING, permit=permit("a", **validity), inside=inside))[0] is Verdict.GRANTED


def test_an_expired_card_that_is_outside_does_not_open_an_exit_without_anti_passback() -> None:
    expired = permit("a", valid_to=date(2026, 3, 9))
    question = replace(LEAVING, permit=expired, inside=False, lane=lane(OUT, AntiPassback.OFF))
    assert judge(question) == (Verdict.DENIED, Why.EXPIRED)


SHANGHAI, BERLIN, NEW_YORK = "Asia/Shanghai", "Europe/Berlin", "America/New_York"


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        (SHANGHAI, date(2026, 4, 1), date(2026, 4, 30)),  # a month's end
        (SHANGHAI, date(2028, 2, 1), date(2028, 2, 29)),  # a leap day
        (SHANGHAI, date(2026, 12, 1), date(2026, 12, 31)),  # a year's end
        (BERLIN, date(2026, 3, 1), date(2026, 3, 29)),  # the last day has 23 hours
        (BERLIN, date(2026, 10, 25), date(2026, 10, 25)),  # the only day has 25 hours
        (NEW_YORK, date(2026, 11, 1), date(2026, 11, 1)),
    ],
)
def test_a_permit_is_valid_from_its_first_local_instant_to_its_last(
    zone: str, first: date, last: date
) -> None:
    tz = ZoneInfo(zone)
    opens = datetime.combine(first, datetime.min.time(), tz).astimezone(UTC)
    closes = datetime.combine(last + timedelta(days=1), datetime.min.time(), tz).astimezone(UTC)
    instant = timedelta(microseconds=1)

    def asked(wall: datetime) -> Why:
        core = Core(replace(PLAN, tz=tz), [permit("a", valid_from=first, valid_to=last)])
        (decision,) = of(core.step(CardRead(IN.reader, "a", Stamp(wall, 1000.0))), Decision)
        return decision.why

    assert asked(opens - instant) is Why.NOT_YET_VALID
    assert asked(opens) is Why.PERMIT
    assert asked(closes - instant) is Why.PERMIT
    assert asked(closes) is Why.EXPIRED


@pytest.mark.parametrize(
    ("card", "why"),
    [
        ("monthly", Why.PERMIT),
        ("nobody", Why.UNKNOWN_CARD),
        ("blocked", Why.BLOCKED),
        ("expired", Why.EXPIRED),
        ("early", Why.NOT_YET_VALID),
        ("side-only", Why.WRONG_LANE),
    ],
)
def test_every_swipe_gets_one_decision_with_its_reason(card: str, why: Why) -> None:
    (decision,) = of(Site().swipe(card), Decision)
    assert (decision.why, decision.card, decision.lane, decision.direction) == (why, card, "in", IN.direction)
    assert decision.kind is (None if card == "nobody" else PermitKind.MONTHLY)


def test_anti_passback_follows_the_car_not_the_card() -> None:
    site = Site()
    site.swipe("monthly")
    site.wait(70.0)  # granted, but nobody went through
    assert of(site.swipe("monthly"), Decision)[0].why is Why.PERMIT
    site.drive()
    site.wait(5.0)
    assert of(site.swipe("monthly"), Decision)[0].why is Why.ALREADY_INSIDE
    assert of(site.swipe("monthly", SIDE), Decision)[0].why is Why.ALREADY_INSIDE
    assert of(site.enters("monthly", OUT), Decision)[0].why is Why.PERMIT
    assert of(site.swipe("monthly", OUT), Decision)[0].why is Why.NOT_INSIDE
    assert of(site.swipe("monthly"), Decision)[0].why is Why.PERMIT


def test_a_private_space_has_room_for_one_of_its_cards() -> None:
    site = Site()
    site.swipe("private-a")
    assert of(site.swipe("private-b", SIDE), Decision)[0].why is Why.SPACE_TAKEN, "the first is on its way"
    site.drive()
    site.wait(5.0)
    assert of(site.swipe("private-b"), Decision)[0].why is Why.SPACE_TAKEN
    site.enters("private-a", OUT)
    assert of(site.swipe("private-b"), Decision)[0].why is Why.PERMIT


def test_the_last_place_is_free_for_the_card_that_it_is_promised_to() -> None:
    site = Site()
    for card in ("monthly", "monthly-2"):
        site.enters(card)
    site.swipe("temporary")
    site.wait(5.0)
    assert of(site.swipe("temporary"), Decision)[0].why is Why.PERMIT
    assert of(site.swipe("temporary-2"), Decision)[0].why is Why.FULL


def test_a_full_site_refuses_temporary_cards_only() -> None:
    site = Site()
    for card in ("monthly", "temporary"):
        site.enters(card)
    site.swipe("monthly-2")  # the third place is promised
    site.wait(5.0)
    assert of(site.swipe("temporary-2"), Decision)[0].why is Why.FULL
    site.drive()
    site.wait(5.0)
    assert of(site.swipe("temporary-2"), Decision)[0].why is Why.FULL
    assert of(site.swipe("private-a"), Decision)[0].why is Why.PERMIT
    site.enters("monthly", OUT)
    assert of(site.swipe("temporary-2", SIDE), Decision)[0].why is Why.PERMIT
