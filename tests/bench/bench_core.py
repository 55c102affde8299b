"""What a reading costs on its way through the driver, the engine, the core and the spool."""

import sqlite3
import struct
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time

from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.spool.spool import Spool
from sitewarden.rules.core import Core
from sitewarden.rules.model import Effect, Reading
from tests.bench.installation import folder
from tests.bench.measure import Figure, seconds
from tests.bench.stream import NOON, PLAN, POINTS, at, images, polls

ROUNDS = 120  # polls of a thousand points
BLOCK = 1000  # lines a commit
CALLS = 100_000
MILLION = 1_000_000


def figures() -> Iterator[Figure]:
    with folder() as path:
        through, cpu_all, said = _through(path / "all", 1.0)
        bare = _bare(path / "bare.db")
        _, cpu_few, said_few = _through(path / "few", 0.01)
    value, baseline = ROUNDS * POINTS / through, ROUNDS * POINTS / bare
    yield Figure(
        "core.readings_per_second",
        value,
        "1/s",
        baseline,
        best="high",
        note="every value changes; baseline: struct, one f-string and the same blocks in sqlite3",
    )
    read = ROUNDS * POINTS / MILLION
    yield Figure("core.cpu_seconds_per_million_changing", cpu_all / read, "s", note=f"{said:.0%} reported")
    yield Figure(
        "core.cpu_seconds_per_million_steady",
        cpu_few / read,
        "s",
        cpu_all / read,
        note=f"1 % changes, {said_few:.1%} reported with heartbeats; baseline: all change",
    )
    yield _unwatched()


def _through(path: Path, changing: float) -> tuple[float, float, float]:
    """Wall and CPU s of `ROUNDS` polls that end in the spool, and the share of values reported."""
    spool, lines = Spool(path / "spool.db", ("influx",)), Lines("bench")
    stream = polls(changing)
    next(stream)  # the first poll reports everything
    reported, waiting = 0, list[Effect]()
    begun, cpu = perf_counter(), process_time()
    for effects in islice(stream, ROUNDS):
        reported += len(effects)
        waiting += effects
        if len(waiting) >= BLOCK:
            _append(spool, lines, waiting)
            waiting = []
    _append(spool, lines, waiting)
    took, cpu = perf_counter() - begun, process_time() - cpu
    kept = spool.stats().lines
    spool.close()
    if kept != reported:
        raise AssertionError(f"{reported} readings were reported and {kept} are in the spool")
    return took, cpu, reported / (ROUNDS * POINTS)


def _append(spool: Spool, lines: Lines, effects: Sequence[Effect]) -> None:
    if effects:
        formatted = lines.format(effects)
        spool.append([line for _, line in formatted], formatted[0][0], formatted[-1][0])


def _bare(path: Path) -> float:
    """s of a program that only decodes the same registers and stores the same lines, in FULL blocks."""
    state = images(1.0)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE blocks (id INTEGER PRIMARY KEY, lines BLOB)")
    heads = [f"reading,site=bench,device=unit,point=value-{n}" for n in range(POINTS)]
    ns = int(NOON.timestamp()) * 1_000_000_000
    begun = perf_counter()
    for poll in range(ROUNDS):
        values = struct.unpack(f">{POINTS}H", state[poll % len(state)])
        body = "\n".join(
            f'{head} value={value * 0.1!r},quality="good" {ns}'
            for head, value in zip(heads, values, strict=True)
        )
        db.execute("INSERT INTO blocks (lines) VALUES (?)", (body.encode(),))
        ns += 1_000_000_000
    took = perf_counter() - begun
    db.close()
    return took


def _unwatched() -> Figure:
    """A reading that no rule is about."""
    core, reading = Core(PLAN), Reading("unit.value-1", 1.0, at(0.0))
    core.step(reading)

    def step() -> None:
        take = core.step
        for _ in range(CALLS):
            take(reading)

    def nothing(_: Reading) -> None:
        pass

    def call() -> None:
        for _ in range(CALLS):
            nothing(reading)

    value, baseline = (seconds(work) / CALLS * 1e9 for work in (step, call))
    return Figure("core.step_unwatched", value, "ns", baseline, note="baseline: an empty function")
