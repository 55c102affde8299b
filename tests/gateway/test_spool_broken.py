"""The spool's file with a byte that is not what was written, wherever it is: it starts, it goes on, and what
is not delivered is counted."""

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.spool.spool import Spool
from tests.gateway.spool_under_test import FOREVER, drain, lines, noise

BLOCKS, LINES = 40, 20
EACH = [noise(n, LINES) for n in range(BLOCKS)]
DONE = 8  # blocks that the first destination has already


def written(path: Path) -> Spool:
    spool = Spool(path, ["one", "two"], keep=1e9)
    for n, each in enumerate(EACH):
        spool.append(each, n, n)
        if n + 1 == DONE:
            batch = spool.read("one", Lane.LIVE, DONE * LINES, FOREVER)
            assert batch
            spool.done("one", batch)
    return spool


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder on no disk, where there is one: nothing waits for it."""
    shared = Path("/dev/shm")
    with TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a gateway leaves it that was ended in good order."""
    path = tmp_path_factory.mktemp("sound") / "spool.db"
    written(path).close()
    return path


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a killed one leaves it: with a log."""
    path = tmp_path_factory.mktemp("alive") / "spool.db"
    left = tmp_path_factory.mktemp("killed") / "spool.db"
    spool = written(path)
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{left}{suffix}")
    spool.close()
    return left


def survives(path: Path, torn: int = 0) -> int:
    """Checks all that must be so, and returns how many lines of what the destinations lacked they got.
    `torn`: lines at the end that may be taken for what a power cut left of a commit."""
    kept = 0
    with closing(Spool(path, ["one", "two"], keep=1e9)) as spool:
        got = {name: drain(spool, name) for name in ("one", "two")}
        told = [loss for loss in spool.losses(1000) if loss.why == "crc"]
        for name, blocks in (("one", EACH[DONE:]), ("two", EACH)):
            lacked = {line for each in blocks for line in each}
            assert set(got[name]) <= {line for each in EACH for line in each}
            here = len(lacked.intersection(got[name]))
            lost = sum(loss.count for loss in told if loss.destination in ("", name))
            assert here + lost >= len(lacked) - torn, f"{name} got {here}, and {lost} are counted"
            kept += here
        spool.append(lines(0, 10), 0, 9)
        assert drain(spool, "one") == drain(spool, "two") == lines(0, 10)
    return kept


def corrupt(folder: Path, sound: Path, suffix: str, seed: int) -> Path:
    """A copy with one byte changed."""
    chance = random.Random(seed)
    path = folder / f"{seed}" / "spool.db"
    path.parent.mkdir()
    for each in ("", "-wal"):
        if Path(f"{sound}{each}").exists():
            shutil.copy(f"{sound}{each}", f"{path}{each}")
    with Path(f"{path}{suffix}").open("r+b") as file:
        place = chance.randrange(os.fstat(file.fileno()).st_size)
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ chance.randrange(1, 256)]))
    return path


FEW_AND_MANY = pytest.mark.parametrize(
    "seeds", [range(100), pytest.param(range(100, 1000), marks=[pytest.mark.slow, pytest.mark.timeout(300)])]
)


@FEW_AND_MANY
def test_a_byte_that_is_wrong_stops_nothing_and_what_it_costs_is_counted(
    memory: Path, sound: Path, seeds: range
) -> None:
    kept = 0
    for seed in seeds:
        kept += survives(corrupt(memory, sound, "", seed))
        shutil.rmtree(memory / f"{seed}")
    assert kept > 0.95 * len(seeds) * LINES * (2 * BLOCKS - DONE)


@FEW_AND_MANY
def test_nor_does_one_in_the_log(memory: Path, killed: Path, seeds: range) -> None:
    kept = 0
    for seed in seeds[::5]:
        kept += survives(corrupt(memory, killed, "-wal", seed), torn=LINES)
        shutil.rmtree(memory / f"{seed}")
    assert kept > 0.95 * len(seeds[::5]) * LINES * (2 * BLOCKS - DONE)


@pytest.mark.parametrize("size", [0, 1, 100, 4096, 4097, 20_000, 50_000])
def test_a_file_that_is_cut_off_is_counted_as_far_as_it_is_known(
    tmp_path: Path, sound: Path, size: int
) -> None:
    path = tmp_path / "spool.db"
    path.write_bytes(sound.read_bytes()[:size])
    with closing(Spool(path, ["one", "two"])) as spool:
        got = drain(spool, "two")
        assert [line for each in EACH for line in each][: len(got)] == got
        spool.append(lines(0, 10), 0, 9)
        assert drain(spool, "two") == lines(0, 10)


def test_what_was_in_memory_when_the_file_broke_is_counted_exactly(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    spool = written(path)
    spool._file.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)
    assert drain(spool, "one") == []
    lost = {loss.destination: loss.count for loss in spool.losses() if loss.why == "crc"}
    assert lost == {"one": (BLOCKS - DONE) * LINES, "two": BLOCKS * LINES}
    spool.append(lines(0, 10), 0, 9)
    assert drain(spool, "one") == drain(spool, "two") == lines(0, 10)
    assert spool.set_aside == 1
    spool.close()


def test_of_broken_files_the_newest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    for _ in range(3):
        path.write_bytes(b"not a database at all" * 300)
        Spool(path, ["influx"]).close()
    assert [each.name for each in sorted(tmp_path.glob("*broken*"))] == ["spool.db.broken-1"]


def test_a_power_cut_amid_the_replacing_costs_nothing(tmp_path: Path, sound: Path) -> None:
    path = tmp_path / "spool.db"
    shutil.copy(sound, tmp_path / "spool.db.mended")  # the broken one is set aside already
    with closing(Spool(path, ["one", "two"])) as spool:
        assert len(drain(spool, "two")) == BLOCKS * LINES
    assert not (tmp_path / "spool.db.mended").exists()
