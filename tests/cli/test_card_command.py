"""`card`: what the service desk does, with and without a gateway running."""

import re
import stat
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import pytest

from sitewarden.gateway.cards import Cards
from sitewarden.gateway.database import Sync, connect
from sitewarden.rules.model import Permit, PermitKind
from tests.cli.conftest import Shell

pytestmark = pytest.mark.slow

CARD, OTHER = "01000734E0", "0A00123456"


@pytest.fixture
def cards(folder: Path) -> Cards:
    return Cards(folder / "data" / "journal.db")


def test_add_renew_block_unblock_remove(shell: Shell, cards: Cards) -> None:
    assert (
        shell(
            "card", "add", CARD.lower(), "--from", "2027-01-01", "--to", "2027-01-31", "--plate", "粤B12345"
        ).code
        == 0
    )
    permit = cards.get(CARD)
    assert permit
    assert (permit.kind, permit.valid_from, permit.valid_to) == (
        PermitKind.MONTHLY,
        date(2027, 1, 1),
        date(2027, 1, 31),
    )
    assert shell("card", "renew", CARD, "--to", "2099-02-28").code == 0
    assert shell("card", "block", CARD).code == 0
    blocked = cards.get(CARD)
    assert blocked
    assert (blocked.valid_to, blocked.blocked, blocked.plate) == (date(2099, 2, 28), True, "粤B12345")
    assert shell("card", "unblock", CARD).code == 0
    assert [change.permit.blocked for change in cards.history(CARD) if change.permit] == [
        False,
        False,
        True,
        False,
    ]
    assert all(change.by for change in cards.history(CARD))
    assert shell("card", "remove", CARD).code == 0
    assert cards.get(CARD) is None


def test_a_change_is_made_to_the_card_as_it_is_and_not_as_it_was_seen(
    shell: Shell, cards: Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell("card", "add", CARD, "--to", "2099-01-31")
    seen = cards.get(CARD)
    shell("card", "block", CARD)  # the guard, meanwhile
    monkeypatch.setattr(Cards, "get", lambda self, number: seen)
    assert shell("card", "renew", CARD, "--to", "2099-02-28").code == 0
    monkeypatch.undo()
    now = cards.get(CARD)
    assert now
    assert (now.blocked, now.valid_to) == (True, date(2099, 2, 28))
    assert [change.acts for change in cards.history(CARD)] == [("issued",), ("blocked",), ("renewed",)]


def test_a_card_that_cannot_be_read_is_named_and_issued_anew(shell: Shell, cards: Cards) -> None:
    for number in (CARD, OTHER):
        shell("card", "add", number, "--to", "2099-01-31")
    with closing(connect(cards.path, Sync.FULL)) as db:
        db.execute("UPDATE permits SET kind = 'visitor' WHERE card = ?", (CARD,))
    exported = shell("card", "export")
    assert (exported.code, exported.err.splitlines()[1:]) == (1, [CARD])
    assert exported.out.splitlines()[1].startswith(OTHER)
    shown = shell("card", "show", CARD)
    assert (shown.code, shown.out) == (1, "")
    assert "cannot be read" in shown.err
    assert shell("card", "add", CARD, "--to", "2099-01-31").code == 0
    assert shell("card", "export").code == 0


def test_a_private_card_and_one_for_some_lanes(shell: Shell, cards: Cards) -> None:
    assert (
        shell("card", "add", CARD, "--kind", "private", "--space", "B1-017", "--to", "2099-01-01").code == 0
    )
    assert shell("card", "add", OTHER, "--to", "2099-01-01", "--lane", "entrance", "--lane", "exit").code == 0
    private, other = cards.get(CARD), cards.get(OTHER)
    assert private
    assert other
    assert (private.space, other.lanes) == ("B1-017", {"entrance", "exit"})


def test_a_card_whose_space_is_no_more_can_still_be_blocked(shell: Shell, folder: Path, cards: Cards) -> None:
    shell("card", "add", CARD, "--kind", "private", "--space", "B1-017", "--to", "2099-01-01")
    site = folder / "site.yaml"
    site.write_text(site.read_text("utf-8").replace("B1-017", "B1-019"), "utf-8")
    assert shell("card", "block", CARD).code == 0
    assert [permit.blocked for permit in cards.all()] == [True]


def test_without_a_list_of_spaces_any_will_do(shell: Shell, folder: Path, cards: Cards) -> None:
    site = folder / "site.yaml"
    site.write_text(site.read_text("utf-8").replace("[B1-017, B1-018]", "[]"), "utf-8")
    shell("card", "add", CARD, "--kind", "private", "--space", "north", "--to", "2099-01-01")
    assert [permit.space for permit in cards.all()] == ["north"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("add", CARD, "--to", "2027-02-30"), 2, "expected a date such as 2027-01-31"),
        (("add", CARD), 2, "--to"),
        (("add", "0a001", "--to", "2099-02-28"), 1, "CARD: found '0A001', expected ten hexadecimal digits"),
        (
            ("add", "ZZZZZZZZZZ", "--to", "2099-02-28"),
            1,
            "CARD: found 'ZZZZZZZZZZ', expected ten hexadecimal",
        ),
        (
            ("add", CARD, "--to", "2099-02-28", "--holder", "x\x1b[31m"),
            1,
            "--holder: found 'x\\x1b[31m', expected",
        ),
        (
            ("add", CARD, "--to", "2099-02-28", "--plate", "x" * 21),
            1,
            "--plate: found 21 characters, expected at",
        ),
        (("add", CARD, "--to", "2099-02-28", "--kind", "yearly"), 2, "yearly"),
        (("add", CARD, "--to", "2099-02-28", "--kind", "private"), 1, "--space: found nothing, expected one"),
        (
            ("add", CARD, "--to", "2099-02-28", "--kind", "private", "--space", "B9-99"),
            1,
            "private_spaces",
        ),
        (
            ("add", CARD, "--to", "2099-02-28", "--lane", "north"),
            1,
            "--lane: found 'north', expected entrance, exit",
        ),
        (("add", CARD, "--to", "2020-02-28"), 1, "--to: found 2020-02-28, expected the first day, "),
        (("add", OTHER, "--to", "2099-02-28"), 1, "issued already"),
        (("renew", CARD, "--to", "2099-02-28"), 1, "is not issued"),
        (("block", CARD), 1, "is not issued"),
        (("remove", CARD), 1, "is not issued"),
        (("show", CARD), 1, "is not issued, and never was"),
        (("forgive", CARD), 1, "is not issued, and never was"),
        (("list", "-c", "nowhere.yaml"), 2, "no such file"),
    ],
)
def test_what_cannot_be(shell: Shell, words: tuple[str, ...], code: int, says: str) -> None:
    shell("card", "add", OTHER, "--to", "2099-01-31")
    typed = shell("card", *words)
    assert (typed.code, typed.out) == (code, "")
    assert says in typed.err


