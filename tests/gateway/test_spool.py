"""The spool: nothing acknowledged is lost but by the rules, and every rule counts."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.gateway.database import MIB
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.spool.blocks import is_sound, seal, unpack
from sitewarden.gateway.spool.schema import SCHEMA
from sitewarden.gateway.spool.spool import Spool, SpoolFailed
from tests.gateway.spool_under_test import FOREVER, drain, lines, noise


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    it = Spool(path, ["influx"])
    yield it
    it.close()


def test_lines_come_back_in_order_and_once(spool: Spool) -> None:
    for start in range(0, 1000, 100):
        spool.append(lines(start, 100), start, start + 99)
    assert spool.stats().pending == {"influx": 1000}
    batch = spool.read("influx", Lane.LIVE, 250, FOREVER)
    assert batch
    (first, *_, last) = batch.blocks
    assert (first.first, first.last, first.lines) == (0, 99, lines(0, 100))
    assert (batch.after, batch.upto, last.id - first.id) == (0, 300, 200)
    assert drain(spool) == lines(0, 1000)
    assert spool.stats().lines == 0


def test_unread_lines_survive_a_restart(path: Path) -> None:
    spool = Spool(path, ["influx"])
    spool.append(lines(0, 10), 0, 9)
    spool.append(lines(10, 10), 10, 19)
    batch = spool.read("influx", Lane.LIVE, 1, FOREVER)
    assert batch
    spool.done("influx", batch)
    spool.close()
    spool = Spool(path, ["influx"])
    spool.append(lines(20, 10), 20, 29)
    assert drain(spool) == lines(10, 20)
    spool.close()


def test_a_drained_spool_goes_on_after_a_restart(path: Path) -> None:
    for start in (0, 10):
        spool = Spool(path, ["influx"])
        spool.append(lines(start, 10), 0, 9)
        assert drain(spool) == lines(start, 10)
        spool.close()


def test_each_destination_has_its_own_cursor(path: Path) -> None:
    spool = Spool(path, ["a", "b"])
    spool.append(lines(0, 10), 0, 9)
    assert drain(spool, "a") == lines(0, 10)
    assert spool.stats().pending == {"a": 0, "b": 10}
    spool.serve(["a", "c"])
    assert spool.stats().pending == {"a": 0, "c": 10}
    spool.serve(["a"])
    assert spool.stats().pending == {"a": 0}
    spool.close()


def test_a_full_spool_drops_its_oldest_and_counts_them(path: Path) -> None:
    spool = Spool(path, ["influx"], most=MIB)
    for n in range(300):
        spool.append(noise(n, 100), n, n)
    stats = spool.stats()
    left = drain(spool)
    assert left[-1] == noise(299, 100)[-1]
    assert stats.fill > 0.9
    assert path.stat().st_size <= MIB
    assert stats.lost == 300 * 100 - len(left)
    full = [loss for loss in spool.losses(1000) if loss.why == "full"]
    assert sum(loss.count for loss in full) == stats.lost
    assert full[-1].first == 0
    assert left[0] == noise(full[0].last + 1, 1)[0]
    spool.close()


def test_a_block_that_can_never_fit_fails_and_harms_none(path: Path) -> None:
    spool = Spool(path, ["influx"], most=MIB // 4)
    with pytest.raises(SpoolFailed):
        spool.append(noise(1, 5000), 0, 0)
    spool.append(lines(0, 10), 0, 9)
    assert drain(spool) == lines(0, 10)
    assert spool.stats().lost == 0  # it is its writer's to try again
    spool.close()


def test_a_block_that_is_not_what_was_written_is_skipped(spool: Spool, path: Path) -> None:
    for start in range(0, 50, 10):
        spool.append(lines(start, 10), start, start)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE blocks SET lines = zeroblob(length(lines)) WHERE id = 20")
        db.execute("UPDATE blocks SET crc = crc + 1 WHERE id = 40")
    db.close()
    assert drain(spool) == lines(0, 10) + lines(20, 10) + lines(40, 10)
    assert [(loss.why, loss.count) for loss in spool.losses()] == [("crc", 10), ("crc", 10)]


def test_a_file_that_is_no_database_is_set_aside(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 300)
    spool = Spool(path, ["influx"])
    spool.append(lines(0, 10), 0, 9)
    assert drain(spool) == lines(0, 10)
    assert spool.stats().set_aside == 1
    assert path.with_name("spool.db.broken-1").exists()
    spool.close()


def test_a_file_whose_columns_are_not_ours_is_set_aside(path: Path) -> None:
    Spool(path, ["influx"]).close()
    data = path.read_bytes()
    path.write_bytes(data.replace(b"stretches TEXT", b"stretchez TEXT"))
    spool = Spool(path, ["influx"])
    spool.append(lines(0, 10), 0, 9)
    assert drain(spool) == lines(0, 10)
    assert spool.stats().set_aside == 1
    spool.close()


def test_block_numbers_are_not_used_twice_when_the_file_is_replaced(spool: Spool, path: Path) -> None:
    for start in range(0, 50, 10):
        spool.append(lines(start, 10), start, start)
    held = spool.read("influx", Lane.LIVE, 50, FOREVER)
    assert held
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)
    spool._file.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.write(b"\xff" * 100)
    spool.append(lines(50, 10), 50, 50)
    spool.done("influx", held)
    assert drain(spool) == lines(50, 10)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool's file with twenty blocks."""
    path = tmp_path_factory.mktemp("sound") / "spool.db"
    spool = Spool(path, ["influx"])
    for n in range(20):
        spool.append(noise(n, 20), n, n)
    spool.close()
    return path


