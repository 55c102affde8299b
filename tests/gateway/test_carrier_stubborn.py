"""Lines that fail again and again: the live lane goes on, what can be sent in smaller requests is, and only
what a server that is well does not take alone becomes a dead letter."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sitewarden.gateway.sinks.answers import Answer, Kind
from sitewarden.gateway.sinks.base import Lane
from tests.gateway.scripted import RESET, TAKEN, Uplink, line

BUSY = Answer(Kind.LATER, 503, "busy")
OLD = [line(n / 100) for n in range(300)]
HOUR = 3600.0


@pytest.fixture
def uplink(tmp_path: Path) -> Iterator[Uplink]:
    """With 300 lines of an hour ago."""
    it = Uplink(tmp_path)
    for start in range(0, len(OLD), 100):
        it.put(OLD[start : start + 100])
    it.now.seconds = HOUR
    yield it
    it.spool.close()


def run(uplink: Uplink, seconds: float) -> list[bool]:
    """With a live line every two seconds. Returns how `up` was at each."""
    up = list[bool]()

    def coming(now: float) -> None:
        up.append(uplink.carrier.status().up)
        uplink.put([line(now, "pump-2")])

    uplink.run(uplink.now.seconds + seconds, coming, every=2.0)
    return up


def hanging_up(uplink: Uplink, dislikes: Callable[[Sequence[bytes]], bool]) -> None:
    """The server does so as MQTT brokers do, and is well again with the next connection."""
    server = uplink.server

    def script(lines: Sequence[bytes], lane: Lane) -> Answer:
        server.well = not dislikes(lines)
        return TAKEN if server.well else RESET

    def prepare() -> Answer:
        server.well = True
        return TAKEN

    server.script, server.prepare = script, prepare  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "answer",
    [BUSY, replace(BUSY, status=500), replace(BUSY, status=429), replace(BUSY, retry_after=7.0), RESET],
)
def test_a_backlog_that_fails_rests_with_an_alarm_and_what_is_live_goes_on(
    uplink: Uplink, answer: Answer
) -> None:
    uplink.server.well = False
    uplink.server.script = lambda lines, lane: TAKEN if lane is Lane.LIVE else answer
    assert all(run(uplink, 600.0)[1:])
    assert uplink.said == [("sink_lagging", True)]
    assert uplink.troubles[0].params == {"lane": "backlog"}
    assert 120.0 < uplink.troubles[0].at.mono - HOUR < 180.0
    assert uplink.carrier.status().error == answer.words
    attempts = sum(sent.lane is Lane.BACKLOG for sent in uplink.server.requests)
    assert 50 < attempts < 250
    assert list(uplink.spool.letters()) == []
    uplink.server.script = lambda lines, lane: TAKEN
    run(uplink, 60.0)
    assert set(OLD) <= set(uplink.server.stored)
    assert uplink.said[1:] == [("sink_lagging", False)]


@pytest.mark.slow
def test_a_server_that_wants_none_of_it_now_loses_nothing_of_it(uplink: Uplink) -> None:
    """A limit of requests is no word about lines, however well the server is."""
    limit = Answer(Kind.LATER, 429, "slow down")
    uplink.server.script = lambda lines, lane: TAKEN if lane is Lane.LIVE else limit
    run(uplink, 1800.0)
    assert list(uplink.spool.letters()) == []
    assert all(len(sent.lines) == 100 for sent in uplink.server.requests if sent.lane is Lane.BACKLOG)


def test_what_is_too_large_for_one_that_hangs_up_comes_in_smaller_requests(uplink: Uplink) -> None:
    hanging_up(uplink, lambda lines: len(lines) > 30)
    run(uplink, 60.0)
    assert set(OLD) <= set(uplink.server.stored)
    assert len(uplink.server.stored) == len(set(uplink.server.stored))
    assert sum(len(sent.lines) > 30 for sent in uplink.server.requests) <= 8
    assert uplink.said == []


def test_without_anything_live_as_well(uplink: Uplink) -> None:
    hanging_up(uplink, lambda lines: len(lines) > 30)
    uplink.run(HOUR + 60.0)
    assert uplink.server.stored == OLD


@pytest.mark.parametrize("at", [0, 77, 299])
def test_a_line_that_is_hung_up_on_becomes_a_dead_letter(uplink: Uplink, at: int) -> None:
    hanging_up(uplink, lambda lines: OLD[at] in lines)
    run(uplink, 240.0)
    assert {*OLD} - {*uplink.server.stored} == {OLD[at]}
    assert [(it.line, it.words) for it in uplink.spool.letters()] == [(OLD[at], RESET.words)]
    assert {code for code, _ in uplink.said} <= {"sink_rejects", "sink_lagging"}


def test_a_live_line_that_is_hung_up_on_does_not_stop_the_others(uplink: Uplink) -> None:
    bad = line(HOUR, "lift-1")
    hanging_up(uplink, lambda lines: bad in lines)
    uplink.put([bad])
    run(uplink, 240.0)
    uplink.run(uplink.now.seconds + 2.0)
    assert [it.line for it in uplink.spool.letters()] == [bad]
    assert len(uplink.server.stored) == len(OLD) + 120
    assert uplink.waiting == 0


@pytest.mark.slow
def test_a_bad_uplink_buries_nothing(uplink: Uplink) -> None:
    """Nothing is taken of either lane but in a minute now and then."""
    uplink.server.script = lambda lines, lane: TAKEN if uplink.now.seconds % 600.0 < 60.0 else RESET
    uplink.now.seconds += 60.0
    run(uplink, 2 * HOUR)
    assert list(uplink.spool.letters()) == []
    assert set(OLD) <= set(uplink.server.stored)


def test_a_single_line_that_nothing_else_proves_wrong_is_kept(uplink: Uplink) -> None:
    hanging_up(uplink, lambda lines: OLD[0] in lines)
    uplink.run(2 * HOUR)
    assert list(uplink.spool.letters()) == []


def test_who_is_told_to_stop_raises_no_alarm_any_more(uplink: Uplink) -> None:
    carrier, troubles = uplink.carrier, uplink.carrier.troubles
    uplink.server.prepared = RESET
    uplink.run(HOUR + 20.0)
    carrier.start()
    carrier.stop()
    troubles.all_off()
    assert uplink.said == [("sink_away", True), ("sink_away", False)]
    carrier.step()  # a request that hung until now
    uplink.now.seconds += 20.0
    carrier.step()
    assert len(uplink.said) == 2
