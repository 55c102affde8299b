"""`card`: what the service desk does, with and without a gateway running."""

import stat
from datetime import date
from pathlib import Path

import pytest

from sitewarden.gateway.cards import Cards
from sitewarden.rules.model import PermitKind
from tests.cli.conftest import Shell

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
        (("add", CARD, "--to", "2027-02-30"), 2, "not a date"),
        (("add", CARD), 2, "--to"),
        (("add", "0100-0734", "--to", "2099-02-28"), 2, "letters and digits"),
        (("add", CARD, "--to", "2099-02-28", "--kind", "yearly"), 2, "yearly"),
        (("add", CARD, "--to", "2099-02-28", "--kind", "private"), 1, "space ''"),
        (
            ("add", CARD, "--to", "2099-02-28", "--kind", "private", "--space", "B9-99"),
            1,
            "private_spaces",
        ),
        (("add", CARD, "--to", "2099-02-28", "--lane", "north"), 1, "expected entrance, exit"),
        (("add", CARD, "--to", "2020-02-28"), 1, "valid_to 2020-02-28, expected"),
        (("add", OTHER, "--to", "2099-02-28"), 1, "issued already"),
        (("renew", CARD, "--to", "2099-02-28"), 1, "is not issued"),
        (("block", CARD), 1, "is not issued"),
        (("remove", CARD), 1, "is not issued"),
        (("show", CARD), 1, "is not issued"),
        (("list", "-c", "nowhere.yaml"), 1, "no such file"),
    ],
)
def test_what_cannot_be(shell: Shell, words: tuple[str, ...], code: int, says: str) -> None:
    shell("card", "add", OTHER, "--to", "2099-01-31")
    typed = shell("card", *words)
    assert (typed.code, typed.out) == (code, "")
    assert says in typed.err


def test_lists_are_masked_unless_asked(shell: Shell) -> None:
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


def test_show_has_the_history(shell: Shell) -> None:
    shell("card", "add", CARD, "--from", "2027-01-01", "--to", "2027-01-31")
    shell("card", "block", CARD)
    typed = shell("card", "show", CARD)
    assert "2027-01-01 … 2027-01-31, blocked" in typed.out
    assert [change["valid_to"] for change in shell("card", "show", CARD, "--json").json["history"]] == [
        "2027-01-31"
    ] * 2


def test_export_and_import(shell: Shell, folder: Path, cards: Cards) -> None:
    shell("card", "add", CARD, "--from", "2027-01-01", "--to", "2027-01-31", "--lane", "exit")
    assert shell("card", "export", "cards.csv").code == 0
    file = folder / "cards.csv"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text("utf-8") == shell("card", "export").out
    before = cards.get(CARD)
    shell("card", "remove", CARD)
    assert shell("card", "import", "cards.csv").out == "1 cards imported.\n"
    assert cards.get(CARD) == before


def test_import_takes_the_good_lines_and_names_the_others(shell: Shell, folder: Path, cards: Cards) -> None:
    (folder / "cards.csv").write_text(
        f"card,kind,valid_from,valid_to\n{CARD},monthly,2027-01-01,2027-01-31\n{OTHER},yearly,2027-01-01,2027-12-31\n",
        "utf-8",
    )
    typed = shell("card", "import", "cards.csv")
    assert (typed.code, typed.out) == (1, "1 cards imported.\n")
    assert typed.err.startswith("cards.csv:3: kind 'yearly', expected monthly")
    assert [permit.card for permit in cards.all()] == [CARD]


def test_a_broken_rule_or_a_missing_secret_does_not_stop_the_desk(shell: Shell, folder: Path) -> None:
    text = (folder / "site.yaml").read_text("utf-8")
    broken = (
        text.replace("severity: critical", "severity: worst")
        + "\nsinks: {x: {type: mqtt, password: {env: NO}}}\n"
    )
    (folder / "site.yaml").write_text(broken, "utf-8")
    assert shell("check", "site.yaml").code == 1
    assert shell("card", "add", CARD, "--to", "2099-01-31").code == 0


def test_the_environment_names_the_site(
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("SITEWARDEN_CONFIG", str(folder / "site.yaml"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert shell("card", "list").out == "No cards.\n"