@settings(max_examples=40, deadline=None)
@given(places=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=30), value=st.integers(0, 255))
def test_no_corruption_stops_it(
    tmp_path_factory: pytest.TempPathFactory, sound: Path, places: list[float], value: int
) -> None:
    path = tmp_path_factory.mktemp("broken") / "spool.db"
    data = bytearray(sound.read_bytes())
    for place in places:
        data[int(place * len(data))] = value
    path.write_bytes(data)
    spool = Spool(path, ["influx"])
    found = drain(spool)
    spool.append(lines(0, 10), 0, 9)
    assert drain(spool)[-10:] == lines(0, 10)
    assert set(found) <= {line for n in range(20) for line in noise(n, 20)}
    spool.close()


@pytest.mark.parametrize("broken", [None, "text", b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8, b""])
def test_a_block_of_a_broken_page_may_claim_to_be_anything(broken: object) -> None:
    """The third is the head of a frame of zstd (RFC 8878, 3.1.1) that says that it holds 16 EiB."""
    row = (1, 0, 0, 1, 0, 1, broken)
    assert not is_sound(row)
    if isinstance(broken, bytes):
        with pytest.raises(ValueError, match=r"frame|ours|content|decompress|input"):
            unpack(seal(1, 0, 0, 1, True, broken))  # even if its checksum were right


def test_a_broken_page_may_not_even_say_how_many_lines_are_lost(path: Path) -> None:
    """As a page may that SQLite reads in spite of what is wrong with it: its own checks come at a write."""
    with closing(sqlite3.connect(path)) as db:
        blocks, *_ = SCHEMA.split(";")
        db.execute(blocks.replace("NOT NULL", "").replace("STRICT", ""))
        db.execute("INSERT INTO blocks VALUES (1, NULL, 'x', NULL, 0, 1, x'00')")
        db.commit()
    spool = Spool(path, ["influx"])
    spool.append(lines(0, 10), 0, 9)
    assert drain(spool) == lines(0, 10)
    spool.close()


WRITER = """
import sys
from pathlib import Path
from sitewarden.gateway.spool.spool import Spool
spool = Spool(Path(sys.argv[1]), ["influx"])
n = 0
while True:
    spool.append([b"line %d" % n, b"more %d" % n], n, n)
    print(n, flush=True)
    n += 1
"""


@pytest.mark.parametrize("acknowledged", [1, 50, 500])
def test_what_was_acknowledged_survives_kill_9(path: Path, acknowledged: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout
        told = [int(writer.stdout.readline()) for _ in range(acknowledged)]
        writer.kill()
        told += [int(line) for line in writer.stdout]
    spool = Spool(path, ["influx"])
    found = set(drain(spool))
    assert {b"line %d" % n for n in told} <= found
    assert spool.stats().set_aside == 0
    spool.close()


FULL_DISK = """
import random
import sys
from pathlib import Path
from sitewarden.gateway.spool import file as module
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.spool.spool import Spool
module.BALLAST = 1 << 20
folder, chance = Path(sys.argv[1]), random.Random(1)
spool = Spool(folder / "spool.db", ["influx"])
for n in range(1500):
    if n == 300:  # somebody else takes all the room there is
        with open(folder / "thief", "wb", buffering=0) as thief:
            try:
                while thief.write(bytes(4096)) == 4096:
                    pass
            except OSError as error:
                assert error.errno == 28
    spool.append([chance.randbytes(50).hex().encode() for _ in range(100)], n, n)
stats = spool.stats()
assert stats.lines + stats.lost == 150_000, stats
left = spool.read("influx", Lane.LIVE, 10**9, 1 << 62)
assert (left.blocks[0].first, left.count) == (1500 - len(left.blocks), stats.lines)
(folder / "thief").unlink()
spool.done("influx", left)
for n in range(100):
    spool.append([b"line"] * 100, n, n)
assert spool.stats().lines == 10_000 and (folder / "spool.ballast").exists()
"""


@pytest.mark.server
def test_a_full_disk_costs_the_oldest_and_nothing_else(tmp_path: Path) -> None:
    own = ["unshare", "--mount", *(() if os.geteuid() == 0 else ("--user", "--map-root-user"))]
    if subprocess.run([*own, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)], check=False).returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    mount = f'mount -t tmpfs -o size=8m tmpfs "{tmp_path}" && exec "$@"'
    subprocess.run(
        [*own, "sh", "-c", mount, "sh", sys.executable, "-c", FULL_DISK, str(tmp_path)],
        check=True,
        timeout=50,
    )
