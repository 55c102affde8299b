"""Supervised lines: what their values mean, and when."""

from dataclasses import replace

import pytest

from sitewarden.rules.model import (
    Action,
    AlarmState,
    Command,
    Do,
    FireChange,
    Severity,
)
from tests.rules.fire_under_test import FIRE, NORMAL, OUTPUTS, outputs, stages
from tests.rules.site_under_test import PLAN, Site, of


def test_a_line_on_fire_opens_after_its_debounce() -> None:
    site = Site()
    site.reads("panel.line1", NORMAL)
    site.wait(1.0)
    site.reads("panel.line1", FIRE)
    assert outputs(site.wait(0.15), Do.SET) == set()
    effects = site.wait(0.1)
    assert outputs(effects, Do.SET) == OUTPUTS
    assert of(effects, FireChange)[0].zone == "hall"


def test_a_spike_on_a_line_opens_nothing() -> None:
    site = Site()
    site.reads("panel.line1", NORMAL)
    site.wait(1.0)
    site.reads("panel.line1", FIRE)
    site.wait(0.1)
    site.reads("panel.line1", NORMAL)
    assert outputs(site.wait(10.0), Do.SET) == set()


def test_a_line_without_debounce_opens_in_the_step_of_its_reading() -> None:
    plan = replace(PLAN, fire=(replace(PLAN.fire[0], debounce=0.0),))
    assert outputs(Site(plan).reads("panel.line1", FIRE), Do.SET) == OUTPUTS


@pytest.mark.parametrize(
    ("value", "text"),
    [(100.0, "short"), (9000.0, "open"), (1500.0, "unreadable"), (float("nan"), "unreadable")],
)
def test_a_broken_line_is_a_fault_and_no_fire(value: float, text: str) -> None:
    site = Site()
    site.reads("panel.line1", NORMAL)
    site.reads("panel.line1", value)
    effects = site.wait(1.0)
    alarm = site.alarm("fire_fault:line-1")
    assert alarm is not None
    assert (alarm.params["text"], alarm.severity) == (text, Severity.HIGH)
    assert of(effects, Command) == []
    site.reads("panel.line1", NORMAL)
    site.wait(1.0)
    site.operates(Action.ACKNOWLEDGE, "fire_fault:line-1")
    assert site.alarm("fire_fault:line-1") is None


def test_a_line_that_cannot_be_read_is_a_fault_and_does_not_end_a_fire() -> None:
    site = Site()
    site.reads("panel.line1", FIRE)
    site.wait(1.0)
    site.loses("panel.line1", NORMAL)
    effects = site.wait(60.0)
    assert site.alarm("fire_fault:line-1")
    assert stages(effects) == []


def test_another_fault_of_a_line_is_another_alarm_and_the_same_one_is_not() -> None:
    site = Site()
    for value in (9000.0, 9500.0):
        site.reads("panel.line1", value)
        site.wait(1.0)
        site.operates(Action.ACKNOWLEDGE, "fire_fault:line-1")
    site = site.restarted()
    site.reads("panel.line1", 9000.0)
    site.wait(1.0)
    alarm = site.alarm("fire_fault:line-1")
    assert alarm is not None
    assert (alarm.params["text"], alarm.state) == ("open", AlarmState.ACKNOWLEDGED)
    site.reads("panel.line1", 100.0)
    site.wait(1.0)
    alarm = site.alarm("fire_fault:line-1")
    assert alarm is not None
    assert (alarm.params["text"], alarm.state) == ("short", AlarmState.UNACKNOWLEDGED)


def test_a_line_that_says_fire_has_no_fault_any_more() -> None:
    site = Site()
    site.reads("panel.line1", 9000.0)
    site.wait(1.0)
    site.reads("panel.line1", FIRE)
    site.wait(1.0)
    alarm = site.alarm("fire_fault:line-1")
    assert alarm is not None
    assert alarm.state is AlarmState.RETURNED


@pytest.mark.parametrize("says", ["nothing", "nothing readable"])
def test_a_line_that_cannot_be_read_from_the_start_is_a_fault(says: str) -> None:
    site = Site()
    site.wait(1.0)
    if says != "nothing":
        site.loses("panel.line1")
    site.wait(9.0)
    assert site.alarm("fire_fault:line-1") is None
    site.wait(0.3)
    alarm = site.alarm("fire_fault:line-1")
    assert alarm is not None
    assert alarm.params["text"] == "unreadable"


def test_a_dry_contact_reads_as_nought_or_one() -> None:
    bands = tuple(replace(PLAN.fire[0].bands[n], low=low, high=low + 0.5) for n, low in ((1, 1.0), (2, 0.0)))
    site = Site(replace(PLAN, fire=(replace(PLAN.fire[0], bands=bands),)))
    site.reads("panel.line1", False)
    assert outputs(site.wait(1.0), Do.SET) == set()
    site.reads("panel.line1", True)
    assert outputs(site.wait(1.0), Do.SET) == OUTPUTS
