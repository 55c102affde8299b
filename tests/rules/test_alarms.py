"""Conditions, stale points, devices that are away, the gateway's own troubles."""

import math
from dataclasses import replace

import pytest

from sitewarden.rules.model import (
    Action,
    AlarmChange,
    AlarmState,
    ClockTrust,
    Effect,
    Keep,
    LinkChanged,
    Operator,
    Quality,
    Reading,
    Reason,
    Severity,
    Tick,
    Trouble,
)
from tests.rules.site_under_test import PLAN, Site, at, of

LEVEL = "tank.level"


def moves(effects: list[Effect], alarm: str) -> list[tuple[AlarmState, AlarmState]]:
    return [
        (change.before, change.alarm.state) for change in of(effects, AlarmChange) if change.alarm.id == alarm
    ]


RAISED = [(AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED)]
RETURNED = [(AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED)]


def test_a_value_must_be_beyond_the_limit_for_the_on_delay() -> None:
    site = Site()
    site.reads(LEVEL, 3.1)
    assert moves(site.wait(9.9), "tank_high") == []
    assert moves(site.wait(0.1), "tank_high") == RAISED
    alarm = site.alarm("tank_high")
    assert alarm is not None
    assert (alarm.code, alarm.subject, alarm.severity) == ("condition", LEVEL, Severity.HIGH)
    assert alarm.params == {"test": "above", "limit": 3.0, "value": 3.1}


def test_a_value_that_comes_back_in_time_raises_nothing_but_within_the_hysteresis_it_has_not() -> None:
    site = Site()
    site.reads(LEVEL, 3.1)
    site.wait(5.0)
    site.reads(LEVEL, 2.6)
    assert moves(site.wait(5.0), "tank_high") == RAISED
    site = Site()
    site.reads(LEVEL, 3.1)
    site.wait(5.0)
    site.reads(LEVEL, 2.5)
    assert moves(site.wait(60.0), "tank_high") == []


def test_an_alarm_returns_when_the_value_is_back_by_the_hysteresis_for_the_off_delay() -> None:
    site = Site()
    site.reads(LEVEL, 3.1)
    site.wait(10.0)
    site.reads(LEVEL, 2.5)
    site.wait(4.0)
    site.reads(LEVEL, 2.7)  # too early: it stands again
    assert moves(site.wait(60.0), "tank_high") == []
    site.reads(LEVEL, 2.5)
    assert moves(site.wait(4.9), "tank_high") == []
    assert moves(site.wait(0.1), "tank_high") == RETURNED


@pytest.mark.parametrize("bad", ["quality", "nan"])
def test_an_unknown_value_cancels_a_delay_and_leaves_an_alarm(bad: str) -> None:
    def loses(site: Site) -> None:
        if bad == "nan":
            site.reads(LEVEL, math.nan)
        else:
            site.loses(LEVEL, 3.1)

    site = Site()
    site.reads(LEVEL, 3.1)
    site.wait(5.0)
    loses(site)
    assert moves(site.wait(60.0), "tank_high") == []
    site.reads(LEVEL, 3.1)
    assert moves(site.wait(10.0), "tank_high") == RAISED
    site.reads(LEVEL, 1.5)
    loses(site)
    assert moves(site.wait(60.0), "tank_high") == []


def test_without_delays_a_condition_follows_its_point_in_the_same_step() -> None:
    site = Site()
    assert moves(site.reads("pump.fault", True), "pump_fault") == RAISED
    assert moves(site.reads("pump.fault", True), "pump_fault") == []
    assert moves(site.reads("pump.fault", False), "pump_fault") == RETURNED
    assert moves(site.reads("pump.fault", True), "pump_fault") == [
        (AlarmState.RETURNED, AlarmState.UNACKNOWLEDGED)
    ]


def test_an_alarm_that_is_over_and_seen_leaves_nothing_behind() -> None:
    site = Site()
    site.reads("pump.fault", True)
    seen = site.operates(Action.ACKNOWLEDGE, "pump_fault")
    assert moves(seen, "pump_fault") == [(AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED)]
    assert of(seen, AlarmChange)[0].by == "guard"
    assert of(seen, Operator)
    over = site.reads("pump.fault", False)
    assert moves(over, "pump_fault") == [(AlarmState.ACKNOWLEDGED, AlarmState.NORMAL)]
    assert Keep("alarm/pump_fault", None) in over
    assert site.alarm("pump_fault") is None


