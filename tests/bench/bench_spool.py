"""The spool: how fast it takes and gives lines, what they cost on the disk, and how it comes up again."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter

from sitewarden.config.site import load
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.spool.blocks import Packer
from sitewarden.gateway.spool.spool import Spool
from sitewarden.rules.model import Reading, Stamp
from sitewarden.simulators.world import World
from tests.bench.installation import folder
from tests.bench.measure import Figure, seconds
from tests.bench.stream import polls

DEMO = Path(__file__).parent.parent.parent / "config" / "demo" / "site.yaml"
MINUTES = 10
BLOCKS, BLOCK = 200, 1000
PAUSE = 0.5  # s, the spool's own group commit
BATCH = 5000  # lines
LARGE = 400_000  # blocks of a spool of 2 GB
FOREVER = 1 << 62  # ns

Formatted = Sequence[tuple[int, bytes]]


def figures() -> Iterator[Figure]:
    pumps = Lines("cuihu").format(_pumps())
    with folder() as path:
        yield from _append(path)
    yield from _stored(pumps)
    for name, rate, pause in (
        ("large", 2000, PAUSE),
        ("small", 20, PAUSE),
        ("small_calm", 20, 10 * PAUSE),
    ):
        with folder() as path:
            yield _written(path, name, pumps, rate, pause)
    with folder() as path:
        yield from _recovery(path)


def _append(path: Path) -> Iterator[Figure]:
    """Durable blocks, ours with their checksum, compression and cursors, and bare ones, in turn; and the way
    back, beside an append."""
    readings = [effect for effect in next(polls(1.0)) if isinstance(effect, Reading)]
    formatted = Lines("bench").format(readings)
    lines = [line for _, line in formatted]
    body = b"\n".join(lines)
    spool = Spool(path / "spool.db", ("influx",))
    with closing(_bare(path / "bare.db")) as db:
        ours = bare = 0.0
        for _ in range(BLOCKS):
            begun = perf_counter()
            spool.append(lines, formatted[0][0], formatted[-1][0])
            between = perf_counter()
            db.execute("INSERT INTO rows (body) VALUES (?)", (body,))
            ours, bare = ours + between - begun, bare + perf_counter() - between
    begun, given = perf_counter(), 0
    while batch := spool.read("influx", Lane.LIVE, BATCH, FOREVER):
        spool.done("influx", batch)
        given += batch.count
    back = perf_counter() - begun
    spool.close()
    value, baseline = (BLOCKS * BLOCK / took for took in (ours, bare))
    note = f"blocks of {BLOCK}, compressed; baseline: the same blocks, bare, in sqlite3 (FULL)"
    yield Figure("spool.append", value, "lines/s", baseline, 0.6, best="high", note=note)
    yield Figure(
        "spool.append_absolute", value, "lines/s", target=150_000, best="high", note="the same, as a number"
    )
    note = f"read in batches of {BATCH} and done; baseline: the append"
    yield Figure("spool.drain", given / back, "lines/s", value, note=note)


def _bare(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB)")
    return db


# -- what it takes on the disk -------------------------------------------------------------------


def _pumps() -> list[Reading]:
    """Minutes of the demo's pumps, tank and lift in the virtual world, as they are reported."""
    site = load(DEMO)
    begun = Stamp(datetime(2026, 3, 10, 4, tzinfo=UTC), 1000.0)
    world = World(site.plan, site.links, (), 1, begun)
    world.run(begun.mono + 60.0 * MINUTES)
    return [effect for _, effect in world.effects if isinstance(effect, Reading)]


