"""Whatever a server answers to whichever request: what it can take it has once and in order, and what it
cannot is kept."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.gateway.sinks.answers import Answer, Kind
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.sinks.carrier import STUBBORN
from tests.gateway.scripted import RESET, Uplink, line, refusing, second

BAD = Answer(Kind.MALFORMED, 400, "unable to parse")
LARGE = Answer(Kind.TOO_LARGE, 413, "HTTP 413")
BROKEN = Answer(Kind.LATER, 500, "internal")
PASSING = (
    RESET,
    BROKEN,
    Answer(Kind.LATER, 503, "busy"),
    Answer(Kind.LATER, 429, "slow down", retry_after=20.0),
    Answer(Kind.REFUSED, 401, "unauthorized"),
)

blocks = st.lists(st.integers(1, 400), min_size=1, max_size=8)
fortunes = st.lists(st.sampled_from([None, None, *PASSING]), max_size=40).filter(
    lambda its: its.count(BROKEN) < STUBBORN  # then the lines would be suspected
)


@pytest.mark.slow
@given(blocks, st.sets(st.integers(0, 3199), max_size=6), st.integers(1, 500), fortunes, st.booleans())
@settings(max_examples=40, deadline=None)
def test_nothing_is_lost_and_nothing_comes_twice(
    blocks: list[int], bad: set[int], fits: int, fortunes: list[Answer | None], late: bool
) -> None:
    lines = [line(n / 400, f"pump-{n % 3}") for n in range(sum(blocks))]
    rejected = [lines[n] for n in sorted(bad) if n < len(lines)]
    takes, luck = refusing(set(rejected).__contains__, BAD), list(fortunes)

    def script(sent: Sequence[bytes], lane: Lane) -> Answer:
        if luck and (answer := luck.pop(0)):
            return answer
        return LARGE if len(sent) > fits else takes(sent, lane)

    with TemporaryDirectory() as folder:
        uplink = Uplink(Path(folder))
        uplink.server.script = script
        at = 0
        for count in blocks:
            uplink.put(lines[at : at + count])
            at += count
        uplink.now.seconds = 3600.0 if late else 10.0
        uplink.run(uplink.now.seconds + 1800.0)
        assert uplink.waiting == 0
        for lane in Lane:
            its = [second(each) for sent in uplink.server.taken if sent.lane is lane for each in sent.lines]
            assert its == sorted(its)
        assert sorted(uplink.server.stored) == sorted(set(lines) - set(rejected))
        assert sorted(letter.line for letter in uplink.spool.letters()) == sorted(rejected)
        uplink.spool.close()
