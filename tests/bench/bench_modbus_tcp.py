"""Modbus TCP on loopback, from the bytes to the readings in the spool, beside pymodbus's own client."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter, process_time

import psutil
import structlog
from pymodbus.client import AsyncModbusTcpClient

from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, TcpPort
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.host import Host
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.journal import Journal
from sitewarden.gateway.ledger.gaps import intervals
from sitewarden.gateway.outlets import READINGS
from sitewarden.gateway.sinks.lines import WANTED, Lines
from sitewarden.gateway.spool.spool import Spool
from sitewarden.gateway.spool.writer import SpoolWriter
from sitewarden.gateway.troubles import Troubles
from sitewarden.rules.ahead import LIMIT
from sitewarden.rules.core import Core
from tests.bench.installation import Installation, folder, free_port, script
from tests.bench.measure import Figure
from tests.bench.stream import PLAN, images, wide_unit

MILLION = 1_000_000
BLOCK = 125  # registers in a read (V1.1b3, 6.3)

SIZES = {1_000: "1k", 10_000: "10k"}
SHARES = {1.0: "changing", 0.01: "steady"}
TURNS, TURN = 3, 0.8  # each takes so many turns of so many s
OUTSTANDING = 4
WARM = 0.4  # s until everything has been reported once
ALWAYS = {"normal": 0.001}  # s: due at once again

POINTS, RULES = 1_000, 100
SETTLE, SPAN = 5.0, 10.0  # s of work before the whole gateway is looked at, and while it is


def figures() -> Iterator[Figure]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    for many, size in SIZES.items():
        for share, name in SHARES.items():
            yield from _saturated(many, share, f"{size}_{name}")
    for share, name in SHARES.items():
        yield from _gateway(share, name)


# -- as fast as it goes --------------------------------------------------------------------------


@dataclass(slots=True)
class Sum:
    """Of all turns."""

    values: int = 0  # read
    reported: int = 0
    took: float = 0.0  # s
    cpu: float = 0.0  # s of this process

    @contextmanager
    def timed(self) -> Iterator[None]:
        begun, cpu = perf_counter(), process_time()
        yield
        self.took, self.cpu = self.took + perf_counter() - begun, self.cpu + process_time() - cpu


def _saturated(many: int, share: float, name: str) -> Iterator[Figure]:
    ours, several, theirs = Sum(), Sum(), Sum()
    for _ in range(TURNS):
        for total, outstanding in ((ours, 1), (several, OUTSTANDING)):
            with folder() as path, _unit(path, many, share) as port:
                asyncio.run(_ours(total, port, many, path, outstanding))
        with folder() as path, _unit(path, many, share) as port:
            asyncio.run(_theirs(theirs, port, many))
    few = share < 1
    yield Figure(
        f"modbus_tcp.values_per_second_{name}",
        several.values / several.took,
        "1/s",
        target=500_000 if few else None,
        best="high",
        note=f"{OUTSTANDING} requests out at once, {several.reported / several.values:.1%} reported;"
        f" one at a time {ours.values / ours.took:,.0f}, pymodbus {theirs.values / theirs.took:,.0f}",
    )
    yield Figure(
        f"modbus_tcp.cpu_seconds_per_million_{name}",
        ours.cpu / ours.values * MILLION,
        "s",
        theirs.cpu / theirs.values * MILLION,
        1.5 if few else None,
        note="one request out at a time; baseline: pymodbus's client, which decodes nothing",
    )


@contextmanager
def _unit(path: Path, many: int, share: float) -> Iterator[int]:
    """The port of a unit in a process of its own."""
    file = path / "images"
    file.write_bytes(b"".join(images(share, many)))
    with script("registers.py", str(file), str(2 * many)) as process:
        assert process.stdout
        yield int(process.stdout.readline())


async def _ours(total: Sum, port: int, many: int, path: Path, outstanding: int) -> None:
    """Link, engine, core, hub and spool as the gateway has them."""
    clock, hub, journal = Clock(), Hub(), Journal(path / "journal.db")
    spool = Spool(path / "spool.db", ("influx",))
    queue = hub.subscribe("spool", READINGS, WANTED)
    unit = replace(wide_unit(many), scan=ALWAYS)
    plan = LinkPlan(
        "plant", TcpPort("127.0.0.1", port), BusPlan(Framing.TCP, (unit,), outstanding=outstanding)
    )
    troubles = Troubles(lambda trouble: None, clock)
    writer = SpoolWriter(spool, queue, Lines("bench"), troubles, clock, intervals([plan]))
    host = Host(Core(PLAN), [plan], LIMIT, clock, journal, hub.publish, lambda: None)
    writer.start()
    host.start()
    counts = host.engine.counters[unit.device]
    await asyncio.sleep(WARM)
    answers, effects = counts.answers, host.counters.effects
    with total.timed():
        await asyncio.sleep(TURN)
        total.values += (counts.answers - answers) * BLOCK
        total.reported += host.counters.effects - effects
        await host.stop()
        writer.stop(60.0)
    if lost := spool.stats().lost:
        raise AssertionError(f"{lost} readings did not come into the spool")
    journal.close()
    spool.close()


async def _theirs(total: Sum, port: int, many: int) -> None:
    """The same blocks through pymodbus's client."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    end = perf_counter() + TURN
    with total.timed():
        while perf_counter() < end:
            for first in range(0, many, BLOCK):
                answer = await client.read_holding_registers(first, count=BLOCK)
                assert not answer.isError()
            total.values += many
    client.close()


