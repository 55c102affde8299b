"""The number of a connection, across restarts and whatever the disk does."""

from pathlib import Path

import pytest

from sitewarden.gateway.sinks.sparkplug.bdseq import BdSeq


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "sparkplug-broker"
    numbers = []
    for _ in range(258):
        it = BdSeq(path)
        numbers.append(it.next)
        it.accepted()
    assert numbers == [*range(256), 0, 1]


def test_what_was_not_accepted_is_no_connection(tmp_path: Path) -> None:
    path = tmp_path / "sparkplug-broker"
    assert [BdSeq(path).next for _ in range(3)] == [0, 0, 0]
    assert not path.exists()


@pytest.mark.parametrize("found", [b"", b"seven", b"\xff\xff"])
def test_a_file_that_says_nothing_is_begun_anew(tmp_path: Path, found: bytes) -> None:
    path = tmp_path / "sparkplug-broker"
    path.write_bytes(found)
    it = BdSeq(path)
    assert it.next == 0
    it.accepted()
    assert BdSeq(path).next == 1


def test_a_disk_that_refuses_stops_nothing(tmp_path: Path) -> None:
    it = BdSeq(tmp_path / "no such folder" / "sparkplug-broker")
    it.accepted()
    assert it.next == 1
