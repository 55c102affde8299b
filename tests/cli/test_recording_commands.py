"""`record` and `replay`, with a gateway that has recorded before anybody asked."""

from functools import partial
from pathlib import Path

import pytest

from sitewarden.drivers.cards.rdm6300 import frame
from sitewarden.drivers.line import Call, Line
from sitewarden.drivers.plan import build
from sitewarden.gateway.recording import Ended, Heard, Recording, dump
from sitewarden.rules.core import Core
from sitewarden.rules.model import Reason
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
    tape = Recording(lambda entry: lines.append(dump(entry)), READER, site.plan(), lambda: core)
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


def test_what_time_alone_brought_about_bears_its_own_instant(shell: Shell, kept: Path) -> None:
    away = [
        Heard(Call.LOST, site.stamp(1010), Reason.LINK_DOWN),
        Heard(Call.CONNECTED, site.stamp(4600), None),
    ]
    with kept.open("a") as more:
        more.writelines(dump(heard) + "\n" for heard in away)
    found = shell("replay", str(kept), "--json").json["effects"]
    raised = next(effect for effect in found if "device_offline:reader-in: normal" in effect["what"])
    after = site.stamp(1010 + site.plan().link_alarm_after)
    assert raised["at"] == after.wall.isoformat(timespec="milliseconds")


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


def test_a_file_that_is_there_is_not_recorded_over(shell: Shell, kept: Path, tmp_path: Path) -> None:
    file = tmp_path / "swipe.jsonl"
    file.write_text("the rare fault")
    refused = shell("record", READER.name, str(file), "--for", "0.1s")
    assert (refused.code, refused.err) == (1, f"{file}: is there already; --force overwrites it\n")
    assert file.read_text() == "the rare fault"
    assert kept.exists()
    assert shell("record", READER.name, str(tmp_path), "--for", "0.1s", "--force").code == 1
    assert shell("record", READER.name, str(file), "--for", "0.1s", "--force").code == 0
    assert file.read_text() != "the rare fault"


def test_a_recording_that_cannot_be_moved_is_said_with_its_place(
    shell: Shell, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.move", full)
    ran = shell("record", READER.name, str(tmp_path / "swipe.jsonl"), "--for", "0.1s")
    assert ran.code == 1
    assert ran.err.endswith(f"No space left on device; the recording is {kept}\n")
    assert kept.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1: found nothing, expected the head of a recording"),
        (b"no recording", "line 1: found 'no recording', expected the head of a recording"),
        (bytes(range(128, 256)), "line 1: found "),
        (b'{"recording": 2}\n', "line 1: found a recording of version 2, expected 3"),
    ],
)
def test_what_is_no_recording_is_said_in_a_sentence(
    shell: Shell, tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "rubbish"
    file.write_bytes(content)
    ran = shell("replay", str(file))
    assert ran.code == 2
    assert f"{file}: {said}" in ran.err


def test_a_recording_of_nothing_is_none(shell: Shell, kept: Path, tmp_path: Path) -> None:
    (tmp_path / "head.jsonl").write_text(kept.read_text().splitlines(keepends=True)[0])
    for file, said in (
        ("head.jsonl", "nothing happened"),
        ("missing", "does not exist"),
        (".", "is a directory"),
    ):
        ran = shell("replay", str(tmp_path / file))
        assert ran.code == 2, file
        assert said in ran.err
