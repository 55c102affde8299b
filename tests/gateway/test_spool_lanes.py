"""Lanes, dead letters, and the waiting room of what has no instant yet."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.spool import letter_rows
from sitewarden.gateway.spool.blocks import Loss, Rank
from sitewarden.gateway.spool.spool import Spool
from tests.gateway.spool_under_test import FOREVER, drain, lines, oldest

S = 10**9  # ns


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    it = Spool(path, ["one", "two"])
    yield it
    it.close()


def fill(spool: Spool, blocks: int) -> None:
    """A block a second."""
    for n in range(blocks):
        spool.append(lines(10 * n, 10), n * S, n * S)


@pytest.mark.parametrize("before", range(0, 22, 3))
def test_what_is_old_is_backlog_and_what_is_new_goes_beside_it(spool: Spool, before: int) -> None:
    fill(spool, 20)
    spool.part("one", before * S)
    split = min(before, 20) * 10
    backlog, live = (spool.read("one", lane, 1000, FOREVER) for lane in (Lane.BACKLOG, Lane.LIVE))
    assert (backlog.count if backlog else 0, live.count if live else 0) == (split, 200 - split)
    if live:
        spool.done("one", live)
    assert spool.stats().pending == {"one": split, "two": 200}
    assert drain(spool, "one") == lines(0, split)


def test_lanes_are_as_they_were_after_a_restart(path: Path) -> None:
    spool = Spool(path, ["one"])
    fill(spool, 10)
    spool.part("one", 5 * S)
    live = spool.read("one", Lane.LIVE, 20, FOREVER)
    assert live
    spool.done("one", live)
    spool.close()
    spool = Spool(path, ["one"])
    assert drain(spool, "one") == lines(0, 50) + lines(70, 30)
    spool.close()


def test_what_is_of_the_future_is_passed_over_and_stays(spool: Spool) -> None:
    for n, ahead in enumerate((0, 100, 1, 100, 2, 100)):
        spool.append(lines(10 * n, 10), ahead * S, ahead * S)
    batch = spool.read("one", Lane.LIVE, 1000, 10 * S)
    assert batch
    assert [block.lines for block in batch.blocks] == [lines(0, 10), lines(20, 10), lines(40, 10)]
    spool.done("one", batch)
    assert spool.read("one", Lane.LIVE, 1000, 10 * S) is None
    assert spool.read("one", Lane.BACKLOG, 1000, 10 * S) is None
    assert spool.stats().pending["one"] == 30
    assert drain(spool, "one") == lines(10, 10) + lines(30, 10) + lines(50, 10)


def test_who_waits_is_told_at_once(spool: Spool) -> None:
    seen = spool.wait(-1, 0.0)
    assert seen == spool.wait(seen, 0.0) == 0
    appending = Thread(target=lambda: spool.append(lines(0, 3), 0, 0, Rank.EVENT))
    appending.start()
    assert spool.wait(seen, 30.0) == 3
    appending.join()


def test_a_body_is_the_lines_as_a_server_takes_them(spool: Spool) -> None:
    spool.append(lines(0, 3), 0, 0)
    batch = oldest(spool, "one")
    assert batch
    assert batch.blocks[0].body == b"\n".join(lines(0, 3))


# -- dead letters --------------------------------------------------------------------------------


def test_a_dead_letter_is_sent_again_to_whom_it_was_for(spool: Spool) -> None:
    fill(spool, 2)
    assert len(drain(spool, "one") + drain(spool, "two")) == 40
    spool.bury("one", [(b"reading,point=p value=1 %d" % S, "no"), (b"fire,site=s stage=1 %d" % S, "never")])
    letters = spool.letters()
    assert [(it.destination, it.words) for it in letters] == [("one", "never"), ("one", "no")]
    assert spool.letters(before=letters[0].id) == letters[1:]
    assert spool.stats().letters == {"one": 2}
    assert spool.retry([it.id for it in letters] + [99]) == 2
    assert drain(spool, "one") == [letters[0].line, letters[1].line]  # the event first
    assert drain(spool, "two") == []
    assert spool.letters() == []
    assert spool.stats().lost == 0


def test_a_dead_letter_counts_when_it_is_thrown_away(spool: Spool) -> None:
    spool.bury("one", [(b"reading value=1 5", "no"), (b"rubbish", "no")])
    assert spool.stats().lost == 0
    assert spool.discard([it.id for it in spool.letters()]) == 2
    (loss,) = spool.losses()
    assert (loss.why, loss.count, loss.destination, loss.note) == ("rejected", 2, "one", "no")
    assert (loss.first, loss.last, loss.sample) == (5, 5, b"reading value=1 5")


def test_of_too_many_the_oldest_go_and_are_counted(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letter_rows, "MOST", 10)
    for n in range(15):
        spool.bury("one", [(b"reading value=%d %d" % (n, n), "no")])
    assert len(spool.letters()) == 10
    assert [(loss.why, loss.count, loss.last) for loss in spool.losses()] == [
        ("rejected", 1, n) for n in (4, 3, 2, 1, 0)
    ]


# -- the waiting room ----------------------------------------------------------------------------


def test_what_is_held_is_sent_with_its_right_instants(path: Path) -> None:
    spool = Spool(path, ["one"])
    spool.hold([b"reading v=1 5", b"reading v=2 7"], 5, 7)
    spool.hold([b"fire s=1 6"], 6, 6, Rank.EVENT)
    spool.hold([b"reading v=3 9"], 9, 9)
    assert drain(spool, "one") == []
    assert (spool.stats().held, spool.stats().pending["one"]) == (4, 0)
    spool.close()
    spool = Spool(path, ["one"])  # the box may restart before it knows
    assert spool.release(1000) == 4
    batch = spool.read("one", Lane.LIVE, 1000, FOREVER)
    assert batch
    assert (batch.blocks[0].rank, batch.blocks[0].first) == (Rank.EVENT, 1006)
    assert drain(spool, "one") == [
        b"fire s=1 1006",
        b"reading v=1 1005",
        b"reading v=2 1007",
        b"reading v=3 1009",
    ]
    assert (spool.stats().held, spool.release(0)) == (0, 0)
    spool.close()


def test_what_a_destination_lacked_when_it_was_removed_is_in_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    with closing(Spool(path, ("one", "two"), keep=3600.0)) as spool:
        spool.append([b"a", b"b"], 1, 2)
        spool.append([b"c"], 3, 3)
        batch = spool.read("two", Lane.LIVE, 1, 10)
        assert batch
        spool.done("two", batch)
        spool.serve(("one",))
        assert spool.losses() == [Loss("removed", 1, 3, 3, "two")]
    with closing(Spool(path, ("three",), keep=3600.0)) as spool:
        assert spool.losses()[0] == Loss("removed", 3, 1, 3, "one")
        spool.serve(("three", "one"))
        assert len(spool.losses()) == 2
