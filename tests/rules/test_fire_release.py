"""Fire opens every barrier and holds it, whatever else is going on."""

from dataclasses import replace

import pytest

from sitewarden.rules.model import (
    Action,
    AlarmState,
    Command,
    Decision,
    Direction,
    Do,
    FireChange,
    FireKind,
    FireStage,
    LinkChanged,
    Operator,
    Passage,
    Severity,
    Tick,
    Verdict,
    Why,
)
from sitewarden.rules.parking.occupancy import Occupancy
from sitewarden.rules.plan import Barrier, Lane, Parking
from sitewarden.rules.state import State
from tests.rules.fire_under_test import FIRE, NORMAL, OUTPUTS, outputs, over, signal, stages
from tests.rules.site_under_test import IN, OUT, PLAN, SIDE, Site, at, kept, of


def inside(site: Site) -> int:
    return Occupancy(State(site.core.save())).count


def test_the_step_that_learns_of_fire_opens_every_barrier_and_waits_for_no_record() -> None:
    effects = signal(Site(), FireKind.FIRE)
    assert outputs(effects, Do.SET) == OUTPUTS
    assert not any(command.ahead for command in of(effects, Command))
    assert stages(effects) == [(FireStage.NORMAL, FireStage.FIRE)]


def test_an_output_that_was_about_to_close_an_arm_is_let_go() -> None:
    assert outputs(signal(Site(), FireKind.FIRE), Do.CLEAR) == {("io-in", "out2")}


def test_every_panel_adds_itself_and_the_last_one_to_fall_silent_leaves_the_barriers_held() -> None:
    site = Site()
    signal(site, FireKind.FIRE)
    assert stages(signal(site, FireKind.FIRE, "panel-b")) == []
    assert site.alarm("fire:panel-b")
    assert stages(signal(site, FireKind.NORMAL)) == []
    assert stages(signal(site, FireKind.NORMAL, "panel-b")) == [(FireStage.FIRE, FireStage.HELD)]
    assert stages(signal(site, FireKind.FIRE)) == [(FireStage.HELD, FireStage.FIRE)]


def test_only_an_operator_ends_it_and_not_before_every_panel_is_silent() -> None:
    site = Site()
    signal(site, FireKind.FIRE)
    assert site.operates(Action.RESET_FIRE) == []
    signal(site, FireKind.NORMAL)
    site.wait(3600.0)
    reset = site.operates(Action.RESET_FIRE)
    assert stages(reset) == [(FireStage.HELD, FireStage.NORMAL)]
    assert outputs(reset, Do.CLEAR) == OUTPUTS
    assert outputs(reset, Do.SET) == set()
    assert all(command.ahead for command in of(reset, Command))
    assert of(reset, FireChange)[0].by == "guard"
    assert of(reset, Operator)
    assert site.alarm("fire:panel-a") is None
    assert site.operates(Action.RESET_FIRE) == []


def test_a_reset_lowers_an_arm_that_must_be_told_but_not_on_a_car() -> None:
    for under, lowered in ((False, {("io-in", "out2")}), (True, set())):
        site = Site()
        signal(site, FireKind.FIRE)
        site.reads(IN.barrier.loop_under, under)
        signal(site, FireKind.NORMAL)
        site.wait(1.0)
        assert outputs(site.operates(Action.RESET_FIRE), Do.PULSE) == lowered


def test_the_outputs_are_set_again_every_five_seconds_and_when_their_device_comes_back() -> None:
    site = Site()
    signal(site, FireKind.FIRE)
    again = [command for command in of(site.wait(10.0), Command) if command.do is Do.SET]
    assert len(again) == 2 * len(OUTPUTS)
    back = site.step(LinkChanged("io-in", True, at(site.now)))
    assert outputs(back, Do.SET) == {("io-in", "out1")}


def test_swipes_in_a_fire_are_recorded_and_move_nothing() -> None:
    site = Site()
    signal(site, FireKind.FIRE)
    for card in ("monthly", "blocked", "nobody"):
        effects = site.swipe(card)
        (decision,) = of(effects, Decision)
        assert (decision.verdict, decision.why) == (Verdict.GRANTED, Why.FIRE)
        assert of(effects, Command) == []
    assert of(site.operates(Action.OPEN, "in", "hurry"), Command) == []