# -- the whole gateway, a thousand values a second -----------------------------------------------


def _gateway(share: float, name: str) -> Iterator[Figure]:
    """A real gateway process that reads every point once a second, beside one of pymodbus that only reads."""
    with folder() as path, ExitStack() as end:
        port = end.enter_context(_unit(path, POINTS, share))
        (path / "profiles").mkdir()
        (path / "profiles" / "wide.yaml").write_text(_profile(), encoding="utf-8")
        installation = Installation(path, _site(port))
        running = end.enter_context(installation.running())
        bare = end.enter_context(script("pymodbus_poll.py", str(port), str(POINTS)))
        ours, theirs = psutil.Process(running.pid), psutil.Process(bare.pid)
        time.sleep(SETTLE)
        before = _cpu(ours), _cpu(theirs)
        time.sleep(SPAN)
        cpu, least = (
            (_cpu(it) - first) / SPAN * 100 for it, first in zip((ours, theirs), before, strict=True)
        )
        memory, resident = ours.memory_full_info(), theirs.memory_info().rss
        stored = _stored(installation.site.data / "spool.db")
    note = f"{stored} readings in the spool; pymodbus, once a second, for nobody: {least:.1f} %"
    yield Figure(f"modbus_tcp.gateway_cpu_{name}", cpu, "% of a core", target=2.0, note=note)
    note = f"resident; proportional set {memory.pss / 1e6:.0f}, its own {memory.uss / 1e6:.0f}"
    note += f"; pymodbus {resident / 1e6:.0f}"
    yield Figure(f"modbus_tcp.gateway_memory_{name}", memory.rss / 1e6, "MB", target=60.0, note=note)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _stored(file: Path) -> int:
    with closing(sqlite3.connect(file)) as db:
        (lines,) = db.execute("SELECT sum(count) FROM blocks").fetchone()
    return int(lines)


def _profile() -> str:
    points = "".join(
        f"  value-{n}: {{table: holding, address: {n}, type: u16, scale: 0.1}}\n" for n in range(POINTS)
    )
    return f"points:\n{points}"


def _site(port: int) -> str:
    """One unit, rules about a tenth of its points, and an InfluxDB 1 that is away."""
    sink = f'{{type: influxdb, version: v1, url: "http://127.0.0.1:{free_port()}", bucket: bench}}'
    rules = "".join(
        f"  high-{n}: {{text: High, severity: low, point: unit.value-{n}, above: 4000, on_delay: 1min}}\n"
        for n in range(RULES)
    )
    return (
        f"links:\n  plant: {{tcp: 127.0.0.1:{port}}}\n"
        "devices:\n  unit: {link: plant, unit: 1, profile: wide}\n"
        f"alarms:\n{rules}"
        f"sinks:\n  influx: {sink}\n"
    )
