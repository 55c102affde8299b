"""What people may write into the records."""

import pytest

from sitewarden.gateway.texts import HOLDER, REASON, TOKEN_NAME


@pytest.mark.parametrize("text", ["王芳 3-1202", "José", "", "   ", "x" * 100, " " * 200])
def test_what_people_write_is_good(text: str) -> None:
    assert HOLDER.wrong(text) is None


@pytest.mark.parametrize(
    "char", ["\0", "\x1b", "\n", "\t", "\x7f", "\x9b", "\u200b", "\u202e", "\u2028", "\udcff"]
)
def test_what_steers_a_terminal_or_breaks_a_line_is_not(char: str) -> None:
    wrong = HOLDER.wrong(f"a{char}b")
    assert wrong
    found, expected = wrong
    assert found.isprintable()
    assert expected == "a text without control characters"


def test_lengths_count_without_the_blanks_around() -> None:
    assert HOLDER.wrong("x" * 101) == ("101 characters", "at most 100")
    for kind in (REASON, TOKEN_NAME):
        assert kind.wrong(" ") == ("nothing", "a text")
        assert kind.wrong(" x ") is None
