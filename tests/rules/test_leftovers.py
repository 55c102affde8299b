"""A plan that changes under a running site."""

from dataclasses import replace

from sitewarden.rules.model import Action, Command, Do, FireChange, FireStage, Keep, LinkChanged
from sitewarden.rules.plan import Parking
from tests.rules.site_under_test import IN, OUT, PLAN, Site, at, of

ONLY_OUT = replace(PLAN, parking=Parking((OUT,)))


def changed(site: Site, to: Site) -> Site:
    to.now, to.seen = site.now, site.seen
    return to


def test_a_lane_that_was_taken_away_takes_its_grants_and_alarms_with_it() -> None:
    site = Site()
    site.swipe("monthly")
    site.wait(7.0)
    assert site.alarm("barrier_stuck:in")
    less = changed(site, Site(ONLY_OUT, cells=site.core.save()))
    effects = less.wait(120.0)
    assert Keep("lane/in", None) in effects
    assert not [key for key in less.core.save() if key.endswith("/in")]
    less.operates(Action.ACKNOWLEDGE, "barrier_stuck:in")
    assert less.alarm("barrier_stuck:in") is None


def test_what_did_not_change_goes_on() -> None:
    site = Site()
    site.enters("monthly")
    site.swipe("monthly", OUT)
    less = changed(site, Site(ONLY_OUT, cells=site.core.save()))
    less.wait(1.0)
    less.drive(OUT)
    assert Keep("lane/in", None) in of(less.seen, Keep)
    assert less.core.save()["inside/monthly"] != site.core.save()["inside/monthly"]


def test_a_fire_line_that_was_taken_away_burns_no_longer_but_holds_until_the_reset() -> None:
    site = Site()
    site.reads("panel.line1", 800.0)
    site.wait(1.0)
    less = changed(site, Site(replace(PLAN, fire=PLAN.fire[1:]), cells=site.core.save()))
    (change,) = of(less.wait(0.0), FireChange)
    assert change.after is FireStage.HELD
    reset = less.operates(Action.RESET_FIRE)
    assert [c.do for c in of(reset, Command) if c.device == IN.barrier.device] == [Do.CLEAR]


def test_a_plan_that_did_not_change_is_settled() -> None:
    site = Site()
    site.swipe("monthly")
    again = changed(site, Site(cells=site.core.save()))
    assert again.core.wake_at == site.core.wake_at
    assert again.wait(0.0) == []


def test_a_device_that_was_taken_away_is_offline_no_longer() -> None:
    site = Site()
    site.step(LinkChanged("pump-1", False, at(site.now)))
    site.wait(11.0)
    assert site.alarm("device_offline:pump-1")
    less = changed(site, Site(replace(PLAN, devices=PLAN.devices - {"pump-1"}), cells=site.core.save()))
    less.wait(1.0)
    less.operates(Action.ACKNOWLEDGE, "device_offline:pump-1")
    assert less.alarm("device_offline:pump-1") is None
