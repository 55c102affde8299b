"""What is asked of an arm, and whether it does so."""

from sitewarden.rules.model import Action, AlarmState, Severity
from tests.rules.site_under_test import IN, Site

UP, DOWN = IN.barrier.opened, IN.barrier.closed


def test_an_arm_that_does_not_come_up_is_stuck_until_it_does() -> None:
    site = Site()
    site.swipe("monthly")
    site.wait(5.9)
    assert site.alarm("barrier_stuck:in") is None
    site.wait(0.2)
    alarm = site.alarm("barrier_stuck:in")
    assert alarm is not None
    assert alarm.severity is Severity.HIGH
    site.reads(UP, True)
    alarm = site.alarm("barrier_stuck:in")
    assert alarm is not None
    assert alarm.state is AlarmState.RETURNED


def test_an_arm_that_comes_up_in_time_or_is_up_already_is_not_stuck() -> None:
    site = Site()
    site.swipe("monthly")
    site.wait(3.0)
    site.reads(UP, True)
    site.swipe("monthly-2")
    site.wait(10.0)
    assert site.alarm("barrier_stuck:in") is None


def test_an_arm_that_nobody_asked_to_rise_was_forced() -> None:
    site = Site()
    site.reads(DOWN, True)
    site.reads(DOWN, False)
    assert site.alarm("barrier_forced:in")
    site.reads(DOWN, True)
    site.operates(Action.ACKNOWLEDGE, "barrier_forced:in")
    assert site.alarm("barrier_forced:in") is None


def test_an_arm_that_rises_for_a_card_or_an_operator_was_not_forced() -> None:
    site = Site()
    site.reads(DOWN, True)
    site.swipe("monthly")
    site.reads(DOWN, False)
    site.wait(1.0)
    site.reads(DOWN, True)
    site.wait(100.0)
    site.operates(Action.OPEN, "in", "delivery")
    site.reads(DOWN, False)
    assert site.alarm("barrier_forced:in") is None


def test_a_limit_switch_that_cannot_be_read_says_nothing() -> None:
    site = Site()
    site.reads(DOWN, True)
    site.loses(DOWN, False)
    site.reads(DOWN, True)
    assert site.alarm("barrier_forced:in") is None


def test_a_start_in_the_middle_of_a_movement_is_no_force() -> None:
    site = Site()
    site.reads(DOWN, False)
    assert site.alarm("barrier_forced:in") is None
