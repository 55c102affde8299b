"""From the swipe to the passage."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sitewarden.rules.cells import LaneCell
from sitewarden.rules.model import (
    Action,
    AlarmState,
    CardRead,
    Command,
    Decision,
    Do,
    Effect,
    Keep,
    Operator,
    Passage,
    PermitChanged,
    PermitKind,
    Verdict,
    Why,
)
from tests.rules.site_under_test import CARDS, IN, OUT, SIDE, Site, at, kept, of, permit

OPEN = Command("io-in", "out1", Do.PULSE, 0.5)
CLOSE = Command("io-in", "out2", Do.PULSE, 0.5)


def passages(effects: list[Effect]) -> list[str]:
    return [passage.card for passage in of(effects, Passage)]


def test_a_granted_swipe_opens_after_its_record_and_the_loop_makes_the_passage() -> None:
    site = Site()
    swiped = site.swipe("monthly")
    assert of(swiped, Command) == [OPEN]
    assert OPEN.ahead
    assert "inside/monthly" not in site.core.save(), "a grant is not a passage"
    driven = site.drive()
    assert of(driven, Passage) == [Passage("in", "monthly", IN.direction, at(2.0), PermitKind.MONTHLY)]
    assert of(driven, Command) == [CLOSE]
    assert "inside/monthly" in site.core.save()


def test_a_denied_swipe_moves_nothing() -> None:
    assert of(Site().swipe("blocked"), Command) == []


def test_a_reader_at_no_lane_decides_nothing() -> None:
    assert of(Site().step(CardRead("reader-elsewhere", "monthly", at(0))), Decision) == []


def test_a_held_card_is_one_swipe_until_it_has_been_away() -> None:
    site = Site()
    decisions = of(site.swipe("monthly"), Decision)
    for _ in range(20):
        site.wait(2.9)
        decisions += of(site.swipe("monthly"), Decision)
    assert len(decisions) == 1
    site.wait(3.0)
    assert len(of(site.swipe("monthly"), Decision)) == 1
    assert len(of(site.swipe("blocked"), Decision)) == 1, "another card is another swipe"


def test_cars_that_were_granted_one_after_the_other_pass_in_that_order() -> None:
    site = Site()
    site.swipe("monthly")
    site.swipe("private-a")
    first = site.drive()
    assert passages(first) == ["monthly"]
    assert CLOSE not in first, "the next one may still come"
    second = site.drive()
    assert passages(second) == ["private-a"]
    assert CLOSE in second


def test_a_card_handed_back_through_the_window_lets_in_one_car() -> None:
    site = Site()
    site.swipe("monthly")
    site.wait(4.0)
    assert of(site.swipe("monthly"), Command) == [OPEN], "the arm may have come down"
    site.wait(4.0)
    site.swipe("monthly", SIDE)
    assert passages(site.drive()) == [""]
    assert site.alarm("unexplained_passage:in")
    assert passages(site.drive(SIDE)) == ["monthly"]


def test_a_card_handed_back_by_a_car_under_the_arm_opens_no_second_time() -> None:
    site = Site()
    site.reads(IN.barrier.loop_under, False)
    site.swipe("monthly")
    site.reads(IN.barrier.loop_under, True)
    site.wait(4.0)
    assert of(site.swipe("monthly"), Decision)[0].why is Why.ALREADY_INSIDE
    assert of(site.swipe("monthly", SIDE), Decision)[0].why is Why.ALREADY_INSIDE
    assert passages(site.reads(IN.barrier.loop_under, False)) == ["monthly"]


@pytest.mark.parametrize(("blind", "why"), [(True, Why.PERMIT), (False, Why.NOT_INSIDE)])
def test_a_car_that_no_loop_could_see_is_not_shut_in(blind: bool, why: Why) -> None:
    site = Site()
    site.enters("monthly")
    site.enters("monthly", OUT)
    site.swipe("monthly")
    if blind:
        site.loses(IN.barrier.loop_under, False)
    site.wait(60.0)
    assert of(site.swipe("monthly", OUT), Decision)[0].why is why


def seen(site: Site) -> Site:
    """All loops say that nobody is there."""
    for lane in (IN, OUT, SIDE):
        site.reads(lane.barrier.loop_under, False)
    return site


def away_for_a_while(site: Site) -> Site:
    site.loses(IN.barrier.loop_under)
    site.wait(5.0)
    return seen(site)


def crashed(site: Site) -> Site:
    again = site.restarted()
    again.wait(5.0)
    return seen(again)


@pytest.mark.parametrize("unseen", [away_for_a_while, crashed])
def test_a_car_that_may_have_gone_through_unseen_is_on_either_side(
    unseen: Callable[[Site], Site],
) -> None:
    site = seen(Site())
    site.enters("monthly")
    site.enters("monthly", OUT)
    site.swipe("monthly")
    site = unseen(site)
    assert of(site.swipe("monthly", OUT), Decision)[0].why is Why.PERMIT, "before its grant lapses"
    site.wait(100.0)
    assert of(site.swipe("monthly", OUT), Decision)[0].why is Why.PERMIT, "and after"


@pytest.mark.parametrize("unseen", [away_for_a_while, crashed])
def test_a_passage_is_rather_that_of_a_car_which_must_still_be_there(unseen: Callable[[Site], Site]) -> None:
    site = seen(Site())
    site.swipe("monthly")
    site = unseen(site)
    site.swipe("monthly-2")
    assert passages(site.drive()) == ["monthly-2"]
    assert passages(site.drive()) == ["monthly"], "so it had not gone through"


def test_a_grant_lapses_but_not_under_a_waiting_car() -> None:
    site = Site()
    site.swipe("monthly")
    site.wait(60.0)
    assert passages(site.drive()) == [""]
    site.swipe("monthly-2")
    site.wait(59.0)
    site.reads(IN.barrier.loop_under, True)
    site.wait(30.0)
    assert passages(site.reads(IN.barrier.loop_under, False)) == ["monthly-2"]


def test_an_arm_that_must_be_told_comes_down_when_nobody_came() -> None:
    site = Site()
    site.reads(IN.barrier.loop_under, False)
    site.swipe("monthly")
    assert of(site.wait(59.0), Command) == []
    assert of(site.wait(1.0), Command) == [CLOSE]
    site.swipe("monthly-2")
    site.loses(IN.barrier.loop_under)
    assert of(site.wait(60.0), Command) == [], "never where a car may stand"
    assert of(site.reads(IN.barrier.loop_under, False), Command) == [CLOSE]
    assert of(site.reads(IN.barrier.loop_under, False), Command) == [], "once is enough"


def test_an_arm_comes_down_when_its_card_goes_to_another_lane() -> None:
    site = seen(Site())
    site.swipe("monthly")
    assert CLOSE in of(site.swipe("monthly", SIDE), Command)
    site.wait(5.0)
    assert CLOSE not in of(site.swipe("monthly"), Command)


def test_an_arm_that_a_crash_left_up_comes_down() -> None:
    site = seen(Site())
    site.swipe("monthly")
    assert CLOSE in of(site.drive(), Command)
    again = site.restarted()
    again.wait(1.0)
    assert of(again.reads(IN.barrier.loop_under, False), Command) == [CLOSE]


def test_behind_a_loop_that_is_stuck_grants_lapse_all_the_same() -> None:
    site = Site()
    site.enters("monthly")
    site.enters("monthly", OUT)
    site.reads(IN.barrier.loop_under, True)
    site.swipe("monthly")
    for _ in range(30):
        site.operates(Action.OPEN, "in", "the loop is stuck")
        site.wait(60.0)
    cell = site.core.save()["lane/in"]
    assert isinstance(cell, LaneCell)
    assert 10 <= len(cell.grants) <= 11
    assert of(site.swipe("monthly", OUT), Decision)[0].why is Why.PERMIT, "nobody saw where it went"


def test_a_stuck_loop_that_cannot_be_read_keeps_no_grant() -> None:
    site = seen(Site())
    site.reads(IN.barrier.loop_under, True)
    site.swipe("monthly")
    site.loses(IN.barrier.loop_under)
    site.wait(61.0)
    cell = site.core.save()["lane/in"]
    assert isinstance(cell, LaneCell)
    assert cell.grants == ()


def test_with_a_passage_go_the_grants_whose_time_is_over() -> None:
    site = seen(Site())
    site.swipe("monthly")
    site.swipe("monthly-2")
    site.wait(59.0)
    site.reads(IN.barrier.loop_under, True)
    site.wait(30.0)
    assert passages(site.reads(IN.barrier.loop_under, False)) == ["monthly"]
    assert passages(site.drive()) == [""]


def test_a_loop_that_cannot_be_read_makes_no_edge_but_what_it_missed_counts() -> None:
    site = Site()
    under = IN.barrier.loop_under
    site.reads(under, False)
    site.loses(under, True)
    assert passages(site.reads(under, False)) == []
    site.swipe("monthly")
    site.reads(under, True)
    assert passages(site.loses(under, False)) == []
    assert passages(site.reads(under, True)) == [], "the car has not moved"
    site.loses(under, True)
    assert passages(site.reads(under, False)) == ["monthly"]


def test_the_first_word_of_a_loop_is_taken_up_without_an_edge() -> None:
    site = Site()
    assert passages(site.reads(IN.barrier.loop_under, False)) == []


def test_a_tailgater_is_an_alarm_that_waits_for_acknowledgement() -> None:
    site = Site()
    site.swipe("monthly")
    site.drive()
    assert passages(site.drive()) == [""]
    alarm = site.alarm("unexplained_passage:in")
    assert alarm is not None
    assert alarm.state is AlarmState.RETURNED
    site.operates(Action.ACKNOWLEDGE, "unexplained_passage:in")
    assert site.alarm("unexplained_passage:in") is None


def test_an_operator_opens_with_a_reason_and_the_passage_is_explained() -> None:
    site = Site()
    opened = site.operates(Action.OPEN, "in", "ambulance")
    (decision,) = of(opened, Decision)
    assert (decision.verdict, decision.why, decision.by, decision.note) == (
        Verdict.GRANTED,
        Why.OPERATOR,
        "guard",
        "ambulance",
    )
    assert of(opened, Command) == [OPEN]
    assert of(opened, Operator)
    assert passages(site.drive()) == [""]
    assert site.alarm("unexplained_passage:in") is None


@pytest.mark.parametrize(("lane", "reason"), [("in", ""), ("nowhere", "ambulance")])
def test_an_operator_without_a_reason_or_a_lane_opens_nothing(lane: str, reason: str) -> None:
    site = Site()
    site.wait(0)
    assert site.operates(Action.OPEN, lane, reason) == []


def test_a_forgiven_card_may_go_either_way() -> None:
    site = Site()
    site.enters("monthly")
    assert of(site.operates(Action.FORGIVE, "monthly"), Operator)
    assert of(site.swipe("monthly"), Decision)[0].why is Why.PERMIT
    assert of(site.swipe("monthly", OUT), Decision)[0].why is Why.PERMIT
    assert site.operates(Action.FORGIVE, "nobody") == []


def test_a_renewed_card_opens_from_the_next_swipe_and_a_withdrawn_one_no_longer() -> None:
    site = Site()
    expired = next(card for card in CARDS if card.card == "expired")
    renewed = replace(expired, valid_to=permit("x").valid_to)
    assert of(site.swipe("expired"), Decision)[0].why is Why.EXPIRED
    site.step(PermitChanged("expired", renewed, at(1)))
    site.wait(5)
    assert of(site.swipe("expired"), Decision)[0].why is Why.PERMIT
    site.step(PermitChanged("expired", None, at(6)))
    site.wait(5)
    assert of(site.swipe("expired"), Decision)[0].why is Why.UNKNOWN_CARD


def test_a_withdrawn_card_is_not_counted_for_ever() -> None:
    site = seen(Site())
    site.enters("monthly")
    site.enters("monthly-2")
    site.step(PermitChanged("monthly", None, at(site.now)))
    assert "inside/monthly" not in site.core.save()
    left = Site(cards=[card for card in CARDS if card.card != "monthly-2"], cells=kept(site.core))
    left.wait(0.0)
    assert "inside/monthly-2" not in left.core.save(), "withdrawn while the gateway was off"


def test_a_crash_between_swipe_and_passage_loses_neither() -> None:
    site = Site()
    site.swipe("monthly")
    site.reads(IN.barrier.loop_under, True)
    again = site.restarted()
    assert passages(again.reads(IN.barrier.loop_under, False)) == ["monthly"]
    assert of(again.restarted().swipe("monthly"), Decision)[0].why is Why.ALREADY_INSIDE


def test_a_step_keeps_each_cell_once() -> None:
    site = Site()
    keys = [keep.key for keep in of(site.swipe("monthly"), Keep)]
    assert len(keys) == len(set(keys))


def test_a_start_switches_off_what_a_crash_may_have_left_on() -> None:
    site = Site(cells={})
    cleared = {(c.device, c.output) for c in of(site.wait(0.0), Command) if c.do is Do.CLEAR and not c.ahead}
    assert cleared == {("io-in", "out1"), ("io-in", "out2"), ("io-out", "out1"), ("io-out", "out3")}
    again = Site(cells=site.core.save())
    assert of(again.wait(0.0), Command) == []