def test_a_latched_alarm_waits_for_its_reset() -> None:
    site = Site()
    site.reads(LEVEL, 0.5)
    site.operates(Action.ACKNOWLEDGE, "tank_low")
    site.reads(LEVEL, 2.0)
    alarm = site.alarm("tank_low")
    assert alarm is not None
    assert alarm.state is AlarmState.LATCHED
    assert of(site.operates(Action.RESET_LATCH, "tank_low"), Operator)
    assert site.alarm("tank_low") is None


@pytest.mark.parametrize("action", [Action.ACKNOWLEDGE, Action.RESET_LATCH])
def test_what_is_not_there_is_not_acknowledged(action: Action) -> None:
    site = Site()
    site.wait(0.0)
    assert site.operates(action, "tank_low") == []


def test_an_on_delay_goes_on_through_a_crash_and_waits_for_a_value() -> None:
    site = Site()
    site.reads(LEVEL, 3.1)
    site.wait(8.0)
    again = site.restarted()
    assert moves(again.wait(30.0), "tank_high") == [], "nobody knows the level yet"
    assert moves(again.reads(LEVEL, 3.1), "tank_high") == RAISED


def test_a_point_that_says_nothing_good_is_stale_counted_from_the_start() -> None:
    site = Site()
    site.wait(0.0)
    assert moves(site.wait(119.9), "point_stale:tank.level") == []
    assert moves(site.wait(0.1), "point_stale:tank.level") == RAISED
    assert moves(site.reads(LEVEL, 2.0), "point_stale:tank.level") == RETURNED


def test_bad_readings_do_not_keep_a_point_from_going_stale() -> None:
    site = Site()
    site.reads(LEVEL, 2.0)
    site.wait(60.0)
    site.reads(LEVEL, 2.0)
    effects: list[Effect] = []
    for _ in range(11):
        effects += site.wait(10.0)
        effects += site.loses(LEVEL, 2.0)
    assert moves(effects, "point_stale:tank.level") == []
    assert moves(site.wait(10.0), "point_stale:tank.level") == RAISED
    site.reads(LEVEL, 2.0)
    assert moves(site.wait(120.0), "point_stale:tank.level") == [
        (AlarmState.RETURNED, AlarmState.UNACKNOWLEDGED)
    ], "and once more"


def test_a_good_value_that_is_not_heard_of_again_is_told_as_stale() -> None:
    site = Site()
    site.reads(LEVEL, 2.0)
    stale = Reading(LEVEL, 2.0, at(120), Quality.STALE, Reason.OLD)
    assert of(site.wait(600.0), Reading) == [stale]
    assert of(site.reads(LEVEL, 2.5), Reading) == [Reading(LEVEL, 2.5, at(600))]
    site.loses(LEVEL, 2.5)
    assert of(site.wait(600.0), Reading) == [], "it was told why before"
    assert site.alarm("point_stale:tank.level")


def test_a_device_that_stays_away_is_offline_until_it_answers() -> None:
    site = Site()
    lost = LinkChanged("pump-1", False, at(0), Reason.TIMEOUT)
    assert lost in site.step(lost)
    assert moves(site.wait(10.0), "device_offline:pump-1") == RAISED
    alarm = site.alarm("device_offline:pump-1")
    assert alarm is not None
    assert alarm.params == {"reason": "timeout"}
    back = LinkChanged("pump-1", True, at(10))
    assert moves(site.step(back), "device_offline:pump-1") == RETURNED


def test_a_device_that_comes_back_in_time_is_no_alarm() -> None:
    site = Site()
    site.step(LinkChanged("pump-1", False, at(0)))
    site.wait(9.0)
    site.step(LinkChanged("pump-1", True, at(9)))
    assert moves(site.wait(60.0), "device_offline:pump-1") == []


