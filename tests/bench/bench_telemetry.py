"""The way of telemetry to the disk, and the journal's."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from time import perf_counter

from influxdb_client.client.write.point import Point

from sitewarden.config.site import Site, load
from sitewarden.gateway.blocks import Packer
from sitewarden.gateway.journal import Journal
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.spool import Spool
from sitewarden.rules.model import Decision, Direction, PermitKind, Reading, Stamp, Verdict, Why
from sitewarden.simulators.world import World
from tests.bench.installation import folder
from tests.bench.measure import Figure, quantile, seconds
from tests.bench.stream import at, polls

DEMO = Path(__file__).parent.parent.parent / "config" / "demo" / "site.yaml"
MINUTES = 10
BLOCKS, BLOCK = 200, 1000
COMMITS = 200
PAUSE = 0.5  # s, the spool's own group commit


def figures() -> Iterator[Figure]:
    yield _format()
    with folder() as path:
        yield from _append(path)
        yield from _commit(path)
    yield from _on_disk(_pumps(load(DEMO)))


def _readings() -> list[Reading]:
    return [effect for effect in next(polls(1.0)) if isinstance(effect, Reading)]


def _format() -> Figure:
    readings, lines = _readings(), Lines("bench")

    def ours() -> None:
        lines.format(readings)

    def theirs() -> None:
        for reading in readings:
            device, _, name = reading.point.partition(".")
            point = Point("reading").tag("site", "bench").tag("device", device).tag("point", name)
            point.field("value", reading.value).field("quality", "good").time(reading.at.wall)
            point.to_line_protocol()

    value, baseline = (seconds(work) / len(readings) * 1e6 for work in (ours, theirs))
    note = "baseline: influxdb_client's Point"
    return Figure("telemetry.line_format", value, "µs", baseline, 0.25, note=note)


def _append(path: Path) -> Iterator[Figure]:
    """Durable blocks, ours with their checksum, compression and cursors, and bare ones, in turn."""
    formatted = Lines("bench").format(_readings())
    lines = [line for _, line in formatted]
    body = b"\n".join(lines)
    spool = Spool(path / "spool.db", ("influx",))
    with closing(_bare(path / "bare-blocks.db")) as db:
        ours = bare = 0.0
        for _ in range(BLOCKS):
            begun = perf_counter()
            spool.append(lines, formatted[0][0], formatted[-1][0])
            between = perf_counter()
            db.execute("INSERT INTO rows (body) VALUES (?)", (body,))
            ours, bare = ours + between - begun, bare + perf_counter() - between
        spool.close()
    value, baseline = (BLOCKS * BLOCK / took for took in (ours, bare))
    note = f"blocks of {BLOCK}, compressed; baseline: the same blocks, bare, in sqlite3 (FULL)"
    yield Figure("telemetry.spool_append", value, "lines/s", baseline, 0.5, best="high", note=note)


def _commit(path: Path) -> Iterator[Figure]:
    """A decision through the journal's thread, and a row committed in place, in turn."""
    journal, durable = Journal(path / "journal.db"), Event()
    ours, bare = [], []
    with closing(_bare(path / "bare-rows.db")) as db:
        for number in range(COMMITS):
            decision = Decision(
                "entrance",
                "0100000000",
                Verdict.GRANTED,
                Why.PERMIT,
                at(number),
                Direction.IN,
                PermitKind.MONTHLY,
            )
            durable.clear()
            begun = perf_counter()
            journal.submit((decision,), lambda error: durable.set())
            durable.wait()
            between = perf_counter()
            db.execute("INSERT INTO rows (body) VALUES (?)", (b"0100000000",))
            ours.append(between - begun)
            bare.append(perf_counter() - between)
    journal.close()
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        value, baseline = (quantile(sorted(times), share) * 1e3 for times in (ours, bare))
        note = "a decision, there and back through the thread; baseline: one row in place (FULL)"
        yield Figure(f"telemetry.journal_commit_{name}", value, "ms", baseline, note=note)


def _bare(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB)")
    return db


# -- what it takes on the disk -------------------------------------------------------------------


def _pumps(site: Site) -> list[Reading]:
    """Minutes of the demo's pumps, tank and lift in the virtual world, as they are reported."""
    begun = Stamp(datetime(2026, 3, 10, 4, tzinfo=UTC), 1000.0)
    world = World(site.plan, site.links, (), 1, begun)
    world.run(begun.mono + 60.0 * MINUTES)
    return [effect for _, effect in world.effects if isinstance(effect, Reading)]


def _on_disk(readings: Sequence[Reading]) -> Iterator[Figure]:
    """Bytes a reading in the spool's blocks, beside the bytes of its line."""
    formatted = Lines("cuihu").format(readings)
    by_pause: dict[int, list[bytes]] = {}
    for ns, line in formatted:
        by_pause.setdefault(int(ns / 1e9 / PAUSE), []).append(line)
    lines = [line for _, line in formatted]
    plain = (sum(map(len, lines)) + len(lines)) / len(lines)
    full = [lines[start : start + BLOCK] for start in range(0, len(lines), BLOCK)]
    for name, blocks, note in (
        ("full", full, f"blocks of {BLOCK} lines, a large site's; baseline: the lines themselves"),
        ("small", list(by_pause.values()), f"a block every {PAUSE} s, the demo site's"),
    ):
        packer = Packer()
        stored = sum(len(bytes(packer.pack(block, 0, 0)[-1])) for block in blocks)
        yield Figure(f"telemetry.bytes_per_reading_{name}", stored / len(lines), "B", plain, note=note)
