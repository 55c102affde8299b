"""Each class of answer has its consequence, for both lanes, in virtual time and with a real spool."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sitewarden.gateway.sinks.answers import Answer, Kind
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.spool.blocks import Rank
from tests.gateway.scripted import (
    RESET,
    START,
    TAKEN,
    Uplink,
    answering,
    line,
    refusing,
)

BUSY = Answer(Kind.LATER, 503, "busy")
BROKEN = Answer(Kind.LATER, 500, "beyond retention")
UNPARSED = Answer(Kind.MALFORMED, 400, "unable to parse")
LARGE = Answer(Kind.TOO_LARGE, 413, "HTTP 413")
NOBODY = Answer(Kind.REFUSED, 401, "unauthorized")

LINES = [line(n / 100) for n in range(1000)]


@pytest.fixture
def uplink(tmp_path: Path) -> Iterator[Uplink]:
    it = Uplink(tmp_path)
    yield it
    it.spool.close()


def put_all(uplink: Uplink) -> None:
    for start in range(0, len(LINES), 100):
        uplink.put(LINES[start : start + 100])


# -- all is well ---------------------------------------------------------------------------------


def test_everything_arrives_once_and_in_order(uplink: Uplink) -> None:
    put_all(uplink)
    uplink.run(10.0)
    assert uplink.server.stored == LINES
    assert uplink.waiting == 0
    assert uplink.said == []
    status = uplink.carrier.status()
    assert (status.up, status.sent, status.lost) == (True, 1000, 0)
    assert status.since is not None
    assert (status.since - START).total_seconds() < 1.0


def test_a_request_begins_small_and_grows_while_answers_are_quick(uplink: Uplink) -> None:
    put_all(uplink)
    uplink.run(10.0)
    assert [len(sent.lines) for sent in uplink.server.requests] == [100, 200, 400, 300]


def test_a_request_shrinks_while_answers_are_slow(uplink: Uplink) -> None:
    """9 kB a second: nothing waits for long behind a request."""
    uplink.server.each = 0.01
    for n in range(30):
        uplink.put([line(n + k / 300) for k in range(300)])
    uplink.run(60.0)
    assert max(len(sent.lines) for sent in uplink.server.requests) <= 200


def test_events_have_their_own_blocks_and_all_arrive(uplink: Uplink) -> None:
    event = b'alarm,site=test,id=c1,code=contact,severity=low state="unacknowledged" %d' % (
        int(START.timestamp()) * 10**9
    )
    uplink.put(LINES[:10])
    uplink.put([event], Rank.EVENT)
    uplink.run(1.0)
    assert sorted(uplink.server.stored) == sorted([*LINES[:10], event])


# -- later ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [BUSY, RESET, Answer(Kind.LATER, 429, "slow down")])
def test_later_is_tried_again(uplink: Uplink, answer: Answer) -> None:
    uplink.server.script = answering(*[answer] * 6)
    put_all(uplink)
    uplink.run(40.0)
    assert sorted(uplink.server.stored) == LINES
    assert uplink.said == [("sink_away", True), ("sink_away", False)]
    assert uplink.troubles[0].params == {"status": answer.status, "error": answer.words}
    assert uplink.carrier.status().error == answer.words


def test_retry_after_is_waited_for(uplink: Uplink) -> None:
    uplink.server.script = answering(replace(BUSY, retry_after=120.0))
    put_all(uplink)
    uplink.run(119.0)
    assert len(uplink.server.requests) == 1
    uplink.run(130.0)
    assert sorted(uplink.server.stored) == LINES


def test_a_server_that_is_back_has_data_within_ten_seconds_however_long_it_was_away(uplink: Uplink) -> None:
    """The longest pause, and a question that hangs: it asks before it sends."""
    server = uplink.server
    put_all(uplink)
    for away in (7.0, 60.0, 600.0, 3600.0):
        server.prepared, server.delay, server.script = RESET, 3.0, lambda lines, lane: RESET
        back = uplink.now.seconds + away
        uplink.run(back)
        uplink.put([line(uplink.now.seconds)])
        server.prepared, server.delay, server.script = TAKEN, 0.02, lambda lines, lane: TAKEN
        uplink.run(back + 10.0)
        assert server.taken[-1].at <= back + 10.0
    assert uplink.waiting == 0


def test_what_nobody_knows_to_have_arrived_is_all_that_is_sent_twice(uplink: Uplink) -> None:
    """The second of several requests for one block is not answered."""
    uplink.server.script = answering(TAKEN, RESET)
    uplink.put(LINES)
    uplink.run(30.0)
    assert uplink.server.stored == LINES
    assert [len(sent.lines) for sent in uplink.server.requests] == [100, 200, 100, 200, 400, 200]


# -- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404])
def test_refused_is_held_with_an_alarm_until_somebody_acts(uplink: Uplink, status: int) -> None:
    uplink.server.script = lambda lines, lane: replace(NOBODY, status=status)
    put_all(uplink)
    uplink.run(60.0)
    assert 5 <= len(uplink.server.requests) <= 7
    assert uplink.said == [("sink_refused", True)]
    assert uplink.troubles[0].params == {"status": status, "error": "unauthorized"}
    assert uplink.waiting == 1000
    uplink.server.script = lambda lines, lane: TAKEN
    uplink.run(80.0)
    assert sorted(uplink.server.stored) == LINES
    assert uplink.said[1:] == [("sink_refused", False)]


def test_a_server_that_must_not_be_prepared_is_sent_nothing(uplink: Uplink) -> None:
    uplink.server.prepared = NOBODY
    put_all(uplink)
    uplink.run(30.0)
    assert uplink.server.requests == []
    assert uplink.said == [("sink_refused", True)]


# -- rejected ------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 1, 99, 437, 998, 999])
def test_a_bad_line_is_found_and_kept(uplink: Uplink, at: int) -> None:
    uplink.server.script = refusing(lambda line: line == b"bad 1", UNPARSED)
    put = [*LINES[:at], b"bad 1", *LINES[at:]]
    uplink.spool.append(put, 1772409600 * 10**9, 1772409600 * 10**9)
    uplink.run(20.0)
    assert uplink.server.stored == LINES
    assert len(uplink.server.requests) <= 30
    (letter,) = uplink.spool.letters()
    assert (letter.destination, letter.line, letter.words) == ("influx", b"bad 1", "unable to parse")
    assert uplink.said == [("sink_rejects", True)]
    assert uplink.carrier.status().lost == 1
    uplink.run(90.0)
    assert uplink.said[1:] == [("sink_rejects", False)]


def test_several_bad_lines_cost_themselves_alone(uplink: Uplink) -> None:
    bad = {LINES[n] for n in (3, 4, 5, 400, 401, 999)}
    uplink.server.script = refusing(bad.__contains__, UNPARSED)
    put_all(uplink)
    uplink.run(20.0)
    assert uplink.server.stored == [each for each in LINES if each not in bad]
    assert {letter.line for letter in uplink.spool.letters()} == bad


def test_a_proxy_that_rejects_whatever_comes_does_not_empty_the_spool(uplink: Uplink) -> None:
    uplink.server.script = lambda lines, lane: UNPARSED
    put_all(uplink)
    uplink.run(600.0)
    assert ("sink_refused", True) in uplink.said
    assert len(uplink.spool.letters()) <= 70
    kept = len(uplink.spool.letters())
    uplink.server.script = lambda lines, lane: TAKEN
    uplink.run(700.0)
    assert len(uplink.server.stored) + kept == len(LINES)


def test_too_large_is_sent_in_smaller_requests(uplink: Uplink) -> None:
    uplink.server.script = lambda lines, lane: LARGE if len(lines) > 30 else TAKEN
    put_all(uplink)
    uplink.run(20.0)
    assert uplink.server.stored == LINES
    assert sum(len(sent.lines) > 30 for sent in uplink.server.requests) <= 2
    assert uplink.said == []


def test_a_line_that_is_too_large_alone_is_kept(uplink: Uplink) -> None:
    uplink.server.script = refusing(lambda line: line == LINES[7], LARGE)
    put_all(uplink)
    uplink.run(30.0)
    assert uplink.server.stored == [each for each in LINES if each != LINES[7]]
    assert [(letter.line, letter.words) for letter in uplink.spool.letters()] == [(LINES[7], "HTTP 413")]


@pytest.mark.parametrize("named", [True, False])
def test_rejects_of_a_partial_write_are_dead_letters_whether_or_not_they_are_named(
    uplink: Uplink, named: bool
) -> None:
    bad = {LINES[5], LINES[6], LINES[140]}
    stored = set[bytes]()

    def partly(lines: Sequence[bytes], lane: Lane) -> Answer:
        stored.update(set(lines) - bad)
        rejected = [it for it in lines if it in bad]
        letters = tuple((it, "missing fields") for it in rejected) if named else ()
        return Answer(Kind.PARTIAL, 400, "partial write", len(rejected), letters) if rejected else TAKEN

    uplink.server.script = partly
    put_all(uplink)
    uplink.run(20.0)
    assert stored == set(LINES) - bad
    assert {letter.line for letter in uplink.spool.letters()} == bad
    assert not uplink.spool.losses()
    assert uplink.carrier.status().lost == 3
    assert uplink.waiting == 0


def test_a_server_that_rejects_everything_is_asked_once(uplink: Uplink) -> None:
    """A type conflict of all that there is: not one by one."""
    uplink.server.script = lambda lines, lane: Answer(Kind.PARTIAL, 400, "partial write", len(lines) + 7)
    put_all(uplink)
    uplink.run(20.0)
    assert {letter.line for letter in uplink.spool.letters(len(LINES))} == set(LINES)
    assert len(uplink.server.requests) < 10
    assert (uplink.carrier.status().sent, uplink.carrier.status().lost) == (0, len(LINES))


def test_after_a_large_line_requests_grow_again(uplink: Uplink) -> None:
    uplink.server.script = refusing({LINES[0]}.__contains__, LARGE)
    put_all(uplink)
    uplink.run(5.0)
    assert [letter.line for letter in uplink.spool.letters()] == [LINES[0]]
    for n in range(400):
        uplink.put([line(1000 + n)])
    uplink.run(30.0)
    assert uplink.carrier.status().batch > 1


def test_a_server_that_says_at_once_is_not_asked_at_once(uplink: Uplink) -> None:
    uplink.server.script = lambda lines, lane: Answer(Kind.LATER, 429, "slower", retry_after=0.0)
    put_all(uplink)
    uplink.run(60.0)
    assert len(uplink.server.requests) < 40


# -- a server that answers 500 to some lines for ever --------------------------------------------


def test_lines_that_a_healthy_server_never_takes_do_not_stop_the_others(uplink: Uplink) -> None:
    old = {LINES[0], LINES[77]}
    uplink.server.script = refusing(old.__contains__, BROKEN)
    put_all(uplink)
    new: list[bytes] = []

    def coming(now: float) -> None:
        new.append(line(now, "pump-2"))
        uplink.put(new[-1:])

    uplink.run(180.0, coming)
    uplink.run(182.0)
    assert set(uplink.server.stored) == {*LINES, *new} - old
    assert len(uplink.server.stored) == len(set(uplink.server.stored))
    assert {letter.line for letter in uplink.spool.letters()} == old


@pytest.mark.parametrize("well", [True, False])
def test_a_server_that_takes_nothing_loses_nothing(uplink: Uplink, well: bool) -> None:
    uplink.server.well = well
    uplink.server.script = lambda lines, lane: BROKEN
    put_all(uplink)
    uplink.run(300.0, lambda now: uplink.put([line(now, "pump-2")]))
    assert uplink.said == [("sink_away", True)]
    assert list(uplink.spool.letters()) == []
    uplink.server.script = lambda lines, lane: TAKEN
    uplink.run(320.0)
    assert len(set(uplink.server.stored)) == 1300


def test_a_library_that_breaks_does_not_end_the_sink(uplink: Uplink) -> None:
    def breaks(lines: object, lane: object) -> Answer:
        raise KeyError("no such key")

    uplink.server.script = breaks
    put_all(uplink)
    uplink.run(20.0)
    assert uplink.said == [("sink_away", True)]
    assert uplink.troubles[0].params == {"status": 0, "error": "KeyError: 'no such key'"}
    uplink.server.script = lambda lines, lane: TAKEN
    uplink.run(30.0)
    assert sorted(uplink.server.stored) == LINES
