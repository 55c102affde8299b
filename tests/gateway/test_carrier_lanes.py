"""What is new does not wait for what an outage left, and each destination gets what it wants of both."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sitewarden.config.sinks import Filter, Kind
from sitewarden.gateway.sinks.answers import Answer
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.spool.blocks import Rank
from tests.gateway.scripted import EPOCH, NS, PLAN, RESET, START, TAKEN, Uplink, line, second

HOUR, DAY = 3600.0, 86_400.0
SERIES = ("pump-1", "pump-2", "lift-1")


def outage(uplink: Uplink, seconds: int, a_second: int = 1) -> None:
    """Blocks of ten seconds."""
    begun = int(uplink.now.seconds)
    for start in range(begun, begun + seconds, 10):
        uplink.put([line(start + n / a_second) for n in range(10 * a_second)])
    uplink.now.seconds = float(begun + seconds)


def lanes(uplink: Uplink) -> dict[Lane, list[float]]:
    """The instants that were taken, by lane."""
    taken: dict[Lane, list[float]] = defaultdict(list)
    for sent in uplink.server.taken:
        taken[sent.lane] += map(second, sent.lines)
    return taken


def test_what_is_new_overtakes_what_an_outage_left(tmp_path: Path) -> None:
    uplink = Uplink(tmp_path)
    outage(uplink, 3600)
    uplink.server.delay = 0.2
    uplink.run(3660.0, lambda now: uplink.put([line(now)]))
    uplink.run(3662.0)
    taken = lanes(uplink)
    assert taken[Lane.BACKLOG] == [float(n) for n in range(3570)]
    assert taken[Lane.LIVE] == [float(n) for n in range(3570, 3661) if n != 3600]
    assert uplink.waiting == 0
    uplink.spool.close()


def test_the_backlog_keeps_to_its_limit_until_it_is_to_be_drained(tmp_path: Path) -> None:
    uplink = Uplink(tmp_path, replace(PLAN, backlog=50))
    outage(uplink, 1800, a_second=10)
    uplink.run(1860.0)
    sent = len(lanes(uplink)[Lane.BACKLOG])
    assert 45 * 60 <= sent <= 55 * 60
    status = uplink.carrier.status()
    assert status.rate == pytest.approx(50.0, rel=0.2)
    assert not status.draining
    uplink.carrier.drain(True)
    assert uplink.carrier.status().draining
    uplink.run(1880.0)
    assert uplink.waiting == 0
    assert not uplink.carrier.status().draining
    uplink.spool.close()


def test_a_slow_line_makes_neither_lane_wait_for_more_than_some_seconds(tmp_path: Path) -> None:
    """64 kbit/s: some 90 lines a second, a third of them for what is new."""
    uplink = Uplink(tmp_path)
    uplink.server.each = 1 / 90
    outage(uplink, 600, a_second=10)

    def coming(now: float) -> None:
        uplink.put([line(now + n / 30) for n in range(30)])

    uplink.run(800.0, coming)
    for sent in uplink.server.taken:
        if sent.lane is Lane.LIVE and sent.at > 615.0:
            assert sent.at - second(sent.lines[0]) < 8.0
    assert len(lanes(uplink)[Lane.BACKLOG]) > 5000
    uplink.spool.close()


@pytest.mark.slow
def test_a_server_that_cannot_keep_up_still_has_what_is_new_and_that_is_told(tmp_path: Path) -> None:
    uplink = Uplink(tmp_path)
    uplink.server.each = 1 / 90
    slow = True

    def coming(now: float) -> None:
        uplink.put([line(now + n / 200) for n in range(200 if slow else 1)])

    uplink.run(400.0, coming)
    late = [sent.at - second(sent.lines[0]) for sent in uplink.server.taken if sent.lane is Lane.LIVE]
    assert max(late) < 60.0
    assert uplink.said == [("sink_lagging", True)]
    assert uplink.troubles[0].params == {"lane": "live"}
    slow, uplink.server.each = False, 0.0
    uplink.run(600.0, coming)
    uplink.run(602.0)
    assert uplink.said[1:] == [("sink_lagging", False)]
    assert uplink.waiting == 0
    uplink.spool.close()


@pytest.mark.slow
def test_a_backlog_that_stays_old_is_told(tmp_path: Path) -> None:
    uplink = Uplink(tmp_path, replace(PLAN, backlog=1))
    outage(uplink, 7200)
    uplink.now.seconds = 3 * DAY
    uplink.run(3 * DAY + 2 * HOUR - 60.0)
    assert uplink.said == [("sink_lagging", True)]
    assert uplink.troubles[0].params == {"lane": "backlog"}
    uplink.run(3 * DAY + 2 * HOUR + 600.0)
    assert uplink.said[1:] == [("sink_lagging", False)]
    uplink.spool.close()


@pytest.mark.slow
def test_what_is_stamped_in_the_future_waits_for_its_time(tmp_path: Path) -> None:
    uplink = Uplink(tmp_path)
    uplink.put([line(0.0)])
    uplink.put([line(1200.0)])
    uplink.put([line(1.0)])
    uplink.run(590.0)
    assert uplink.server.stored == [line(0.0), line(1.0)]
    assert uplink.waiting == 1
    uplink.run(620.0)
    assert uplink.server.stored[2:] == [line(1200.0)]
    uplink.spool.close()


def test_a_destination_gets_what_it_wants_of_both_lanes_and_nothing_waits(tmp_path: Path) -> None:
    only = Filter(frozenset({Kind.PASSAGE, Kind.READING}), ("pump-*.pressure",), personal=False)
    uplink = Uplink(tmp_path, replace(PLAN, only=only))

    def passage(at: float, card: bytes = b"") -> bytes:
        return b"passage,site=test,lane=in,direction=in known=true%s %d" % (card, EPOCH + int(at * NS))

    card = b',card="****1234",kind="monthly"'
    for at in (0.0, 3600.0):
        uplink.now.seconds = at
        uplink.put([line(at), line(at, "lift-1")])
        uplink.put([line(at + 1, "lift-1")])
        uplink.put([passage(at, card)], Rank.EVENT)
    uplink.run(3610.0)
    assert sorted(uplink.server.stored) == sorted([line(0.0), line(3600.0), passage(0.0), passage(3600.0)])
    assert uplink.waiting == 0
    assert all(sent.lines for sent in uplink.server.requests)


def test_status_says_how_it_is(tmp_path: Path) -> None:
    uplink = Uplink(tmp_path, replace(PLAN, backlog=100))
    outage(uplink, 3600)
    uplink.run(3625.0)
    uplink.spool.stats()
    status = uplink.carrier.status()
    assert (status.up, status.lag, status.error, status.error_at) == (True, 0.0, "", None)
    assert 1000 < status.backlog < 1500
    assert status.waiting == status.backlog
    assert status.oldest is not None
    assert status.oldest > START
    assert status.drained_in == pytest.approx(status.backlog / 100, rel=0.3)
    uplink.server.prepared = RESET
    uplink.server.script = lambda lines, lane: RESET
    uplink.run(3640.0, lambda now: uplink.put([line(now)]))
    uplink.spool.stats()
    status = uplink.carrier.status()
    assert (status.up, status.error) == (False, "ConnectionResetError: reset")
    assert 10.0 < status.lag < 15.0
    assert status.since is not None
    assert status.error_at is not None
    assert 3625 < (status.since - START).total_seconds() < 3630 < (status.error_at - START).total_seconds()
    assert status.drained_in is None
    uplink.spool.close()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_week_with_one_hour_in_six(tmp_path: Path) -> None:
    """All is delivered, once and in order by series in each lane; while the uplink is there, and from ten
    seconds after it came, nothing of the live lane is older than a minute."""
    uplink, written = Uplink(tmp_path), 0

    def there(now: float) -> bool:
        return now % (6 * HOUR) >= 5 * HOUR

    def answer(lines: Sequence[bytes] = (), lane: Lane = Lane.LIVE) -> Answer:
        return TAKEN if there(uplink.now.seconds) else RESET

    def coming(now: float) -> None:
        nonlocal written
        lines = [line(now - 30 + n, SERIES[n % 3]) for n in range(30)]
        written += len(lines)
        uplink.put(lines)

    uplink.server.script = answer
    uplink.server.prepare = answer  # type: ignore[method-assign]
    uplink.run(7 * DAY - 60, coming, every=30.0)
    uplink.run(7 * DAY - 1)

    assert written == 7 * DAY - 60
    stored = uplink.server.stored
    assert len(stored) == len(set(stored)) == written
    assert uplink.waiting == 0
    newest: dict[tuple[Lane, bytes], float] = {}
    for sent in uplink.server.taken:
        for each in sent.lines:
            series, at = (sent.lane, each.split(b" ")[0]), second(each)
            assert at > newest.get(series, -1.0)
            newest[series] = at
        if sent.lane is Lane.LIVE and there(sent.at - 10.0):
            assert sent.at - second(sent.lines[0]) <= 60.0
    live = {second(each) for sent in uplink.server.taken if sent.lane is Lane.LIVE for each in sent.lines}
    wanted = {float(at) for at in range(written) if there(at - 10.0) and there(at + 30.0)}
    assert wanted <= live
    assert {code for code, _ in uplink.said} == {"sink_away"}
    uplink.spool.close()
