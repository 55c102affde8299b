"""`clock trust`: an engineer's way back from a clock that was wrong."""

from datetime import timedelta
from pathlib import Path
from threading import Event

from sitewarden.gateway.app import alone
from sitewarden.gateway.clock import Clock, wall_now
from sitewarden.gateway.journal import Journal
from sitewarden.rules.model import Stamp
from tests.cli.conftest import Shell


def test_a_clock_is_believed_again_once_an_engineer_says_so(shell: Shell, folder: Path) -> None:
    file = folder / "data" / "journal.db"
    journal, done = Journal(file), Event()
    journal.submit((), lambda error: done.set(), Stamp(wall_now() + timedelta(days=3650), 5000.0))
    assert done.wait(10)
    assert not Clock(journal.newest()).trusted
    journal.close()
    told = shell("clock", "trust")
    assert told.code == 0
    assert "From now on it is" in told.out
    journal = Journal(file)
    newest = journal.newest()
    journal.close()
    assert newest
    assert Clock(newest).trusted
    assert newest.mono == 5000.0


def test_not_under_a_gateway_that_runs_nor_where_none_has_run(shell: Shell, folder: Path) -> None:
    assert "No gateway has run here" in shell("clock", "trust").err
    Journal(folder / "data" / "journal.db").close()
    with alone(folder / "data"):
        told = shell("clock", "trust")
    assert told.code == 1
    assert "stop it first" in told.err
