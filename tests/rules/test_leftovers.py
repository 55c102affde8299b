"""A plan that changes, under a running site or while it was down, and alarms that outlived their cause."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sitewarden.rules.core import Core
from sitewarden.rules.model import (
    Action,
    AlarmState,
    ClockTrust,
    Command,
    Do,
    Effect,
    FireChange,
    FireKind,
    FireSignal,
    FireStage,
    Keep,
    LinkChanged,
    Trouble,
)
from sitewarden.rules.plan import Parking, SitePlan
from tests.rules.site_under_test import IN, OUT, PLAN, SIDE, Site, at, kept, of

ONLY_OUT = replace(PLAN, parking=Parking((OUT,)))

Cells = Callable[[Core], dict[str, object]]
over = pytest.mark.parametrize("cells", [Core.save, kept], ids=["reload", "restart"])


def changed(site: Site, plan: SitePlan, cells: Cells = Core.save) -> Site:
    to = Site(plan, cells=cells(site.core))
    to.now, to.seen = site.now, site.seen
    return to


@over
def test_a_lane_that_was_taken_away_takes_its_grants_and_alarms_with_it(cells: Cells) -> None:
    site = Site()
    site.swipe("monthly")
    site.wait(7.0)
    assert site.alarm("barrier_stuck:in")
    less = changed(site, ONLY_OUT, cells)
    effects = less.wait(120.0)
    assert Keep("lane/in", None) in effects
    assert not [key for key in less.core.save() if key.endswith("/in")]
    less.operates(Action.ACKNOWLEDGE, "barrier_stuck:in")
    assert less.alarm("barrier_stuck:in") is None


@over
def test_what_did_not_change_goes_on(cells: Cells) -> None:
    site = Site()
    site.enters("monthly")
    site.swipe("monthly", OUT)
    less = changed(site, ONLY_OUT, cells)
    less.wait(1.0)
    less.drive(OUT)
    assert Keep("lane/in", None) in of(less.seen, Keep)
    assert less.core.save()["inside/monthly"] != site.core.save()["inside/monthly"]


@over
@pytest.mark.parametrize("panel", ["", "line-new"], ids=["removed", "renamed"])
def test_a_fire_line_that_was_taken_away_burns_no_longer_but_holds_until_the_reset(
    cells: Cells, panel: str
) -> None:
    site = Site()
    site.reads("panel.line1", 100.0)
    site.wait(1.0)
    site.reads("panel.line1", 800.0)
    site.wait(1.0)
    renamed = (replace(PLAN.fire[0], panel=panel),) if panel else ()
    less = changed(site, replace(PLAN, fire=(*renamed, PLAN.fire[1])), cells)
    (change,) = of(less.wait(0.0), FireChange)
    assert change.after is FireStage.HELD
    reset = less.operates(Action.RESET_FIRE)
    assert [c.do for c in of(reset, Command) if c.device == IN.barrier.device] == [Do.CLEAR]
    less.operates(Action.ACKNOWLEDGE, "fire_fault:line-1")
    assert not [key for key in less.core.save() if key.endswith(":line-1")]


@over
def test_a_fault_of_a_fire_line_that_was_taken_away_is_over(cells: Cells) -> None:
    site = Site()
    site.reads("panel.line1", 100.0)
    site.wait(1.0)
    less = changed(site, replace(PLAN, fire=PLAN.fire[1:]), cells)
    less.wait(1.0)
    less.operates(Action.ACKNOWLEDGE, "fire_fault:line-1")
    assert less.alarm("fire_fault:line-1") is None


@over
def test_a_panel_that_is_still_there_burns_on(cells: Cells) -> None:
    site = Site()
    site.step(FireSignal("panel-a", FireKind.FIRE, at(site.now)))
    again = changed(site, replace(PLAN, conditions=()), cells)
    assert not of(again.wait(60.0), FireChange)
    assert again.operates(Action.RESET_FIRE) == []


def test_a_plan_that_did_not_change_is_settled() -> None:
    site = Site()
    site.swipe("monthly")
    again = changed(site, PLAN)
    assert again.core.wake_at == site.core.wake_at
    assert again.wait(0.0) == []


@over
def test_the_outputs_of_a_lane_that_was_taken_away_are_switched_off(cells: Cells) -> None:
    site = Site()
    site.swipe("monthly")
    less = changed(site, ONLY_OUT, cells)
    assert _outputs(less.wait(0.0), Do.CLEAR) >= {("io-in", "out1"), ("io-in", "out2"), ("io-out", "out3")}
    again = changed(less, ONLY_OUT, cells)
    assert _outputs(again.wait(0.0), Do.CLEAR) <= {("io-out", "out1")}


@over
def test_a_lane_that_is_taken_away_in_a_fire_stays_open_until_the_reset(cells: Cells) -> None:
    site = Site()
    site.step(FireSignal("panel-a", FireKind.FIRE, at(site.now)))
    less = changed(site, ONLY_OUT, cells)
    assert _outputs(less.wait(60.0), Do.CLEAR) == set()
    less = changed(less, ONLY_OUT, cells)
    less.step(FireSignal("panel-a", FireKind.NORMAL, at(less.now)))
    cleared = _outputs(less.operates(Action.RESET_FIRE), Do.CLEAR)
    assert cleared == {("io-in", "out1"), ("io-in", "out2"), ("io-out", "out1"), ("io-out", "out3")}


@over
def test_a_barrier_that_is_wired_otherwise_in_a_fire_opens_at_once(cells: Cells) -> None:
    site = Site()
    site.step(FireSignal("panel-a", FireKind.FIRE, at(site.now)))
    moved = replace(OUT, barrier=replace(OUT.barrier, open="out7"))
    again = changed(site, replace(PLAN, parking=Parking((IN, moved, SIDE))), cells)
    first = again.wait(0.0)
    assert ("io-out", "out7") in _outputs(first, Do.SET)
    assert ("io-out", "out1") not in _outputs(first, Do.CLEAR)
    again.step(FireSignal("panel-a", FireKind.NORMAL, at(again.now)))
    assert ("io-out", "out1") in _outputs(again.operates(Action.RESET_FIRE), Do.CLEAR)


@over
def test_an_output_that_a_barrier_no_longer_has_is_switched_off(cells: Cells) -> None:
    moved = replace(OUT, barrier=replace(OUT.barrier, open="out7"))
    again = changed(Site(), replace(PLAN, parking=Parking((IN, moved, SIDE))), cells)
    assert ("io-out", "out1") in _outputs(again.wait(0.0), Do.CLEAR)
    more = changed(again, PLAN, cells)
    assert ("io-out", "out7") in _outputs(more.wait(0.0), Do.CLEAR)


@over
def test_nothing_is_asked_of_a_device_that_went_with_its_lane(cells: Cells) -> None:
    site = Site()
    less = changed(site, replace(ONLY_OUT, devices=PLAN.devices - {"io-in"}), cells)
    assert not [command for command in of(less.wait(0.0), Command) if command.device == "io-in"]


@over
def test_a_device_that_was_taken_away_is_offline_no_longer(cells: Cells) -> None:
    site = Site()
    site.step(LinkChanged("pump-1", False, at(site.now)))
    site.wait(11.0)
    assert site.alarm("device_offline:pump-1")
    less = changed(site, replace(PLAN, devices=PLAN.devices - {"pump-1"}), cells)
    less.wait(1.0)
    less.operates(Action.ACKNOWLEDGE, "device_offline:pump-1")
    assert less.alarm("device_offline:pump-1") is None


@over
def test_an_alarm_that_waits_for_its_reset_can_be_reset_when_its_rule_is_gone(cells: Cells) -> None:
    site = Site()
    site.reads("tank.level", 0.5)
    site.operates(Action.ACKNOWLEDGE, "tank_low")
    site.reads("tank.level", 2.0)
    less = changed(site, replace(PLAN, conditions=()), cells)
    less.operates(Action.RESET_LATCH, "tank_low")
    assert less.alarm("tank_low") is None


def test_a_trouble_of_the_gateway_lasts_over_a_reload_and_not_over_a_start() -> None:
    site = Site()
    site.step(Trouble("sink_away", "influx", True, at(site.now)))
    again = changed(site, replace(PLAN, conditions=()))
    again.wait(1.0)
    assert _state(again, "sink_away:influx") is AlarmState.UNACKNOWLEDGED
    started = changed(again, PLAN, kept)
    started.wait(1.0)
    assert _state(started, "sink_away:influx") is AlarmState.RETURNED
    started.step(Trouble("sink_away", "influx", True, at(started.now)))
    assert _state(started, "sink_away:influx") is AlarmState.UNACKNOWLEDGED


def test_a_clock_that_is_not_trusted_is_no_leftover() -> None:
    site = Site()
    site.step(ClockTrust(False, at(site.now)))
    again = changed(site, replace(PLAN, conditions=()), kept)
    again.wait(1.0)
    assert _state(again, "clock_untrusted") is AlarmState.UNACKNOWLEDGED


def _outputs(effects: list[Effect], do: Do) -> set[tuple[str, str]]:
    return {(command.device, command.output) for command in of(effects, Command) if command.do is do}


def _state(site: Site, alarm: str) -> AlarmState | None:
    found = site.alarm(alarm)
    return found.state if found else None
