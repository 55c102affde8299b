"""A journal that was broken or cut short: what it costs, and what it never does."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sitewarden.gateway.cards import Cards
from sitewarden.gateway.journal import Journal
from sitewarden.gateway.records import OPERATORS
from sitewarden.rules.cells import LaneCell
from sitewarden.rules.model import (
    Direction,
    Keep,
    Passage,
    Permit,
    PermitKind,
)
from tests.gateway.journal_under_test import CHANGE, DECISION, FIRE, OPERATOR, PASSAGE, at, commit


def test_a_broken_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"this is no database, whatever its name says" * 200)
    journal = Journal(path)
    assert journal.set_aside == tmp_path / "journal.db.broken-1"
    assert commit(journal, PASSAGE) is None
    journal.close()


def test_a_row_with_a_flipped_bit_hides_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    again = replace(DECISION, at=at(7))
    commit(journal, DECISION, again)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("UPDATE decisions SET verdict = 'grantee' WHERE id = 1")
    assert journal.decisions() == [again]
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("UPDATE decisions SET wall = 1 << 62 WHERE id = 2")
    assert journal.decisions() == []
    journal.close()


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
