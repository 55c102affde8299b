"""What all stores have in common: who may read them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitewarden.gateway.cards import Cards
from sitewarden.gateway.journal import Journal
from sitewarden.gateway.spool.spool import Spool


@pytest.fixture(autouse=True)
def everybody() -> Iterator[None]:
    """A machine where files are for everybody unless somebody says otherwise."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_cards_plates_and_who_came_when_are_nobody_elses_business(tmp_path: Path) -> None:
    data = tmp_path / "data"
    Cards(data / "journal.db")
    journal, spool = Journal(data / "journal.db"), Spool(data / "spool.db")
    assert mode(data) == 0o750
    assert {path.name: mode(path) & 0o007 for path in data.glob("*.db*")} == dict.fromkeys(
        [f"{name}.db{beside}" for name in ("journal", "spool") for beside in ("", "-wal", "-shm")], 0
    )
    journal.close()
    spool.close()


def test_what_was_open_before_is_shut(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    file = data / "journal.db"
    file.touch(mode=0o644)
    Cards(file)
    assert (mode(data), mode(file)) == (0o750, 0o640)
