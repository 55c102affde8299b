"""A file of tokens that is broken."""

from pathlib import Path

from sitewarden.gateway.clock import Clock
from sitewarden.gateway.tokens import Tokens


def test_a_broken_file_is_set_aside_and_the_next_start_gives_a_link(tmp_path: Path) -> None:
    path = tmp_path / "access.db"
    path.write_bytes(bytes(range(256)) * 20)
    tokens = Tokens(path)
    assert tokens.set_aside == tmp_path / "access.db.broken-1"
    assert tokens.first_link(Clock().now())
    assert path.stat().st_mode & 0o077 == 0
    tokens.close()
