"""Permits: written by anybody, followed by revision, and every change on record."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from threading import Barrier, Event

import pytest

from sitewarden.gateway import cards as module
from sitewarden.gateway.cards import Act, Cards
from sitewarden.gateway.database import Sync, connect
from sitewarden.gateway.journal import Journal
from sitewarden.rules.model import Permit, PermitKind, Stamp

JUNE = Permit("0001", PermitKind.MONTHLY, date(2026, 6, 1), date(2026, 6, 30), "王芳", "京A12345")
HOME = Permit(
    *("0002", PermitKind.PRIVATE, date(2026, 1, 1), date(2026, 12, 31), "", "", "B12", True),
    frozenset({"in-1", "out-1"}),
)


@pytest.fixture
def cards(tmp_path: Path) -> Cards:
    return Cards(tmp_path / "journal.db")


def test_what_was_put_is_there(cards: Cards) -> None:
    cards.put(JUNE, "desk")
    cards.put(HOME, "desk")
    assert cards.get("0001") == JUNE
    assert cards.get("0003") is None
    assert cards.all() == [JUNE, HOME]
    assert cards.search("b12") == [HOME]
    assert cards.search("京a1") == [JUNE]
    assert cards.search("%") == []


def test_a_follower_hears_every_change_once(cards: Cards) -> None:
    cards.put(JUNE, "desk")
    revision, changes = cards.changed_since(0)
    assert changes == {"0001": JUNE}
    assert cards.changed_since(revision) == (revision, {})
    cards.put(HOME, "desk")
    assert cards.withdraw("0001", "boss")
    assert not cards.withdraw("0001", "boss")
    revision, changes = cards.changed_since(revision)
    assert changes == {"0002": HOME, "0001": None}
    assert revision == cards.revision() == cards.history("0001")[-1].revision
    assert [(it.permit, it.by) for it in cards.history("0001")] == [(JUNE, "desk"), (None, "boss")]


def test_another_process_may_write_while_the_journal_is_open(cards: Cards) -> None:
    journal = Journal(cards.path)
    code = (
        "import sys; from pathlib import Path; from datetime import date;"
        "from sitewarden.gateway.cards import Cards; from sitewarden.rules.model import Permit, PermitKind;"
        "permit = Permit('0009', PermitKind.TEMPORARY, date(2026, 1, 1), date(2026, 1, 2));"
        "Cards(Path(sys.argv[1])).put(permit, 'cli')"
    )
    subprocess.run([sys.executable, "-c", code, str(cards.path)], check=True)
    assert list(cards.changed_since(0)[1]) == ["0009"]
    journal.close()


def test_two_desks_at_one_card_lose_nothing(cards: Cards) -> None:
    """Each has a mind of its own what to change, and the other comes in between."""
    cards.put(JUNE, "desk")
    begun = Barrier(2)

    def days(by: str, change: Callable[[Permit, int], Permit]) -> None:
        begun.wait()
        for n in range(20):

            def altered(stored: Permit | None, n: int = n) -> Permit:
                assert stored
                return change(stored, n)

            cards.alter("0001", altered, by)

    with ThreadPoolExecutor() as desks:
        done = (
            desks.submit(days, "guard", lambda it, n: replace(it, plate=f"京A{n}")),
            desks.submit(days, "desk", lambda it, n: replace(it, valid_to=JUNE.valid_to + timedelta(n + 1))),
        )
    assert [it.result() for it in done] == [None, None]
    assert cards.get("0001") == replace(JUNE, plate="京A19", valid_to=date(2026, 7, 20))
    did = {by: {it.acts for it in cards.history("0001")[1:] if it.by == by} for by in ("guard", "desk")}
    assert did == {"guard": {(Act.ALTERED,)}, "desk": {(Act.RENEWED,)}}


def test_a_change_that_is_refused_leaves_the_card_as_it_was(cards: Cards) -> None:
    def refuse(stored: Permit | None) -> Permit:
        raise LookupError(stored)

    cards.put(JUNE, "desk")
    for card, stored in (("0001", JUNE), ("0002", None)):
        with pytest.raises(LookupError) as refused:
            cards.alter(card, refuse, "desk")
        assert refused.value.args == (stored,)
    assert cards.all() == [JUNE]
    assert cards.alter("0002", lambda _: HOME, "desk") == HOME == cards.get("0002")


@pytest.mark.parametrize(
    "spoilt",
    [
        "UPDATE permits SET kind = 'visitor' WHERE card = '0001'",  # of a newer version
        "UPDATE permits SET valid_to = '2026-06-3p' WHERE card = '0001'",
        "UPDATE permits SET lanes = '[\"in-1\"}' WHERE card = '0001'",
    ],
)
def test_a_permit_that_cannot_be_read_is_none_and_hides_no_other(cards: Cards, spoilt: str) -> None:
    third = replace(JUNE, card="0003")
    cards.put_all([JUNE, HOME, third], "desk")
    spoil(cards, spoilt)
    assert cards.all() == [HOME, third]
    assert cards.search("", limit=2) == [HOME, third]  # a whole page: there may be another
    assert cards.get("0001") is None
    assert cards.unreadable() == ["0001"]
    assert cards.changed_since(0) == (3, {"0001": None, "0002": HOME, "0003": third})
    assert cards.alter("0001", lambda stored: JUNE if stored is None else HOME, "desk") == JUNE
    assert cards.unreadable() == []


def test_a_line_of_the_log_that_cannot_be_read_hides_no_other(cards: Cards) -> None:
    for permit in (JUNE, replace(JUNE, blocked=True), replace(JUNE, blocked=True, plate="京B1")):
        cards.put(permit, "desk")
    last = cards.history("0001")[-1]
    for spoilt in (
        "UPDATE permit_log SET wall = 1 << 62 WHERE revision = 2",
        "UPDATE permit_log SET permit = '7' WHERE revision = 2",
        'UPDATE permit_log SET permit = \'["0001", "visitor"]\' WHERE revision = 2',
    ):
        spoil(cards, spoilt)
        assert [it.acts for it in cards.history("0001")] == [(Act.ISSUED,), (Act.KEPT,)]
        assert cards.changed_since(1) == (3, {"0001": last.permit})


def spoil(cards: Cards, sql: str) -> None:
    with closing(connect(cards.path, Sync.FULL)) as db:
        db.execute(sql)


def test_a_long_list_leaves_room_for_the_barriers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = Cards(tmp_path / "journal.db")
    journal = Journal(cards.path)
    seen = [0]

    def rest(_: float) -> None:
        """What a barrier does meanwhile: a commit that finds nobody in its way."""
        seen.append(len(cards.all()))
        committed = Event()
        journal.submit((), lambda error: committed.set(), Stamp(datetime(2026, 6, 1, tzinfo=UTC), 1.0))
        assert committed.wait(1)

    monkeypatch.setattr(module, "sleep", rest)
    cards.put_all([replace(JUNE, card=f"{n:04}") for n in range(1050)], "desk")
    journal.close()
    assert len(cards.all()) == 1050
    assert len(seen) > 10
    assert max(after - before for before, after in pairwise(seen)) <= module.STEP <= 200


def test_what_does_not_change_a_card_is_not_in_its_history(cards: Cards) -> None:
    for _ in range(2):
        cards.put_all([JUNE, replace(HOME, blocked=True)], "desk")
    assert len(cards.history("0001")) == len(cards.history("0002")) == 1
    assert cards.revision() == 2


def test_a_history_says_what_was_done(cards: Cards) -> None:
    july = replace(JUNE, valid_to=date(2026, 7, 31))
    for permit in (JUNE, july, replace(july, blocked=True), july, replace(july, plate="京B1")):
        cards.put(permit, "desk")
    cards.put(replace(JUNE, blocked=True), "desk")
    cards.withdraw("0001", "boss")
    cards.put(JUNE, "desk")
    assert [it.acts for it in cards.history("0001")] == [
        (Act.ISSUED,),
        (Act.RENEWED,),
        (Act.BLOCKED,),
        (Act.UNBLOCKED,),
        (Act.ALTERED,),
        (Act.RENEWED, Act.BLOCKED),
        (Act.REMOVED,),
        (Act.ISSUED,),
    ]


def test_the_first_line_that_is_left_of_a_history_does_not_claim_to_be_its_beginning(cards: Cards) -> None:
    cards.put(JUNE, "desk")
    cards.put(replace(JUNE, blocked=True), "desk")
    with closing(connect(cards.path, Sync.FULL)) as db:
        db.execute("DELETE FROM permit_log WHERE revision = 1")
    assert [it.acts for it in cards.history("0001")] == [(Act.KEPT,)]
