"""Killed at any instant, and used by several at once."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from threading import Event, Thread
from time import sleep

import pytest

from sitewarden.gateway.spool import block_rows
from sitewarden.gateway.spool.blocks import Block, Row, unpack
from sitewarden.gateway.spool.spool import Spool
from tests.gateway.spool_under_test import drain, lines, oldest
from tests.servers import until

KILLED = """
import sys
from pathlib import Path
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.spool.spool import Spool
spool, n = Spool(Path(sys.argv[1]), ["influx", "other"]), int(sys.argv[2])
while True:
    spool.append([b"line %d" % n, b"more %d" % n], n, n)
    print("has", n, flush=True)
    n += 1
    if n % 3 == 0 and (batch := spool.read("influx", Lane.LIVE, 4, 1 << 62)):
        print("takes", *(block.first for block in batch.blocks), flush=True)
        spool.done("influx", batch)
        print("took", *(block.first for block in batch.blocks), flush=True)
"""


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=[pytest.mark.slow, pytest.mark.timeout(120)])])
def test_whenever_it_is_killed_nothing_is_lost_and_nothing_is_sent_twice(tmp_path: Path, kills: int) -> None:
    path, chance = tmp_path / "spool.db", Random(kills)
    has, takes, took = set[int](), set[int](), set[int]()
    for _ in range(kills):
        told = _life(path, max(has, default=-1) + 2, chance.uniform(0.0, 0.1))
        for words, numbers in ((has, "has"), (takes, "takes"), (took, "took")):
            words.update(int(each) for word, *rest in told if word == numbers for each in rest)
    with closing(Spool(path, ["influx", "other"])) as spool:
        left = {name: {int(line.split()[1]) for line in drain(spool, name)} for name in ("influx", "other")}
        assert spool.stats().lost == spool.set_aside == 0
    assert has <= left["other"]
    assert has - takes <= left["influx"]
    assert not took & left["influx"]
    assert len(took) > kills


def _life(path: Path, begin: int, seconds: float) -> list[list[str]]:
    """What a process said until it was killed so long after its first word."""
    command = [sys.executable, "-c", KILLED, str(path), str(begin)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first = [process.stdout.readline() for _ in range(8)]
        sleep(seconds)  # a kill comes when it comes
        process.kill()
        return [line.split() for line in [*first, *process.stdout] if line.endswith("\n")]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    it = Spool(tmp_path / "spool.db", [f"sink {n}" for n in range(4)])
    yield it
    it.close()


def test_who_reads_keeps_nobody_from_writing(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.append(lines(0, 10), 0, 0)
    reading, go_on = Event(), Event()

    def slow(row: Row) -> Block:
        reading.set()
        assert go_on.wait(30.0)
        return unpack(row)

    monkeypatch.setattr(block_rows, "unpack", slow)
    got: list[object] = []
    thread = Thread(target=lambda: got.append(oldest(spool, "sink 0")))
    thread.start()
    assert reading.wait(30.0)
    spool.append(lines(10, 10), 1, 1)  # here it would stand still
    assert spool.stats().pending["sink 0"] == 20
    go_on.set()
    thread.join()
    assert len(got) == 1


@pytest.mark.slow
def test_each_of_several_gets_everything_once_while_more_comes(spool: Spool) -> None:
    got: dict[str, list[bytes]] = {f"sink {n}": [] for n in range(4)}
    ended = Event()

    def carry(name: str) -> None:
        while not ended.is_set() or spool.stats().pending[name]:
            got[name] += drain(spool, name, most=70)

    threads = [Thread(target=carry, args=(name,)) for name in got]
    for thread in threads:
        thread.start()
    for n in range(100):
        spool.append(lines(10 * n, 10), n, n)
    ended.set()
    for thread in threads:
        thread.join()
    assert all(each == lines(0, 1000) for each in got.values())
    assert spool.set_aside == spool.stats().lost == 0
    assert until(lambda: spool.stats().lines == 0)