def test_lists_are_masked_unless_asked(shell: Shell, cards: Cards) -> None:
    assert shell("card", "list").out == "No cards.\n"
    shell("card", "add", CARD, "--to", "2099-01-31", "--plate", "粤B12345", "--holder", "3-1202")
    for words in (("list",), ("list", "--json"), ("list", "--text", "1202")):
        typed = shell("card", *words)
        assert "3-1202" in typed.out
        assert CARD not in typed.out
        assert "12345" not in typed.out
        full = shell("card", *words, "--full").out
        assert CARD in full
        assert "粤B12345" in full
    assert shell("card", "list", "--text", "9999").out == "No cards.\n"


def test_show_says_in_words_how_the_card_is_and_what_was_done(shell: Shell) -> None:
    shell("card", "add", CARD, "--from", "2027-01-01", "--to", "2099-01-31", "--holder", "3-1202")
    for _ in range(2):
        shell("card", "block", CARD)
    facts, history = shell("card", "show", CARD).out.split("\n\n")
    assert [line.split(maxsplit=1) for line in facts.splitlines()] == [
        ["card", CARD],
        ["state", "blocked"],
        ["kind", "monthly"],
        ["opens", "2027-01-01 … 2099-01-31"],
        ["holder", "3-1202"],
        ["lanes", "all"],
    ]
    head, *rows = history.splitlines()
    assert head.startswith("when (Asia/Shanghai) ")
    assert [row.split()[3] for row in rows] == ["issued", "blocked"]


def test_show_for_programs(shell: Shell) -> None:
    shell("card", "add", CARD, "--from", "2027-01-01", "--to", "2027-01-31")
    shell("card", "renew", CARD, "--to", "2027-02-28")
    shell("card", "remove", CARD)
    told = shell("card", "show", CARD, "--json").json
    assert (told["card"], told["removed"], told["valid_to"]) == (CARD, True, "2027-02-28")
    assert [line["action"] for line in told["history"]] == ["issued", "renewed", "removed"]
    assert all(datetime.strptime(line["at"], "%Y-%m-%dT%H:%M:%S.%f%z") for line in told["history"])
    assert all(line["at"].endswith("Z") for line in told["history"])


def test_the_history_of_a_removed_card_stays(shell: Shell) -> None:
    shell("card", "add", CARD, "--to", "2099-01-31", "--holder", "3-1202")
    shell("card", "remove", CARD)
    typed = shell("card", "show", CARD)
    assert typed.code == 0
    assert "state   removed\n" in typed.out
    assert "3-1202" in typed.out
    assert typed.out.rstrip().endswith("removed")


def test_a_card_of_an_older_version_is_listed_and_can_go(shell: Shell, cards: Cards) -> None:
    odd = Permit("ZZ", PermitKind.MONTHLY, date(2026, 1, 1), date(2099, 1, 1), "x\x1b[31mRED\ny")
    cards.put(odd, "an older version")
    for words in (("list", "--full"), ("show", "ZZ")):
        assert "ZZ" in shell("card", *words).out
        assert "x\ufffd[31mRED\ufffdy" in shell("card", *words).out
    assert shell("card", "block", "zz").code == 0
    assert shell("card", "remove", "zz").code == 0
    assert cards.all() == []


