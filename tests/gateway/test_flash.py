"""What is written to the disk is counted."""

from pathlib import Path

import pytest

from sitewarden.gateway import flash


def test_the_kernel_says_what_was_written() -> None:
    assert flash.written() >= 0


def test_it_is_what_goes_to_disks_and_not_what_was_said_to_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "io"
    told.write_text("rchar: 9\nwchar: 700\nread_bytes: 0\nwrite_bytes: 4096\ncancelled_write_bytes: 5\n")
    monkeypatch.setattr(flash, "_IO", told)
    assert flash.written() == 4096
