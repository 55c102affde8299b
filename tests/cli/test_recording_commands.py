"""`record` and `replay`, with a gateway that has recorded before anybody asked."""

from functools import partial
from pathlib import Path

import pytest

from sitewarden.drivers.cards.rdm6300 import frame
from sitewarden.drivers.line import Call, Line
from sitewarden.drivers.plan import build
from sitewarden.gateway.recording import Ended, Recording, dump
from sitewarden.rules.core import Core
from tests.cli.conftest import Shell
from tests.scenarios import site

READER = site.links()[0]


class Recorded:
    """A gateway whose recording of the link is already in its file."""

    def __init__(self, kept: Path, *_: object) -> None:
        self._kept = kept

    def ask(self, method: str, path: str, body: object = None) -> dict[str, str]:
        assert (method, path) == ("POST", f"/links/{READER.name}/record")
        return {"path": str(self._kept)}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lines: list[str] = []
    core = Core(site.plan(), site.permits())
    tape = Recording(lambda entry: lines.append(dump(entry)), READER, site.plan(), core)
    line = Line(READER.name, partial(build, READER), {})
    list(line.listen(tape, site.stamp(1000)))
    list(line.tell(Call.CONNECTED, site.stamp(1001)))
    list(line.tell(Call.RECEIVED, site.stamp(1002), frame("01000734E0")))
    kept = tmp_path / "kept.jsonl"
    kept.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr("sitewarden.gateway.cli.recording.Gateway", partial(Recorded, kept))
    return kept


def test_a_recording_is_moved_and_replayed(shell: Shell, kept: Path, tmp_path: Path) -> None:
    file = tmp_path / "swipe.jsonl"
    assert shell("record", READER.name, str(file), "--for", "0.1s").code == 0
    assert not kept.exists()
    ran = shell("replay", str(file))
    assert ran.code == 0
    assert "in-1 …4E0 denied: blocked" in ran.out
    assert "2 calls of the driver, 2 answered as they were" in ran.out


def test_a_recording_that_ended_early_is_kept_and_said(shell: Shell, kept: Path, tmp_path: Path) -> None:
    with kept.open("a") as more:
        more.write(dump(Ended("a reload altered or removed the link")) + "\n")
    file = tmp_path / "swipe.jsonl"
    ran = shell("record", READER.name, str(file))  # does not wait for Ctrl-C
    assert ran.code == 1
    assert "ended early: a reload altered or removed the link" in ran.err
    assert shell("replay", str(file)).code == 0


def test_a_replay_that_differs_or_is_none_fails(shell: Shell, kept: Path) -> None:
    kept.write_text(kept.read_text().replace('"card": "01000734E0"', '"card": "01000734E1"'))
    differs = shell("replay", str(kept))
    assert differs.code == 1
    assert "1 of 2 calls were answered otherwise" in differs.err
    kept.write_text("no recording")
    assert "line 1: found 'no recording'" in shell("replay", str(kept)).err
