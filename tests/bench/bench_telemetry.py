"""A line of telemetry, and the journal's way to the disk."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from time import perf_counter

from influxdb_client.client.write.point import Point

from sitewarden.gateway.journal import Journal
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.rules.model import Decision, Direction, PermitKind, Reading, Verdict, Why
from tests.bench.installation import folder
from tests.bench.measure import Figure, quantile, seconds
from tests.bench.stream import at, polls

COMMITS = 200


def figures() -> Iterator[Figure]:
    yield _format()
    with folder() as path:
        yield from _commit(path)


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
