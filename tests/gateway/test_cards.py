"""Permits: written by anybody, followed by revision, and every change on record."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.gateway import cards as module
from sitewarden.gateway.cards import Cards
from sitewarden.gateway.issuing import Issuing
from sitewarden.gateway.journal import Journal
from sitewarden.rules.model import Permit, PermitKind, Stamp

JUNE = Permit("0001", PermitKind.MONTHLY, date(2026, 6, 1), date(2026, 6, 30), "王芳", "京A12345")
HOME = Permit(
    *("0002", PermitKind.PRIVATE, date(2026, 1, 1), date(2026, 12, 31), "", "", "B12", True),
    frozenset({"in-1", "out-1"}),
)

ISSUING = Issuing(frozenset({"in-1", "out-1"}), frozenset({"B12"}))


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
    assert [(it.card, it.permit, it.by) for it in changes] == [("0001", JUNE, "desk")]
    assert cards.changed_since(revision) == (revision, [])
    cards.put(HOME, "desk")
    assert cards.withdraw("0001", "boss")
    assert not cards.withdraw("0001", "boss")
    revision, changes = cards.changed_since(revision)
    assert [(it.card, it.permit, it.by) for it in changes] == [("0002", HOME, "desk"), ("0001", None, "boss")]
    assert revision == cards.revision() == changes[-1].revision
    assert [it.permit for it in cards.history("0001")] == [JUNE, None]


def test_another_process_may_write_while_the_journal_is_open(cards: Cards) -> None:
    journal = Journal(cards.path)
    code = (
        "import sys; from pathlib import Path; from datetime import date;"
        "from sitewarden.gateway.cards import Cards; from sitewarden.rules.model import Permit, PermitKind;"
        "permit = Permit('0009', PermitKind.TEMPORARY, date(2026, 1, 1), date(2026, 1, 2));"
        "Cards(Path(sys.argv[1])).put(permit, 'cli')"
    )
    subprocess.run([sys.executable, "-c", code, str(cards.path)], check=True)
    assert [it.card for it in cards.changed_since(0)[1]] == ["0009"]
    journal.close()


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


def test_export_and_import_are_each_others_inverse(cards: Cards, tmp_path: Path) -> None:
    cards.put_all([JUNE, HOME], "desk")
    file = tmp_path / "cards.csv"
    file.write_text(cards.export_csv(), encoding="utf-8-sig")
    other = Cards(tmp_path / "other.db")
    assert other.import_csv(file, "desk", ISSUING).good == 2
    assert other.all() == [JUNE, HOME]


def test_a_spreadsheet_saved_in_china_is_understood(cards: Cards, tmp_path: Path) -> None:
    file = tmp_path / "cards.csv"
    file.write_text(
        "card,kind,valid_from,valid_to,holder\n0001,monthly,2026-06-01,2026-06-30,王芳\n", "gb18030"
    )
    assert cards.import_csv(file, "desk", ISSUING).errors == ()
    assert cards.all()[0].holder == "王芳"


def test_good_lines_are_imported_and_bad_ones_named(cards: Cards, tmp_path: Path) -> None:
    file = tmp_path / "cards.csv"
    file.write_text(
        "card,kind,valid_from,valid_to,blocked\n"
        "0001,monthly,2026-06-01,2026-06-30,no\n"
        ",monthly,2026-06-01,2026-06-30,no\n"
        "0002,weekly,2026-06-01,2026-06-30,no\n"
        "0003,monthly,2026-06-31,2026-06-30,no\n"
        "0004,monthly,2026-07-01,2026-06-30,no\n"
        "0005,monthly,2026-06-01,2026-06-30,maybe\n"
        "0001,monthly,2026-06-01,2026-06-30,no\n"
        "0006,monthly\n"
        "0007,temporary,2026-06-01,2026-06-30,yes\n"
    )
    imported = cards.import_csv(file, "desk", ISSUING)
    assert imported.good == 2
    assert [it.card for it in cards.all()] == ["0001", "0007"]
    assert imported.errors == (
        f"{file}:3: card number: expected 1 to 32 letters and digits",
        f"{file}:4: kind 'weekly', expected monthly, temporary, private",
        f"{file}:5: valid_from '2026-06-31', expected a date such as 2026-01-31",
        f"{file}:6: valid_to 2026-06-30, expected 2026-07-01 (valid_from) or later",
        f"{file}:7: blocked 'maybe', expected yes or no",
        f"{file}:8: a card of an earlier line, expected each card once",
        f"{file}:9: valid_from '', expected a date such as 2026-01-31",
    )


def test_an_imported_card_is_written_as_the_reader_says_it_and_fits_the_site(
    cards: Cards, tmp_path: Path
) -> None:
    file = tmp_path / "cards.csv"
    file.write_text(
        "card,kind,valid_from,valid_to,space,lanes\n"
        "01000734e0,private,2026-06-01,2026-06-30,B12,in-1\n"
        "01000734E0,monthly,2026-06-01,2026-06-30,,\n"
        "01000734E1,private,2026-06-01,2026-06-30,B99,\n"
        "01000734E2,monthly,2026-06-01,2026-06-30,,nowhere\n"
    )
    imported = cards.import_csv(file, "desk", ISSUING)
    assert [it.card for it in cards.all()] == ["01000734E0"]
    assert imported.errors == (
        f"{file}:3: a card of an earlier line, expected each card once",
        f"{file}:4: space 'B99', expected one of the site's private_spaces",
        f"{file}:5: no lane nowhere, expected in-1, out-1",
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "1: no column card, kind, valid_from, valid_to, expected card,kind,valid_from"),
        ("card,kind,valid_from,valid_to,colour\n", "1: unknown column colour, expected card,kind,valid_from"),
    ],
)
def test_a_file_of_another_shape_is_refused(cards: Cards, tmp_path: Path, text: str, error: str) -> None:
    file = tmp_path / "cards.csv"
    file.write_text(text)
    imported = cards.import_csv(file, "desk", ISSUING)
    assert imported.good == 0
    assert imported.errors[0].startswith(f"{file}:{error}")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Cards:
    return Cards(tmp_path_factory.mktemp("import") / "journal.db")


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300))
def test_no_file_breaks_the_import(shared: Cards, data: bytes) -> None:
    file = shared.path.with_name("cards.csv")
    file.write_bytes(b"card,kind,valid_from,valid_to\n" + data)
    assert shared.import_csv(file, "desk", ISSUING).good == 0
