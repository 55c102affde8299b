"""The journal: durable when it says so, in groups, and readable from anywhere."""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sitewarden.gateway.cards import Cards
from sitewarden.gateway.database import MIB, Ballast
from sitewarden.gateway.journal import Journal, JournalFull, trust_clock
from sitewarden.gateway.records import FIRES, OPERATORS
from sitewarden.gateway.spool import spool_ballast
from sitewarden.rules.cells import Grant, LaneCell
from sitewarden.rules.model import (
    Action,
    Alarm,
    AlarmChange,
    AlarmState,
    Decision,
    Direction,
    FireChange,
    FireStage,
    Keep,
    Operator,
    Passage,
    Permit,
    PermitKind,
    Record,
    Severity,
    Stamp,
    Verdict,
    Why,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(second: float) -> Stamp:
    return Stamp(NOON + timedelta(seconds=second), 1000.0 + second)


DECISION = Decision(
    *("in-1", "0001", Verdict.GRANTED, Why.PERMIT, at(1), Direction.IN, PermitKind.MONTHLY, "", "")
)
PASSAGE = Passage("in-1", "0001", Direction.IN, at(2), PermitKind.MONTHLY)
ANONYMOUS = Passage("out-1", "", Direction.OUT, at(3))
ALARM = Alarm(
    *("tank-low", "tank-low", Severity.HIGH, AlarmState.ACKNOWLEDGED, at(0), "tank-1.level"),
    *({"limit": 0.8, "word": "水"}, "guard"),
)
CHANGE = AlarmChange(ALARM, AlarmState.UNACKNOWLEDGED, at(4), "guard")
FIRE = FireChange(FireStage.NORMAL, FireStage.FIRE, at(5), "panel-1", "zone-2")
OPERATOR = Operator(Action.OPEN, "in-1", "guard", at(6), "delivery")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    it = Journal(tmp_path / "journal.db")
    yield it
    it.close()


def commit(journal: Journal, *records: Record, at: Stamp | None = None) -> BaseException | None:
    outcome: list[BaseException | None] = []
    done = threading.Event()

    def tell(error: BaseException | None) -> None:
        outcome.append(error)
        done.set()

    journal.submit(records, tell, at)
    assert done.wait(10)
    return outcome[0]


def test_every_record_comes_back_as_it_went_in(journal: Journal) -> None:
    assert commit(journal, DECISION, PASSAGE, ANONYMOUS, CHANGE, FIRE, OPERATOR) is None
    assert journal.decisions() == [DECISION]
    assert journal.passages() == [ANONYMOUS, PASSAGE]
    assert journal.alarm_history() == [CHANGE]
    assert journal.page(FIRES).rows == [FIRE]
    assert journal.page(OPERATORS).rows == [OPERATOR]


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


def test_a_broken_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"this is no database, whatever its name says" * 200)
    journal = Journal(path)
    assert journal.set_aside == tmp_path / "journal.db.broken-1"
    assert commit(journal, PASSAGE) is None
    journal.close()


def test_a_row_with_a_flipped_bit_hides_no_other(journal: Journal, tmp_path: Path) -> None:
    again = replace(DECISION, at=at(7))
    commit(journal, DECISION, again)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("UPDATE decisions SET verdict = 'grantee' WHERE id = 1")
    assert journal.decisions() == [again]
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("UPDATE decisions SET wall = 1 << 62 WHERE id = 2")
    assert journal.decisions() == []


def test_a_broken_page_costs_its_records_and_not_the_cards(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    permit = Permit("0001", PermitKind.MONTHLY, date(2026, 6, 1), date(2026, 6, 30))
    Cards(path).put(permit, "desk")
    commit(
        journal,
        Keep("lane/in-1", LaneCell()),
        *[Passage("in-1", "", Direction.IN, at(n)) for n in range(999)],
    )
    journal.close()
    data = path.read_bytes()
    page = data.rindex(b"in-1") // 4096 * 4096  # of the newest passages
    path.write_bytes(data[:page] + b"\xff" * 4096 + data[page + 4096 :])
    journal = Journal(path)
    assert journal.set_aside == tmp_path / "journal.db.broken-1"
    assert journal.cells() == ({"lane/in-1": LaneCell()}, ())
    assert Cards(path).all() == [permit]
    assert Cards(path).revision() == 1
    assert 0 < len(journal.passages(9999)) < 999
    journal.close()


@settings(max_examples=30, deadline=None)
@example(places=[0.0234375], value=128)  # the schema is no text any more
@example(places=[0.046875], value=128)
@given(places=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20), value=st.integers(0, 255))
def test_no_corruption_keeps_it_from_starting(
    tmp_path_factory: pytest.TempPathFactory, sound: Path, places: list[float], value: int
) -> None:
    path = tmp_path_factory.mktemp("broken") / "journal.db"
    data = bytearray(sound.read_bytes())
    for place in places:
        data[int(place * len(data))] = value
    path.write_bytes(data)
    journal = Journal(path)
    journal.cells()
    assert commit(journal, OPERATOR) is None
    assert journal.page(OPERATORS, 1).rows == [OPERATOR]
    journal.close()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with some of everything."""
    path = tmp_path_factory.mktemp("sound") / "journal.db"
    journal = Journal(path)
    commit(journal, Keep("lane/in-1", LaneCell()), *[DECISION, PASSAGE, CHANGE, FIRE] * 50)
    journal.close()
    return path


def test_closing_commits_what_was_submitted(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    for n in range(50):
        journal.submit([Passage("in-1", "", Direction.IN, at(n))], lambda error: None)
    journal.close()
    again = Journal(tmp_path / "journal.db")
    assert len(again.passages(100)) == 50
    again.close()


WRITER = """
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from sitewarden.gateway.journal import Journal
from sitewarden.rules.model import Direction, Passage, Stamp
journal = Journal(Path(sys.argv[1]))
start = datetime(2026, 3, 1, tzinfo=timezone.utc)
def submit(n):
    def done(error):
        if error is None:
            print(n, flush=True)
            submit(n + 8)
    journal.submit([Passage("in-1", str(n), Direction.IN, Stamp(start + timedelta(seconds=n), n))], done)
for lane in range(8):
    submit(lane)
journal._thread.join()
"""


@pytest.mark.parametrize("acknowledged", [1, 40, 300])
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "journal.db"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout
        told = [int(writer.stdout.readline()) for _ in range(acknowledged)]
        writer.kill()
        told += [int(line) for line in writer.stdout]
    journal = Journal(path)
    cards = {int(passage.card) for passage in journal.passages(100_000)}
    journal.close()
    assert journal.set_aside is None
    assert set(told) <= cards