@pytest.mark.parametrize("again", ["start", "restart"])
def test_a_device_of_which_nothing_was_ever_heard_is_offline(again: str) -> None:
    site = Site() if again == "start" else Site().restarted()
    site.wait(0.0)
    assert moves(site.wait(9.9), "device_offline:pump-1") == []
    assert moves(site.wait(0.1), "device_offline:pump-1") == RAISED
    alarm = site.alarm("device_offline:pump-1")
    assert alarm is not None
    assert alarm.params == {"reason": "link_down"}
    back = LinkChanged("pump-1", True, at(site.now))
    assert moves(site.step(back), "device_offline:pump-1") == RETURNED


def test_a_device_that_does_not_answer_from_the_start_has_no_second_time() -> None:
    site = Site()
    site.wait(3.0)
    site.step(LinkChanged("pump-1", False, at(3), Reason.TIMEOUT))
    assert moves(site.wait(7.0), "device_offline:pump-1") == RAISED
    alarm = site.alarm("device_offline:pump-1")
    assert alarm is not None
    assert alarm.params == {"reason": "timeout"}


def test_a_device_that_is_up_is_so_over_a_reload() -> None:
    site = Site()
    site.step(LinkChanged("pump-1", True, at(3)))
    site.wait(9.0)
    again = Site(replace(PLAN, conditions=()), cells=site.core.save())
    again.now = site.now
    assert moves(again.wait(60.0), "device_offline:pump-1") == []


def test_a_site_that_comes_up_within_seconds_raises_nothing() -> None:
    site = Site()
    site.wait(4.0)
    for line in PLAN.fire:
        site.loses(line.point)  # its device is not awake yet
    site.wait(4.0)
    for line in PLAN.fire:
        site.reads(line.point, 2200.0)
    for device in PLAN.devices:
        site.step(LinkChanged(device, True, at(8)))
    site.wait(60.0)
    assert of(site.seen, AlarmChange) == []


def test_the_gateways_own_trouble_is_an_alarm_of_its_code() -> None:
    site = Site()
    raised = site.step(Trouble("journal_late", "journal", True, at(0), {"limit_ms": 150}))
    assert moves(raised, "journal_late:journal") == RAISED
    alarm = site.alarm("journal_late:journal")
    assert alarm is not None
    assert (alarm.severity, alarm.params) == (Severity.HIGH, {"limit_ms": 150})
    over = site.step(Trouble("journal_late", "journal", False, at(1)))
    assert moves(over, "journal_late:journal") == RETURNED
    site.step(Trouble("never_heard_of", "x", True, at(2)))
    alarm = site.alarm("never_heard_of:x")
    assert alarm is not None
    assert alarm.severity is Severity.MEDIUM


def test_a_trouble_that_has_happened_waits_only_to_be_acknowledged() -> None:
    site = Site()
    site.step(Trouble("journal_set_aside", "journal", True, at(0), {"file": "journal.broken"}, lasts=False))
    alarm = site.alarm("journal_set_aside:journal")
    assert alarm is not None
    assert (alarm.state, alarm.params) == (AlarmState.RETURNED, {"file": "journal.broken"})
    site.operates(Action.ACKNOWLEDGE, "journal_set_aside:journal")
    assert site.alarm("journal_set_aside:journal") is None


def test_an_untrusted_clock_is_an_alarm() -> None:
    site = Site()
    assert moves(site.step(ClockTrust(False, at(0))), "clock_untrusted") == RAISED
    assert moves(site.step(ClockTrust(True, at(1))), "clock_untrusted") == RETURNED


def test_every_reading_passes_through_whoever_watches() -> None:
    site = Site()
    site.step(Tick(at(0)))
    for point in (LEVEL, "nobody.watches"):
        reading = Reading(point, 2.0, at(1))
        assert list(site.core.step(reading)) == [reading]


def test_a_rule_that_was_taken_away_ends_its_alarm_and_its_timer() -> None:
    site = Site()
    site.reads("pump.fault", True)
    site.reads(LEVEL, 3.1)
    bare = Site(replace(PLAN, conditions=(), stale=()), cells=site.core.save())
    effects = bare.wait(0.0)
    assert moves(effects, "pump_fault") == RETURNED
    assert Keep("timer/tank_high", None) in effects
    assert moves(bare.wait(600.0), "tank_high") == []
    assert not [key for key in bare.core.save() if key.startswith(("timer/", "watch/", "good/"))]
