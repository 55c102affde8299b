"""The ledger and the dead letters as they are asked for: sought, and in pages."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitewarden.gateway.api.house import Sought
from sitewarden.gateway.ledger.causes import Cause, Gone
from sitewarden.gateway.records import micros
from sitewarden.gateway.spool.blocks import Loss
from sitewarden.gateway.spool.spool import Spool, SpoolFailed
from sitewarden.gateway.telemetry import Telemetry, meets
from sitewarden.rules.model import Reason

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
HOUR = 3600 * 10**9
NS = micros(NOON) * 1000
SUBJECTS = ("", "pump-1", "pump-1.speed", "pump-10", "pump-10.speed", "tank.level")
INSTANTS = (0, NS - HOUR, NS, NS + HOUR)
WHYS = (Gone.KILLED, Gone.FULL, Reason.TIMEOUT, Reason.LINK_DOWN)
EVERY = [
    Loss(str(why), 1, first, last, subject=subject)
    for why, first, last, subject in product(WHYS, INSTANTS, INSTANTS, SUBJECTS)
    if not last or first <= last
]
SOUGHT = st.builds(
    Sought,
    about=st.sampled_from((*SUBJECTS, "pump-1.pressure", "ghost")),
    cause=st.sampled_from(("", *Cause)).map(str),
    since=st.none() | st.integers(-2, 2).map(lambda hours: NOON + timedelta(hours=hours)),
    until=st.none() | st.integers(-2, 2).map(lambda hours: NOON + timedelta(hours=hours)),
)


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spool]:
    """With a ledger of every kind of loss, in any order."""
    spool = Spool(tmp_path_factory.mktemp("spool") / "spool.db", ["influx"])
    Random(4).shuffle(EVERY)
    for loss in EVERY:
        spool.lose(loss)
    spool.bury("influx", [(b"reading value=%d" % number, "too old") for number in range(5)])
    yield spool
    spool.close()


def telemetry(spool: Spool, lasting: Sequence[Loss] | None = ()) -> Telemetry:
    return Telemetry(spool, dict, lambda: lasting)


@given(SOUGHT)
def test_what_is_sought_in_the_file_is_what_meets_it(spool: Spool, sought: Sought) -> None:
    found = telemetry(spool).losses(sought, 10_000)
    assert found.rows == [loss for loss in reversed(EVERY) if meets(loss, sought)]
    assert found.next is None


@pytest.mark.parametrize(
    ("about", "subjects"),
    [
        ("pump-1", {"", "pump-1", "pump-1.speed"}),
        ("pump-1.speed", {"", "pump-1", "pump-1.speed"}),
        ("tank", {"", "tank.level"}),
        ("ghost", {""}),
    ],
)
def test_a_gap_concerns_the_device_its_points_and_whoever_lacks_everything(
    spool: Spool, about: str, subjects: set[str]
) -> None:
    assert {loss.subject for loss in telemetry(spool).losses(Sought(about), 10_000).rows} == subjects


def test_pages_hold_each_row_once_and_what_lasts_stands_before_them(spool: Spool) -> None:
    lasting = [Loss("timeout", 9, NS, 0, subject="pump-1"), Loss("timeout", 9, NS, 0, subject="tank")]
    asked = telemetry(spool, lasting)
    seen, after = [], None
    while True:
        page = asked.losses(Sought("pump-1"), 7, after)
        seen += page.rows
        if page.next is None:
            break
        after = page.next
    assert seen == lasting[:1] + [loss for loss in reversed(EVERY) if meets(loss, Sought("pump-1"))]


def test_dead_letters_come_in_pages_and_go_when_they_are_settled(spool: Spool) -> None:
    asked = telemetry(spool)
    first = asked.letters(3)
    rest = asked.letters(3, first.next)
    letters = first.rows + rest.rows
    assert [letter.line for letter in letters] == [b"reading value=%d" % number for number in (4, 3, 2, 1, 0)]
    assert rest.next is None
    assert asked.discard([letters[0].id, 4711]) == 1
    assert asked.retry([letters[1].id]) == 1
    assert asked.letters(9).rows == letters[2:]


def test_a_destination_that_is_not_there_is_not_drained(spool: Spool) -> None:
    with pytest.raises(KeyError):
        telemetry(spool).drain("nowhere", on=True)


def test_where_nothing_is_spooled_there_is_nothing_to_tell_of_it(spool: Spool) -> None:
    assert telemetry(spool, None).stats is None
    assert telemetry(spool).stats is spool.seen
    assert telemetry(spool, None).losses(Sought(), 10_000).rows[-1] == EVERY[0]


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", ["influx"])
    spool.close()
    (tmp_path / "spool.db").write_bytes(b"not a database at all" * 300)
    with pytest.raises(SpoolFailed):
        telemetry(spool).losses(Sought(), 1)


def test_what_comes_to_be_missing_is_counted_by_whose_affair_it_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", ["influx"])
    spool.lose(Loss("full", 100))
    asked = telemetry(spool)
    assert set(asked.missing().values()) == {0}
    for loss in (Loss("timeout", 5), Loss("protocol", 2), Loss("killed", 9)):
        spool.lose(loss)
    for _ in range(2):
        missing = asked.missing()
        assert (missing[Cause.DEVICE], missing[Cause.GATEWAY], missing[Cause.POLICY]) == (7, 9, 0)
    spool.close()
