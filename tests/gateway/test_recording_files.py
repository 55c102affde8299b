"""Recordings as files: begun, ended and cut short."""

from pathlib import Path
from queue import SimpleQueue

import pytest

from sitewarden.drivers.cards.rdm6300 import frame
from sitewarden.drivers.engine import Engine
from sitewarden.drivers.line import Call, Line
from sitewarden.drivers.plan import build
from sitewarden.gateway.recording import Ended, Heard, ended, replay
from sitewarden.gateway.tapes import RecordingFile, Tapes
from tests.gateway.recording_under_test import BUS, CARD, READER, at, new_core
from tests.scenarios import site


def test_a_recording_of_a_live_engine_is_replayed_from_its_file(tmp_path: Path) -> None:
    engine = Engine(new_core(), {READER.name: lambda: build(READER)})
    engine.connected(READER.name, at(0))
    tapes = Tapes(tmp_path / "recordings")
    engine.listen(READER.name, tapes.start(READER, site.plan(), lambda: engine.core, at(1)), at(1))
    assert tapes.runs(READER.name)
    engine.received(READER.name, frame(CARD), at(2))
    file = tapes.take(READER.name)
    engine.listen(READER.name, None, at(3))
    file.close()
    assert not tapes.runs(READER.name)
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert ended(file.path) == ""
    steps = list(replay(file.path.read_text().splitlines(keepends=True)))
    assert [step.same for step in steps] == [True, True]
    with pytest.raises(KeyError):
        tapes.take(READER.name)


def test_a_reload_that_alters_the_link_ends_its_recording_and_says_so_in_it(tmp_path: Path) -> None:
    tapes = Tapes(tmp_path)
    for link in (READER, BUS):
        tape = tapes.start(link, site.plan(), new_core, at(0))
        list(Line(link.name, lambda link=link: build(link), {}).listen(tape, at(0)))
    tapes.altered([READER.name, "another"])
    assert (tapes.runs(READER.name), tapes.runs(BUS.name)) == (False, True)
    altered = tapes.take(READER.name)  # its end is still asked for
    altered.close()
    assert ended(altered.path) == "a reload altered or removed the link"
    assert list(replay(altered.path.read_text().splitlines())) == []
    tapes.close()
    assert ended(tapes.path(BUS.name)) == "the gateway was stopped"


def test_a_recording_ends_before_it_fills_the_disk(tmp_path: Path) -> None:
    file = RecordingFile(tmp_path / "long", most=1000)
    for second in range(100):
        file.write(Heard(Call.WOKEN, at(second), None))
    file.close()
    assert "characters long" in ended(file.path)
    last = file.path.read_text()
    file.path.write_text(last[:-3])  # half written, when somebody looks at it
    assert ended(file.path) == ""
    assert file.path.stat().st_size < 1200


def test_a_disk_that_cannot_follow_ends_the_recording_and_fills_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: SimpleQueue[None] = SimpleQueue()
    monkeypatch.setattr("sitewarden.gateway.tapes.make_private", lambda folder: held.get())
    file = RecordingFile(tmp_path / "slow", behind=50)
    for second in range(100):
        file.write(Heard(Call.WOKEN, at(second), None))
    assert file.over
    held.put(None)
    file.close()
    assert ended(file.path) == "the disk was 50 entries behind"
    assert len(file.path.read_text().splitlines()) == 51


def test_a_file_that_cannot_be_written_is_said_at_the_end_and_disturbs_nothing_before(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    file = RecordingFile(tmp_path / "taken")
    file.write(Ended("anything"))
    with pytest.raises(OSError, match="File exists"):
        file.close()
    file.write(Ended("more"))
    assert file.over
