"""The files of recordings: each has its own, and what was not written is told."""

import json
from pathlib import Path

import pytest

from sitewarden.drivers.line import Call, Failed
from sitewarden.gateway.recording import Heard
from sitewarden.gateway.tapes import RecordingFile, Tapes
from sitewarden.rules.core import Core
from tests.scenarios import site

READER = site.links()[0]
at = site.stamp


def test_two_recordings_within_a_second_have_a_file_each(tmp_path: Path) -> None:
    tapes, core = Tapes(tmp_path), Core(site.plan(), site.permits())
    kept = []
    for second in (10.25, 10.5):
        tape = tapes.start(READER, site.plan(), lambda: core, at(second))
        tape.told(Call.RECEIVED, at(second), b"%d" % (second * 100))
        kept.append(tapes.take(READER.name))
        kept[-1].close()
    texts = [file.path.read_text() for file in kept]
    assert len(set(texts)) == 2
    assert all(texts)


def test_a_recording_writes_over_no_other(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("the rare fault")
    with pytest.raises(OSError, match="File exists"):
        RecordingFile(tmp_path / "kept").close()
    assert (tmp_path / "kept").read_text() == "the rare fault"


def test_half_a_character_of_an_error_ends_no_recording(tmp_path: Path) -> None:
    file = RecordingFile(tmp_path / "odd")
    file.write(Failed("bus", RuntimeError("\udcff bad bytes")))
    file.write(Heard(Call.RECEIVED, at(1), b"a"))
    file.close()
    failed, heard = map(json.loads, file.path.read_text().splitlines())
    assert failed == {"said": {"Failed": "RuntimeError: \udcff bad bytes"}}
    assert heard


def test_whatever_ends_the_writer_is_told_to_whoever_ends_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(entry: object) -> str:
        raise TypeError("no JSON for this")

    monkeypatch.setattr("sitewarden.gateway.tapes.dump", unable)
    file = RecordingFile(tmp_path / "odd")
    file.write(Heard(Call.RECEIVED, at(1), b"a"))
    with pytest.raises(OSError, match="no JSON for this"):
        file.close()