def test_export_and_import(shell: Shell, folder: Path, cards: Cards) -> None:
    shell("card", "add", CARD, "--from", "2027-01-01", "--to", "2027-01-31", "--lane", "exit")
    assert shell("card", "export", "cards.csv").out == "1 card exported to cards.csv\n"
    file = folder / "cards.csv"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text("utf-8") == shell("card", "export").out == shell("card", "export", "-").out
    before = cards.get(CARD)
    shell("card", "remove", CARD)
    assert shell("card", "import", "cards.csv").out == "1 card imported.\n"
    assert cards.get(CARD) == before


def test_an_export_does_not_overwrite_unless_told(shell: Shell, folder: Path, cards: Cards) -> None:
    file = folder / "cards.csv"
    file.write_text("kept")
    typed = shell("card", "export", "cards.csv")
    assert (typed.code, typed.err) == (1, "cards.csv is there already: --force overwrites it\n")
    assert file.read_text() == "kept"
    assert shell("card", "export", "cards.csv", "--force").out == "0 cards exported to cards.csv\n"
    assert file.read_text().startswith("card,kind")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (
        shell("card", "export", "nowhere/cards.csv").err == "nowhere/cards.csv: No such file or directory\n"
    )


def test_import_leaves_alone_what_the_sheet_does_not_have(shell: Shell, folder: Path, cards: Cards) -> None:
    shell("card", "add", "0A00123456", "--to", "2099-01-31", "--holder", "3-1202")
    shell("card", "block", "0A00123456")
    (folder / "renewed.csv").write_text(
        "card,kind,valid_from,valid_to\n0A00123456,monthly,2026-01-01,2099-12-31\n"
    )
    assert shell("card", "import", "renewed.csv").code == 0
    card = cards.get("0A00123456")
    assert card
    assert (card.blocked, card.holder, card.valid_to.month) == (True, "3-1202", 12)


def test_import_takes_the_good_lines_and_names_the_others(shell: Shell, folder: Path, cards: Cards) -> None:
    (folder / "cards.csv").write_text(
        f"card,kind,valid_from,valid_to\n{CARD},monthly,2027-01-01,2027-01-31\n{OTHER},yearly,2027-01-01,2027-12-31\n",
        "utf-8",
    )
    typed = shell("card", "import", "cards.csv")
    assert (typed.code, typed.out) == (1, "1 card imported.\n")
    assert typed.err.startswith("cards.csv:3:12: kind: found 'yearly', expected monthly")
    assert [permit.card for permit in cards.all()] == [CARD]


def broken(folder: Path) -> None:
    """A mistake in a rule, and a secret that only the gateway's own environment has."""
    text = (folder / "site.yaml").read_text("utf-8")
    secret = "\nsinks: {x: {type: mqtt, host: a, password: {env: NO}}}\n"
    (folder / "site.yaml").write_text(text.replace("severity: critical", "severity: worst") + secret, "utf-8")


def test_a_broken_rule_or_a_missing_secret_does_not_stop_a_desk_at_work(shell: Shell, folder: Path) -> None:
    shell("card", "add", OTHER, "--to", "2099-01-31")
    broken(folder)
    assert shell("check", "site.yaml").code == 1
    assert shell("card", "add", CARD, "--to", "2099-01-31").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("card", "list"),
        ("card", "add", CARD, "--to", "2099-01-31"),
        ("card", "show", CARD),
        ("token", "list"),
        ("token", "add", "x"),
        ("link",),
    ],
)
def test_where_nothing_is_stored_yet_a_mistaken_configuration_is_told(
    shell: Shell, folder: Path, words: tuple[str, ...]
) -> None:
    """It may be the path of the data that is wrong: no card would seem to have been issued."""
    broken(folder)
    typed = shell(*words)
    assert (typed.code, typed.out) == (2, "")
    *lines, count = typed.err.splitlines()
    assert all(re.match(r"site\.yaml:\d+:\d+: (alarms|stale)\.", line) for line in lines)
    assert count == "3 mistakes."
    assert not (folder / "data").exists()


def test_where_nothing_is_stored_yet_there_is_nothing_to_tell(shell: Shell, folder: Path) -> None:
    typed = shell("card", "list")
    assert (typed.code, typed.out) == (1, "")
    assert typed.err.startswith(f"Nothing is stored in {folder / 'data'} yet")
    assert not (folder / "data").exists()


def test_the_environment_names_the_site(
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shell("card", "add", CARD, "--to", "2099-01-31")
    monkeypatch.setenv("SITEWARDEN_CONFIG", str(folder / "site.yaml"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert CARD in shell("card", "list", "--full").out


def test_a_folder_that_is_none_is_told_in_words(shell: Shell, folder: Path) -> None:
    (folder / "data").write_text("no folder")
    for words in (("card", "add", CARD, "--to", "2099-01-31"), ("token", "list")):
        typed = shell(*words)
        assert typed.code == 1
        assert typed.err.endswith(": File exists\n")
        assert "Errno" not in typed.err
