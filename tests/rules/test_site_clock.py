"""Which date it is when the wall clock cannot be believed."""

from datetime import UTC, date, datetime

from sitewarden.rules.cells import Clock
from sitewarden.rules.model import CardRead, ClockTrust, Decision, Stamp, Tick, Why
from tests.rules.site_under_test import IN, Site, at, of

DEAD = datetime(1970, 1, 1, tzinfo=UTC)  # what a clock without a battery says


def today(site: Site) -> date:
    clock = site.core.save()["clock"]
    assert isinstance(clock, Clock)
    return clock.today


def swiped(site: Site, card: str, stamp: Stamp) -> Why:
    return of(site.step(CardRead(IN.reader, card, stamp)), Decision)[0].why


def test_the_date_turns_at_local_midnight() -> None:
    site = Site()
    site.wait(0.0)
    site.wait(12 * 3600.0 - 0.001)  # it was noon
    assert today(site) == date(2026, 3, 10)
    site.wait(0.001)
    assert today(site) == date(2026, 3, 11)
    site.wait(24 * 3600.0)
    assert today(site) == date(2026, 3, 12)


def test_an_untrusted_clock_leaves_the_last_trusted_date() -> None:
    site = Site()
    site.wait(0.0)
    site.step(ClockTrust(False, Stamp(DEAD, 1001.0)))
    assert swiped(site, "monthly", Stamp(DEAD, 1002.0)) is Why.PERMIT
    assert swiped(site, "expired", Stamp(DEAD, 1003.0)) is Why.EXPIRED
    assert swiped(site, "early", Stamp(DEAD, 1004.0)) is Why.NOT_YET_VALID
    site.step(ClockTrust(True, at(24 * 3600.0)))
    assert swiped(site, "early", at(24 * 3600.0 + 1)) is Why.PERMIT


def test_a_dead_clock_at_the_start_does_not_turn_the_date_back() -> None:
    site = Site()
    site.wait(0.0)
    again = site.restarted()
    again.step(ClockTrust(False, Stamp(DEAD, 2000.0)))
    again.step(Tick(Stamp(DEAD, 200_000.0)))
    assert today(again) == date(2026, 3, 10)
    assert swiped(again, "monthly", Stamp(DEAD, 200_001.0)) is Why.PERMIT
