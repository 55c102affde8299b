"""The journal: durable when it says so, in groups, and readable from anywhere."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest

from sitewarden.gateway.cards import Cards
from sitewarden.gateway.database import MIB, Ballast
from sitewarden.gateway.journal import Journal, JournalFull, trust_clock
from sitewarden.gateway.records import FIRES, OPERATORS, WRITES
from sitewarden.gateway.spool.file import spool_ballast
from sitewarden.rules.cells import Grant, LaneCell
from sitewarden.rules.model import (
    Action,
    Direction,
    Keep,
    Operator,
    Passage,
    Permit,
    PermitKind,
    Stamp,
)
from tests.gateway.journal_under_test import (
    ANONYMOUS,
    CHANGE,
    DECISION,
    FIRE,
    NOON,
    OPERATOR,
    PASSAGE,
    WRITTEN,
    at,
    commit,
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    it = Journal(tmp_path / "journal.db")
    yield it
    it.close()


def test_every_record_comes_back_as_it_went_in(journal: Journal) -> None:
    assert commit(journal, DECISION, PASSAGE, ANONYMOUS, CHANGE, FIRE, OPERATOR, *WRITTEN) is None
    assert journal.decisions() == [DECISION]
    assert journal.passages() == [ANONYMOUS, PASSAGE]
    assert journal.alarm_history() == [CHANGE]
    assert journal.page(FIRES).rows == [FIRE]
    assert journal.page(OPERATORS).rows == [OPERATOR]
    assert journal.page(WRITES).rows == WRITTEN[::-1]


def test_half_a_character_stops_nobody(journal: Journal) -> None:
    assert (
        commit(journal, Operator(Action.OPEN, "in-1", "guard", at(6), "a\ud800b"), Keep("a\ud800b", None))
        is None
    )
    assert journal.page(OPERATORS).rows[0].reason == "a?b"


def test_histories_are_paged_and_by_lane(journal: Journal) -> None:
    passages = [Passage(f"in-{n % 2}", "", Direction.IN, at(n)) for n in range(10)]
    commit(journal, *passages)
    assert journal.passages(3) == passages[:-4:-1]
    assert journal.passages(3, before=passages[7].at.wall) == [passages[6], passages[5], passages[4]]
    assert journal.passages(2, lane="in-1") == [passages[9], passages[7]]


def test_the_newest_cell_of_each_key_is_kept(journal: Journal, tmp_path: Path) -> None:
    old, new = LaneCell((Grant(5.0),)), LaneCell((Grant(9.0, "0001", PermitKind.PRIVATE, "B12"),), True)
    commit(journal, Keep("lane/in-1", old), Keep("lane/out-1", old), PASSAGE)
    commit(journal, Keep("lane/in-1", new), Keep("lane/out-1", None))
    assert journal.cells() == ({"lane/in-1": new}, ())
    with sqlite3.connect(tmp_path / "journal.db", isolation_level=None) as db:
        db.execute("INSERT INTO cells VALUES ('lane/x', '{'), ('martian/1', '{}')")
    db.close()
    assert journal.cells() == ({"lane/in-1": new}, ("lane/x", "martian/1"))


def test_the_newest_instant_never_goes_back(journal: Journal) -> None:
    assert journal.newest() is None
    commit(journal, PASSAGE)
    assert journal.newest() == PASSAGE.at
    commit(journal, DECISION)
    assert journal.newest() == PASSAGE.at
    commit(journal, at=at(60.5))
    assert journal.newest() == at(60.5)
    commit(journal, at=at(30))
    assert journal.newest() == at(60.5)


def test_what_a_wrong_clock_left_behind_is_over_once_the_clock_is_trusted(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    wrong = Stamp(NOON + timedelta(days=3650), 1001.0)
    commit(journal, Passage("in-1", "", Direction.IN, wrong), at=wrong)
    journal.close()
    assert trust_clock(path, NOON) == wrong
    journal = Journal(path)
    assert journal.newest() == Stamp(NOON, 1001.0)
    commit(journal, Passage("in-1", "", Direction.IN, Stamp(NOON, 1003.5)))
    assert journal.newest() == Stamp(NOON + timedelta(seconds=2.5), 1003.5)
    journal.close()


def test_what_is_older_than_four_hundred_days_is_forgotten_a_little_at_a_time(journal: Journal) -> None:
    desk = Cards(journal.path)
    desk.put(Permit("0001", PermitKind.PRIVATE, date(2026, 1, 1), date(2036, 1, 1)), "desk")
    (issued,) = desk.history("0001")
    start = Stamp(issued.at, 1000.0)

    def later(days: float) -> Stamp:
        return Stamp(start.wall + timedelta(days=days), start.mono + days * 86400)

    lane = Keep("lane/in-1", LaneCell())
    old = [Passage("in-1", "0001", Direction.IN, later(n / 1000)) for n in range(450)]
    commit(journal, lane, *old, DECISION, CHANGE, FIRE, OPERATOR, at=later(1))
    young = Passage("in-1", "0002", Direction.IN, later(100))
    commit(journal, young, at=later(399))
    assert len(journal.passages(1000)) == 451
    left = []
    for n in range(4):
        commit(journal, at=later(401 + n))
        left.append(len(journal.passages(1000)))
    assert left == [251, 51, 1, 1]
    assert journal.passages() == [young]
    assert not journal.decisions() + journal.alarm_history()
    assert not journal.page(FIRES).rows + journal.page(OPERATORS).rows
    assert desk.history("0001") == []
    assert desk.get("0001")
    assert journal.cells() == ({"lane/in-1": LaneCell()}, ())
    assert journal.newest() == later(404)


def test_submissions_that_come_together_are_one_transaction(journal: Journal, tmp_path: Path) -> None:
    blocker = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")  # as the command line does while it writes a card
    outcomes: list[BaseException | None] = []
    for n in range(100):
        journal.submit([Passage("in-1", "", Direction.IN, at(n))], outcomes.append)
    blocker.execute("COMMIT")
    blocker.close()
    commit(journal, OPERATOR)
    assert outcomes == [None] * 100
    assert len(journal.passages(1000)) == 100


def test_records_that_the_disk_refused_are_written_when_it_can(journal: Journal) -> None:
    journal._db.execute("PRAGMA max_page_count = 1")  # clamped to what the file has now
    long = [Passage("in-1", "x" * 4000, Direction.IN, at(n)) for n in range(20)]
    error = commit(journal, *long)
    assert isinstance(error, sqlite3.OperationalError)
    assert journal.passages() == []
    journal._db.execute("PRAGMA max_page_count = 100000")
    assert commit(journal, OPERATOR) is None
    assert journal.passages(100) == long[::-1]


def test_what_there_is_no_room_to_hold_is_told_and_its_state_is_kept(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitewarden.gateway.journal.HELD", 3)
    passages = [Passage("in-1", f"{n}", Direction.IN, at(n)) for n in range(6)]
    cells = [Keep("lane/in-1", LaneCell((Grant(float(n)),))) for n in range(6)]
    commit(journal, Keep("lane/out-1", LaneCell()))
    journal._db.execute("PRAGMA query_only = 1")
    told = [
        type(commit(journal, *records, Keep("lane/out-1", None)))
        for records in zip(passages, cells, strict=True)
    ]
    assert told == [sqlite3.OperationalError] * 3 + [JournalFull] * 3
    assert journal.passages() == []
    journal._db.execute("PRAGMA query_only = 0")
    assert commit(journal, OPERATOR) is None
    assert journal.passages() == passages[2::-1]
    assert journal.cells() == ({"lane/in-1": cells[-1].cell}, ())


def test_what_no_disk_would_take_is_refused_alone(journal: Journal) -> None:
    odd = Passage(object(), "", Direction.IN, at(0))  # type: ignore[arg-type] - no text, whatever the types say
    blocker = sqlite3.connect(journal.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")  # so that all of them are one transaction
    outcomes: dict[int, BaseException | None] = {}
    for n, record in enumerate([PASSAGE, odd, DECISION]):
        journal.submit([record], partial(outcomes.__setitem__, n))
    blocker.execute("COMMIT")
    blocker.close()
    assert commit(journal, OPERATOR) is None
    assert [type(outcomes[n]) for n in range(3)] == [type(None), sqlite3.ProgrammingError, type(None)]
    assert (journal.passages(), journal.decisions()) == ([PASSAGE], [DECISION])


def test_whoever_does_not_hear_the_answer_does_not_end_the_thread(journal: Journal) -> None:
    def gone(error: BaseException | None) -> None:
        raise RuntimeError("Event loop is closed")

    journal.submit([PASSAGE], gone)
    assert commit(journal, OPERATOR) is None
    assert journal.alive
    assert journal.passages() == [PASSAGE]


def test_a_disk_that_refuses_the_ballast_refuses_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse)
        journal = Journal(tmp_path / "journal.db")
        assert commit(journal, PASSAGE) is None
        patch.setattr(shutil, "disk_usage", refuse)
        assert commit(journal, DECISION) is None
    ballast = tmp_path / "journal.ballast"
    assert not ballast.exists()  # half of it would look like all of it
    assert commit(journal, OPERATOR) is None
    assert commit(journal, OPERATOR) is None
    journal.close()
    assert ballast.stat().st_size == 4 * MIB


def test_a_full_disk_takes_the_ballast_of_telemetry_before_it_refuses_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesser = spool_ballast(tmp_path)
    journal = Journal(tmp_path / "journal.db", lesser)
    assert journal.in_reserve
    write = journal._write

    def full(jobs: Sequence[object]) -> None:
        if lesser.claimed:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        write(jobs)

    with monkeypatch.context() as disk:
        disk.setattr(journal, "_write", full)
        disk.setattr(Ballast, "plenty", False)
        assert commit(journal, DECISION) is None
        assert [*tmp_path.glob("*.ballast")] == []
        assert not journal.in_reserve
    assert commit(journal, PASSAGE) is None
    assert commit(journal, OPERATOR) is None  # the ballast is taken after the answer
    assert journal.in_reserve
    journal.close()


def test_closing_commits_what_was_submitted(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    for n in range(50):
        journal.submit([Passage("in-1", "", Direction.IN, at(n))], lambda error: None)
    journal.close()
    again = Journal(tmp_path / "journal.db")
    assert len(again.passages(100)) == 50
    again.close()
