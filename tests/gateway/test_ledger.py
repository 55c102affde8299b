"""The ledger: every second that a point was missing is in one gap, and in no other."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.gateway.ledger.causes import Gone
from sitewarden.gateway.ledger.gaps import FEW, Intervals
from sitewarden.gateway.ledger.ledger import GRACE, Kept, Ledger
from sitewarden.gateway.spool.blocks import Loss
from sitewarden.rules.model import LinkChanged, Quality, Reading, Reason, Stamp

S = 10**9  # ns
DAY = 1_772_366_400  # s since 1970; when the machine booted
PUMP: Intervals = {"pump": {"pump.on": 1.0, "pump.flow": 0.5, "pump.hours": 10.0}, "reader": {}}
WALL = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Played:
    """A ledger in a machine that has run for `now` s."""

    def __init__(self, each: Intervals = PUMP, now: float = 100.0) -> None:
        self.ledger, self.now, self.each = Ledger(each), now, each
        self.offset, self.believed = DAY * S, True
        self.boot = "first"
        self.told: list[Loss] = []
        self.ledger.begin(None, (), self.boot, round(now * S))

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.ledger.due(round(self.now * S))
        self.tell()

    def tell(self) -> None:
        if self.believed:
            self.told += self.ledger.tell(self.offset, round(self.now * S))

    def take(self, effect: Reading | LinkChanged) -> None:
        self.ledger.take([effect], lambda at: round(at.mono * S))

    def good(self, *points: str) -> None:
        for point in points:
            self.take(Reading(point, 1.0, Stamp(WALL, self.now)))

    def all_good(self) -> None:
        self.good(*(point for points in self.each.values() for point in points))

    def bad(self, *points: str, reason: Reason = Reason.TIMEOUT, quality: Quality = Quality.BAD) -> None:
        for point in points:
            self.take(Reading(point, 1.0, Stamp(WALL, self.now), quality, reason))

    def down(self, device: str, reason: Reason = Reason.TIMEOUT) -> None:
        self.take(LinkChanged(device, False, Stamp(WALL, self.now), reason))
        self.bad(*self.each[device], reason=reason)

    def up(self, device: str) -> None:
        self.take(LinkChanged(device, True, Stamp(WALL, self.now)))

    def ends(self, stopped: bool = True) -> str:
        if stopped:
            self.ledger.stop(round(self.now * S))
        kept = self.ledger.keep(self.boot, round(self.now * S), self.offset)
        return json.dumps([asdict(kept), self.ledger.gaps()])

    def _begins(self, kept: str) -> None:
        was, rows = json.loads(kept)
        self.ledger = Ledger(self.each)
        self.ledger.begin(Kept(**was), rows, self.boot, round(self.now * S))

    def restarts(self, kept: str, seconds: float) -> None:
        """In the same boot, so many seconds later."""
        self.now += seconds
        self._begins(kept)

    def reboots(self, kept: str, seconds: float) -> None:
        """It was off for so many seconds."""
        self.boot += "+"
        self.offset += round((self.now + seconds - 7.0) * S)
        self.now = 7.0
        self._begins(kept)

    def gaps(self) -> list[tuple[str, str, int, float, float]]:
        """Subject, why, how many, and from when to when in s since the machine first booted."""
        self.tell()
        return [(it.subject, it.why, it.count, it.first / S - DAY, it.last / S - DAY) for it in self.told]


@pytest.fixture
def site() -> Played:
    played = Played()
    played.up("pump")
    played.up("reader")
    played.all_good()
    played.passes(100)
    return played


def test_a_device_that_is_away_has_one_gap_for_all_of_its_points(site: Played) -> None:
    site.down("pump")
    site.passes(100)
    site.up("pump")
    site.all_good()
    assert site.gaps() == [("pump", "timeout", 100 + 200 + 10, 200, 300)]


def test_what_goes_wrong_just_before_the_device_is_given_up_is_the_beginning_of_that(site: Played) -> None:
    site.bad("pump.flow")
    site.passes(10)
    site.down("pump")
    site.passes(90)
    site.up("pump")
    site.all_good()
    assert site.gaps() == [("pump", "timeout", 90 + 200 + 9, 200, 300)]


def test_it_ends_for_each_point_with_its_first_good_reading(site: Played) -> None:
    site.down("pump")
    site.passes(100)
    site.up("pump")
    site.good("pump.on")
    site.passes(20)
    site.good("pump.flow")
    site.passes(20)
    assert site.gaps() == []
    site.good("pump.hours")
    assert site.gaps() == [("pump", "timeout", 100 + 240 + 14, 200, 340)]


def test_a_point_that_does_not_come_back_with_its_device_has_a_gap_of_its_own(site: Played) -> None:
    site.down("pump")
    site.passes(100)
    site.up("pump")
    site.good("pump.on", "pump.hours")
    site.passes(100)
    site.good("pump.flow")
    assert site.gaps() == [("pump", "timeout", 310, 200, 300), ("pump.flow", "timeout", 200, 300, 400)]


def test_a_reason_that_changes_is_another_gap(site: Played) -> None:
    site.bad("pump.on", reason=Reason.OUT_OF_RANGE)
    site.passes(100)
    site.bad("pump.on", reason=Reason.NOT_AVAILABLE)
    site.passes(50)
    site.down("pump", Reason.LINK_DOWN)
    site.passes(10)
    site.up("pump")
    site.all_good()
    assert site.gaps() == [
        ("pump.on", "out_of_range", 100, 200, 300),
        ("pump.on", "not_available", 50, 300, 350),
        ("pump", "link_down", 10 + 20 + 1, 350, 360),
    ]


def test_points_of_one_read_that_fails_have_one_gap_with_their_names(site: Played) -> None:
    site.bad("pump.on", "pump.flow")
    site.passes(10)
    site.good("pump.on", "pump.flow")
    site.tell()
    (gap,) = site.told
    assert (gap.subject, gap.count, gap.note) == ("pump", 30, "on flow")


def test_stale_is_a_gap_too(site: Played) -> None:
    site.bad("pump.on", reason=Reason.OLD, quality=Quality.STALE)
    site.passes(7)
    site.good("pump.on")
    assert site.gaps() == [("pump.on", "old", 7, 200, 207)]


def test_a_device_without_points_has_a_gap_too(site: Played) -> None:
    site.down("reader", Reason.LINK_DOWN)
    site.passes(60)
    site.up("reader")
    assert site.gaps() == [("reader", "link_down", 0, 200, 260)]


@pytest.mark.parametrize(("stopped", "why"), [(True, "stopped"), (False, "killed")])
def test_a_gateway_that_is_off_is_one_gap_until_the_first_readings(
    site: Played, stopped: bool, why: str
) -> None:
    site.restarts(site.ends(stopped), 100)
    site.passes(1)
    site.up("pump")
    site.all_good()
    assert site.gaps() == [("", why, 101 + 202 + 10, 200, 301)]


def test_that_links_are_closed_for_the_end_is_no_gap_of_theirs(site: Played) -> None:
    site.down("pump", Reason.LINK_DOWN)
    site.passes(1)
    site.restarts(site.ends(), 99)
    site.up("pump")
    site.all_good()
    assert site.gaps() == [("", "stopped", 100 + 200 + 10, 200, 300)]


def test_who_is_not_heard_of_after_a_start_has_a_gap_of_its_own(site: Played) -> None:
    site.restarts(site.ends(), 100)
    site.passes(100)
    assert site.gaps() == [("", "stopped", 310, 200, 300)]
    site.up("pump")
    site.all_good()
    assert site.gaps()[1:] == [("pump", "unheard", 310, 300, 400)]


def test_nobody_is_missed_before_he_was_ever_there() -> None:
    site = Played()
    site.passes(10)
    site.all_good()
    site.passes(GRACE / S)
    assert site.gaps() == []
    assert site.ledger.open(0, 0) == []


def test_a_gap_goes_on_over_a_restart(site: Played) -> None:
    site.down("pump")
    site.passes(100)
    site.restarts(site.ends(), 50)
    (standing,) = site.ledger.open(DAY * S, round(site.now * S))
    assert (standing.subject, standing.first, standing.last) == ("pump", (DAY + 200) * S, 0)
    assert standing.count == 150 + 300 + 15
    site.down("pump")
    site.passes(50)
    site.up("pump")
    site.all_good()
    assert site.gaps() == [("pump", "timeout", 200 + 400 + 20, 200, 400)]


def test_a_machine_that_was_off_with_a_clock_that_is_believed_late(site: Played) -> None:
    kept = site.ends(stopped=False)
    site.reboots(kept, 86_400)
    site.believed = False
    site.up("pump")
    site.good("pump.on", "pump.flow")
    site.passes(10)
    site.good("pump.hours")
    assert site.gaps() == []
    site.believed = True
    assert site.gaps() == [("", "killed", 86_400 + 2 * 86_400 + 8641, 200, 200 + 86_410)]


def test_another_configuration_takes_away_and_makes_anew(site: Played) -> None:
    site.ledger.adopt({"pump": PUMP["pump"], "fan": {"fan.on": 1.0}}, {"pump"}, round(site.now * S))
    site.down("pump", Reason.LINK_DOWN)
    site.passes(2)
    site.up("pump")
    site.all_good()
    site.passes(100)
    assert site.gaps() == [
        ("reader", "removed", 0, 200, 200),
        ("pump", "altered", 2 + 4 + 0, 200, 202),
    ]
    site.take(LinkChanged("fan", True, Stamp(WALL, site.now)))
    site.take(Reading("fan.on", True, Stamp(WALL, site.now)))
    assert site.gaps()[2:] == [("fan", "unheard", 102, 200, 302)]


def test_a_device_that_is_really_away_after_a_reload_is_said_to_be(site: Played) -> None:
    site.ledger.adopt(PUMP, {"pump"}, round(site.now * S))
    site.down("pump", Reason.LINK_DOWN)
    site.passes(1)
    site.down("pump", Reason.TIMEOUT)
    site.passes(100)
    site.up("pump")
    site.all_good()
    assert [gap[:2] for gap in site.gaps()] == [("pump", "altered"), ("pump", "timeout")]


def test_a_point_that_comes_and_goes_is_told_as_one_after_a_few(site: Played) -> None:
    for _ in range(500):
        site.bad("pump.on")
        site.passes(0.5)
        site.good("pump.on")
        site.passes(0.5)
    site.passes(600)
    site.tell()
    assert len(site.told) == FEW + 1
    assert site.told[-1].note == f"× {500 - FEW}"
    assert sum(gap.count for gap in site.told) == pytest.approx(250, abs=FEW)


POINTS = ("a.one", "a.two", "b.three")
RATES = (1, 10**5, 10**10)  # readings a second: a sum of counts says how many seconds of each
EACH: Intervals = {"a": {"a.one": 1.0, "a.two": 1e-5}, "b": {"b.three": 1e-10}}
REASONS = st.sampled_from([Reason.TIMEOUT, Reason.OUT_OF_RANGE, Reason.LINK_DOWN])
Act = tuple[str, *tuple[object, ...]]
ACTS = st.one_of(
    st.tuples(st.just("good"), st.sampled_from(POINTS)),
    st.tuples(st.just("bad"), st.sampled_from(POINTS), REASONS),
    st.tuples(st.just("down"), st.sampled_from("ab"), REASONS),
    st.tuples(st.just("up"), st.sampled_from("ab")),
    st.tuples(st.just("remade"), st.sampled_from("ab")),
    st.tuples(st.just("believed"), st.booleans()),
    st.tuples(st.just("off"), st.booleans(), st.booleans()),
)


class History:
    """What a site went through, and beside it how long each point was missing."""

    def __init__(self) -> None:
        self.site, self.wall = Played(EACH), 0
        self.site.all_good()
        self.site.passes(1)
        self.since: dict[str, int] = {}
        self.missing = dict.fromkeys(POINTS, 0)

    def gone(self, *points: str) -> None:
        for point in points:
            self.since.setdefault(point, self.wall)

    def good(self, point: str) -> None:
        self.site.good(point)
        self.missing[point] += self.wall - self.since.pop(point, self.wall)

    def bad(self, point: str, reason: Reason) -> None:
        self.site.bad(point, reason=reason)
        self.gone(point)

    def down(self, device: str, reason: Reason) -> None:
        self.site.down(device, reason)
        self.gone(*EACH[device])

    def up(self, device: str) -> None:
        self.site.up(device)

    def remade(self, device: str) -> None:
        self.site.ledger.adopt(EACH, {device}, round(self.site.now * S))
        self.down(device, Reason.LINK_DOWN)

    def off(self, seconds: int, stopped: bool, boots: bool) -> None:
        self.gone(*POINTS)
        if boots:  # how long a machine was off is only known if it knew the time before
            self.site.believed, believed = True, self.site.believed
            self.site.tell()
            self.site.believed = believed
        again = self.site.reboots if boots else self.site.restarts
        again(self.site.ends(stopped), seconds)
        self.wall += seconds

    def passes(self, seconds: int) -> None:
        self.site.passes(seconds)
        self.wall += seconds

    def ends(self) -> None:
        for point in POINTS:
            self.good(point)
        for device in EACH:
            self.site.up(device)
        self.site.believed = True
        self.passes(2000)
        self.site.tell()


@settings(max_examples=60, deadline=None)
@given(acts=st.lists(st.tuples(ACTS, st.integers(1, 200)), max_size=25))
def test_whatever_happens_each_missing_second_is_in_one_gap(acts: list[tuple[Act, int]]) -> None:
    history = History()
    for (name, *told), seconds in acts:
        match name, *told:
            case "believed", bool(believed):
                history.site.believed = believed
            case "off", bool(stopped), bool(boots):
                history.off(seconds, stopped, boots)
            case _:
                getattr(history, name)(*told)
        history.passes(seconds)
    history.ends()
    losses = history.site.told
    total = sum(gap.count for gap in losses)
    counted = {}
    for point, rate in reversed([*zip(POINTS, RATES, strict=True)]):
        counted[point], total = divmod(total, rate)
    missing = history.missing
    assert (counted["b.three"], counted["a.two"]) == (missing["b.three"], missing["a.two"])
    assert abs(counted["a.one"] - missing["a.one"]) <= len(losses)
    assert all(gap.why in {*Gone, *Reason} and gap.first <= gap.last for gap in losses)
    assert history.site.ledger.open(0, 0) == []