def _stored(formatted: Formatted) -> Iterator[Figure]:
    """Bytes a reading in the blocks."""
    by_pause: dict[int, list[bytes]] = {}
    for ns, line in formatted:
        by_pause.setdefault(int(ns / 1e9 / PAUSE), []).append(line)
    lines = [line for _, line in formatted]
    plain = (sum(map(len, lines)) + len(lines)) / len(lines)
    full = [lines[start : start + BLOCK] for start in range(0, len(lines), BLOCK)]
    for name, blocks, target, note in (
        ("full", full, 6.0, f"blocks of {BLOCK} lines, a large site's"),
        ("small", list(by_pause.values()), None, f"a block every {PAUSE} s, the demo site's"),
    ):
        packer = Packer()
        size = sum(len(packer.pack(block)[1]) for block in blocks) / len(lines)
        told = f"{note}; a line has {plain:.0f} B"
        yield Figure(f"spool.bytes_per_reading_{name}", size, "B", target=target, note=told)


def _written(path: Path, name: str, formatted: Formatted, rate: int, pause: float) -> Figure:
    """Bytes that go to the disk for a reading: block, cursor, log and checkpoint. Baseline: what is stored of
    it, if nothing were written twice and no page half full."""
    endless = cycle(formatted)
    blocks = [list(islice(endless, round(rate * pause))) for _ in range(BLOCKS)]
    stored, packer = 0, Packer()
    spool = Spool(path / "spool.db", ("influx",), keep=86_400.0)
    before = _disk()
    for block in blocks:
        lines = [line for _, line in block]
        stored += len(packer.pack(lines)[1])
        spool.append(lines, block[0][0], block[-1][0])
        if batch := spool.read("influx", Lane.LIVE, BATCH, FOREVER):
            spool.done("influx", batch)
    spool.close()
    lines_written = sum(map(len, blocks))
    value, baseline = (_disk() - before) / lines_written, stored / lines_written
    note = f"{rate} readings/s, a commit every {pause:g} s, delivered at once"
    note += f": {value * rate * 86_400 / 1e9:.2f} GB a day; baseline: the blocks alone"
    return Figure(f"spool.written_per_reading_{name}", value, "B", baseline, note=note)


def _disk() -> int:
    """Bytes this process has caused to be written."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text("ascii").splitlines())
    return int(fields["write_bytes"])


# -- after a kill --------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from sitewarden.gateway.spool.blocks import Rank, seal
from sitewarden.gateway.spool.spool import Spool
path, blocks = Path(sys.argv[1]), int(sys.argv[2])
spool = Spool(path, ("influx",), most=4 << 30)
file, rank, body = spool._file, Rank.READING, os.urandom(4900)
file.db.execute("PRAGMA synchronous = OFF")
for first in range(0, blocks, 20_000):
    rows = (seal(1000 * (n + 1), n, n, 1000, False, body) for n in range(first, first + 20_000))
    file.db.execute("BEGIN")
    file.db.executemany("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    file.db.execute("COMMIT")
spool.close()
spool = Spool(path, ("influx",), most=4 << 30)
for n in range(100):
    spool.append([os.urandom(3000).hex().encode()] * 2, n, n)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _recovery(path: Path) -> Iterator[Figure]:
    file, log = path / "spool.db", path / "spool.db-wal"
    process = subprocess.run([sys.executable, "-c", KILLED, str(file), str(LARGE)], check=False)
    if process.returncode != -signal.SIGKILL:
        raise AssertionError("the spool to be recovered could not be made")
    shutil.copy(log, path / "log")
    begun = perf_counter()
    with closing(sqlite3.connect(file)) as db:
        db.execute("SELECT max(id) FROM blocks").fetchone()
        bare = perf_counter() - begun
    shutil.copy(path / "log", log)
    begun = perf_counter()
    spool = Spool(file, ("influx",), most=4 << 30)
    ours = perf_counter() - begun
    size = file.stat().st_size / 1e9
    note = f"{LARGE} blocks, {size:.1f} GB, log {log.stat().st_size >> 10} KiB; opened bare: {bare:.3f} s"
    yield Figure("spool.recovery", ours, "s", target=2.0, note=note)
    note = f"of {spool.stats().lines} lines in {LARGE} blocks"
    yield Figure("spool.stats", seconds(spool.stats) * 1e3, "ms", target=10.0, note=note)
    spool.close()