def test_a_card_that_is_swiped_in_a_fire_passes_as_itself() -> None:
    site = Site()
    site.enters("monthly")
    signal(site, FireKind.FIRE)
    site.swipe("monthly", OUT)
    (passage,) = of(site.drive(OUT), Passage)
    assert passage.card == "monthly"
    site.swipe("monthly-2")
    over(site)
    assert [passage.card for passage in of(site.drive(), Passage)] == ["monthly-2"], "after the reset as well"
    assert site.alarm("unexplained_passage:in") is None
    assert inside(site) == 1


def test_a_car_that_stands_under_the_arm_at_the_reset_is_no_tailgater() -> None:
    site = Site()
    signal(site, FireKind.FIRE)
    site.reads(IN.barrier.loop_under, True)
    over(site)
    assert outputs(site.reads(IN.barrier.loop_under, False), Do.PULSE) == {("io-in", "out2")}
    assert site.alarm("unexplained_passage:in") is None
    assert inside(site) == 1


def test_strangers_move_the_count_and_their_own_next_passage_corrects_it() -> None:
    site = Site()
    for card in ("monthly", "monthly-2", "temporary"):
        site.enters(card)
    signal(site, FireKind.FIRE)
    site.drive(OUT)  # monthly's car, as will turn out
    site.drive(OUT)  # and temporary's
    assert inside(site) == 1
    over(site)
    assert inside(site) == 1, "a reset forgets nobody"
    site.enters("monthly")
    assert inside(site) == 2
    site.enters("monthly-2", OUT)
    assert inside(site) == 1
    assert [of(site.swipe("temporary-2"), Decision)[0].why, inside(site)] == [Why.PERMIT, 1]
    assert of(site.swipe("monthly"), Decision)[0].why is Why.ALREADY_INSIDE, "this place is certain again"
    again = Site(cells=kept(site.core))
    assert inside(again) == 1


def test_a_stranger_counts_once_though_it_burns_again() -> None:
    site = Site()
    signal(site, FireKind.FIRE)
    site.reads(IN.barrier.loop_under, True)
    over(site)
    signal(site, FireKind.FIRE)
    site.reads(IN.barrier.loop_under, False)
    assert inside(site) == 1


def test_a_car_that_a_guard_let_in_is_no_stranger_though_it_burns_meanwhile() -> None:
    site = Site()
    site.operates(Action.OPEN, "in", "ambulance")
    signal(site, FireKind.FIRE)
    site.drive()
    assert inside(site) == 0


def test_a_guess_takes_no_private_space() -> None:
    site = Site()
    site.enters("private-a")
    assert of(site.swipe("private-b"), Decision)[0].why is Why.SPACE_TAKEN
    signal(site, FireKind.FIRE)
    site.drive(OUT)
    over(site)
    site.wait(5.0)
    assert of(site.swipe("private-b"), Decision)[0].why is Why.PERMIT


def test_a_card_that_was_outside_and_leaves_had_come_in_as_a_stranger() -> None:
    site = Site()
    site.enters("monthly")
    site.enters("monthly", OUT)
    signal(site, FireKind.FIRE)
    site.drive()
    over(site)
    assert inside(site) == 1
    site.enters("monthly", OUT)
    assert inside(site) == 0


def test_cars_that_flee_are_no_tailgaters_and_nothing_closes_behind_them() -> None:
    site = Site()
    signal(site, FireKind.FIRE)
    effects = site.drive()
    assert [passage.card for passage in of(effects, Passage)] == [""]
    assert outputs(effects, Do.PULSE) == set()
    assert site.alarm("unexplained_passage:in") is None


