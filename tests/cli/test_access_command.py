"""`token` and `link`."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from sitewarden.gateway.clock import Clock
from sitewarden.gateway.tokens import Caller, Role, Tokens
from tests.cli.conftest import Shell


def test_a_token_is_shown_once_and_lets_in_until_it_is_revoked(shell: Shell, folder: Path) -> None:
    assert shell("token", "list").out == "No tokens.\n"
    token = shell("token", "add", "gatehouse", "--role", "guard").out.strip()
    tokens = Tokens(folder / "data" / "access.db")
    assert tokens.bearer(token) == Caller("gatehouse", Role.GUARD)
    listed = shell("token", "list").out
    assert "gatehouse" in listed
    assert token not in listed
    assert [one["role"] for one in shell("token", "list", "--json").json] == ["guard"]
    assert shell("token", "revoke", "gatehouse").code == 0
    assert tokens.bearer(token) is None
    tokens.close()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("add", "twice"), 1, "there is a token named 'twice' already"),
        (("add", "x", "--role", "boss"), 2, "boss"),
        (("add", " "), 1, "the name: found nothing, expected a text"),
        (("add", "x" * 65), 1, "the name: found 65 characters, expected at most 64"),
        (("add", "x\x1b"), 1, "the name: found 'x\\x1b', expected a text without control characters"),
        (("revoke", "nobody"), 1, "no token named 'nobody'"),
    ],
)
def test_what_cannot_be(shell: Shell, words: tuple[str, ...], code: int, says: str) -> None:
    shell("token", "add", "twice")
    typed = shell("token", *words)
    assert typed.code == code
    assert says in typed.err


def test_a_link_opens_once(shell: Shell, folder: Path) -> None:
    link = urlsplit(shell("link").out.strip())
    assert (link.netloc, link.path) == ("127.0.0.1:8080", "/welcome")
    (code,) = parse_qs(link.query)["code"]
    tokens, now = Tokens(folder / "data" / "access.db"), Clock().now()
    session = tokens.welcome(code, now)
    assert session
    assert tokens.session(session, now) == Caller("owner", Role.ENGINEER)
    assert tokens.welcome(code, now) is None
    tokens.close()