@pytest.mark.parametrize(("strangers", "why"), [(True, Why.PERMIT), (False, Why.ALREADY_INSIDE)])
def test_after_strangers_passed_held_barriers_nobody_is_refused_for_where_he_was(
    strangers: bool, why: Why
) -> None:
    site = Site()
    site.enters("monthly")
    signal(site, FireKind.FIRE)
    if strangers:
        site.drive(OUT)
    signal(site, FireKind.NORMAL)
    site.wait(5.0)
    site.operates(Action.RESET_FIRE)
    assert of(site.swipe("monthly"), Decision)[0].why is why


def test_a_barrier_that_does_not_open_in_a_fire_is_a_critical_alarm_until_it_does() -> None:
    site = Site()
    signal(site, FireKind.FIRE)
    site.wait(6.0)
    alarm = site.alarm("barrier_not_open:in")
    assert alarm is not None
    assert alarm.severity is Severity.CRITICAL
    assert site.alarm("barrier_not_open:out") is None, "it has no limit switch to tell"
    site.reads(IN.barrier.opened, True)
    alarm = site.alarm("barrier_not_open:in")
    assert alarm is not None
    assert alarm.state is AlarmState.RETURNED


def test_a_reset_ends_the_alarm_of_a_barrier_that_did_not_open() -> None:
    site = Site()
    signal(site, FireKind.FIRE)
    site.wait(6.0)
    over(site)
    alarm = site.alarm("barrier_not_open:in")
    assert alarm is not None
    assert alarm.state is AlarmState.RETURNED


def test_an_arm_that_was_about_to_be_late_has_its_time_again_in_a_fire() -> None:
    site = Site()
    site.reads("panel.line1", NORMAL)
    site.wait(1.0)
    site.swipe("monthly")
    site.wait(5.9)
    site.reads("panel.line1", FIRE)
    site.now += 0.5  # both instants come with one tick
    assert stages(site.step(Tick(at(site.now)))) == [(FireStage.NORMAL, FireStage.FIRE)]
    assert site.alarm("barrier_not_open:in") is None
    site.wait(6.0)
    assert site.alarm("barrier_not_open:in")


def test_an_arm_that_fire_raises_was_not_forced() -> None:
    site = Site()
    site.reads(IN.barrier.closed, True)
    signal(site, FireKind.FIRE)
    site.wait(1.0)
    site.reads(IN.barrier.closed, False)
    assert site.alarm("barrier_forced:in") is None


def test_an_arm_that_comes_down_in_a_fire_is_an_alarm_too() -> None:
    site = Site()
    site.reads(IN.barrier.opened, True)
    signal(site, FireKind.FIRE)
    site.wait(20.0)
    assert site.alarm("barrier_not_open:in") is None
    site.reads(IN.barrier.opened, False)
    site.wait(6.0)
    assert site.alarm("barrier_not_open:in")


def test_the_fire_alarm_is_latched_until_the_reset_of_the_fire() -> None:
    site = Site()
    signal(site, FireKind.FIRE)
    site.operates(Action.ACKNOWLEDGE, "fire:panel-a")
    signal(site, FireKind.NORMAL)
    alarm = site.alarm("fire:panel-a")
    assert alarm is not None
    assert alarm.state is AlarmState.LATCHED
    assert site.operates(Action.RESET_LATCH, "fire:panel-a") == []
    site.operates(Action.RESET_FIRE)
    assert site.alarm("fire:panel-a") is None


def test_a_restart_in_a_fire_sets_every_output_in_its_first_step() -> None:
    site = Site()
    signal(site, FireKind.FIRE)
    again = site.restarted()
    assert again.core.wake_at == 0.0
    assert outputs(again.wait(0.0), Do.SET) == OUTPUTS
    assert of(again.swipe("nobody"), Decision)[0].why is Why.FIRE


def test_a_barrier_that_is_added_in_a_fire_opens() -> None:
    site = Site()
    signal(site, FireKind.FIRE)
    new = Lane("new", Direction.OUT, "reader-new", Barrier("io-new", "out1", "io-new.under"))
    plan = replace(PLAN, parking=Parking((IN, OUT, SIDE, new)))
    grown = Site(plan, cells=site.core.save())
    assert ("io-new", "out1") in outputs(grown.wait(0.0), Do.SET)
