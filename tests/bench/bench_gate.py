"""From the card to the relay, through a real gateway process, the disk and two wires."""

import os
import select
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

import psutil

from sitewarden.drivers.cards.rdm6300 import frame
from sitewarden.gateway.cli.common import Failure
from sitewarden.gateway.cli.remote import Gateway
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.demo import LiveEstate
from tests.bench.backlog import SINK, fill, swallower
from tests.bench.field import Field, Pty
from tests.bench.installation import Installation, Running, folder, free_port, monthly, script
from tests.bench.measure import Figure, quantile

SWIPES = 300
CARDS = 2  # that take turns: a card that comes again takes its unused grant back, so none pile up
STARTS = 3
CLIENTS = 50

GATE = """\
links:
  gate: {serial: ports/gate}
  bus: {serial: ports/bus, baud: 115200}
devices:
  reader: {link: gate, driver: rdm6300}
  io: {link: bus, unit: 1, profile: relay-8in-8out, scan: {fast: 2s}}
parking:
  lanes:
    entrance:
      direction: in
      reader: reader
      anti_passback: "off"
      barrier: {device: io, open: out1, loop_under: in4}
"""
HANGING = """\
sinks:
  influx: {{type: influxdb, url: "http://127.0.0.1:{port}", org: bench, bucket: bench}}
"""
POINTS, UNITS = 1000, 10
BACKLOG = 20_000_000  # lines, more than can leave while the cards are held out
SETTLE = 5.0  # s of work before the memory is looked at


def figures() -> Iterator[Figure]:
    idle, echoes, commits = _swipes(SWIPES)
    floor = sorted(echo + commit for echo, commit in zip(echoes, commits, strict=True))
    note = f"baseline: bare echo ({median(echoes) * 1e3:.2f}) plus bare commit ({median(commits) * 1e3:.2f})"
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        value, baseline = quantile(idle, share) * 1e3, quantile(floor, share) * 1e3
        yield Figure(f"gate.swipe_to_relay_{name}", value, "ms", baseline, 2.0, note=note)
    hammered, answers = _hammered(SWIPES)
    calm, busy = quantile(idle, 0.99) * 1e3, quantile(hammered, 0.99) * 1e3
    note = f"{CLIENTS} clients had {answers} answers a second, InfluxDB hung; baseline: idle"
    yield Figure("gate.swipe_to_relay_hammered_p99", busy, "ms", calm, note=note)
    yield Figure("gate.hammered_p99_above_idle", busy - calm, "ms", target=20.0, note="ms more than idle")
    drained, rate = _draining(SWIPES // 2)
    note = f"{rate:,} lines of backlog a second leave meanwhile; baseline: idle"
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        value, baseline = quantile(drained, share) * 1e3, quantile(idle, share) * 1e3
        yield Figure(f"gate.swipe_to_relay_draining_{name}", value, "ms", baseline, note=note)
    above = (quantile(drained, 0.99) - quantile(idle, 0.99)) * 1e3
    yield Figure("gate.draining_p99_above_idle", above, "ms", target=20.0, note="ms more than idle")
    started, imports = _startup()
    yield Figure(
        "gate.startup_to_first_decision_s", started, "s", target=2.0, note="exec to the relay's command"
    )
    yield Figure("gate.startup_vs_imports", started, "s", imports, note="baseline: import fastapi, pydantic")
    resident, proportional = _memory()
    yield Figure(
        "gate.memory_1000_points_mb",
        resident,
        "MB",
        target=100.0,
        note=f"resident; proportional set {proportional:.0f} MB",
    )


# -- swipes --------------------------------------------------------------------------------------


def _swipes(count: int) -> tuple[list[float], list[float], list[float]]:
    """Sorted s of so many swipes, and s of a bare echo and of a bare commit after each of them."""
    cards = [permit.card for permit in monthly(CARDS)]
    chance = Random(1)
    taken, echoes, commits = [], [], []
    with _gate() as (_, field, _), _bare() as bare:
        for number in range(count):
            taken.append(field.swipe("gate", cards[number % CARDS]))
            field.rest(chance.uniform(0.015, 0.025))
            echoes.append(bare.echo())
            field.rest(0.01)
            commits.append(bare.commit())
            field.rest(chance.uniform(0.01, 0.02))
    return sorted(taken), echoes, commits


def _hammered(count: int) -> tuple[list[float], int]:
    """Sorted s of so many swipes, and the answers a second that the clients had meanwhile."""
    cards = [permit.card for permit in monthly(CARDS)]
    chance = Random(2)
    seconds = count * 0.055 + 1.0
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # connects, takes the request, and is silent
        sinks = HANGING.format(port=hanging.getsockname()[1])
        with _gate(sinks) as (installation, field, _):
            arguments = (str(installation.port), installation.token, str(CLIENTS), str(seconds))
            with script("hammer.py", *arguments) as clients:
                field.rest(1.0)
                taken = []
                for number in range(count):
                    taken.append(field.swipe("gate", cards[number % CARDS]))
                    field.rest(chance.uniform(0.04, 0.06))
                answers = clients.communicate(timeout=seconds + 10)[0]
    return sorted(taken), round(int(answers) / seconds)


def _draining(count: int) -> tuple[list[float], int]:
    """Sorted s of so many swipes, and the lines a second that left the spool meanwhile."""
    cards = [permit.card for permit in monthly(CARDS)]
    chance = Random(3)
    with swallower() as server, _gate(SINK.format(port=server.port), BACKLOG) as (_, field, _):
        taken = []
        for number in range(count):
            taken.append(field.swipe("gate", cards[number % CARDS]))
            field.rest(chance.uniform(0.04, 0.06))
    return sorted(taken), round(server.lines / server.seconds)


@contextmanager
def _gate(sinks: str = "", backlog: int = 0) -> Iterator[tuple[Installation, Field, float]]:
    """A gateway of one lane that has opened for one card, with so many lines in its spool; with the s that
    this took from its exec."""
    with folder() as path, ExitStack() as end:
        installation = Installation(path, GATE + sinks, monthly(1000))
        if backlog:
            fill(installation.site, backlog)
        field = Field(installation.site)
        end.callback(field.close)
        running = end.enter_context(installation.running())
        yield installation, field, _first_decision(field, running)


def _first_decision(field: Field, running: Running) -> float:
    """A card is held at the reader, and repeats, until the relay is switched."""
    card = monthly(CARDS)[-1].card
    while True:
        for exchange in field.exchanges(0.01):
            if exchange.switches_on:
                field.rest(0.5)
                return exchange.heard - running.begun
        field.show("gate", card)
        if perf_counter() - running.begun > 20.0:
            raise TimeoutError("the gateway decided nothing within 20 s of its start")


class Bare:
    """An echo through two PTYs and another process, and a durable commit of one row: no gateway that
    keeps its promise can be quicker than both together."""

    def __init__(self, path: Path, reader: Pty, bus: Pty) -> None:
        self._reader, self._bus = reader, bus
        self._db = sqlite3.connect(path / "bare.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE decisions (id INTEGER PRIMARY KEY, wall INTEGER, card TEXT)")

    def echo(self) -> float:
        begun = perf_counter()
        os.write(self._reader.far, frame("0100000000"))
        select.select([self._bus.far], [], [])
        os.read(self._bus.far, 64)
        return perf_counter() - begun

    def commit(self) -> float:
        begun = perf_counter()
        self._db.execute("INSERT INTO decisions (wall, card) VALUES (1774886400000000, '0100000000')")
        return perf_counter() - begun

    def close(self) -> None:
        self._db.close()


@contextmanager
def _bare() -> Iterator[Bare]:
    with folder() as path, ExitStack() as end:
        reader, bus = Pty(path / "reader"), Pty(path / "bus")
        end.callback(reader.close)
        end.callback(bus.close)
        echo = end.enter_context(script("echo.py", str(path / "reader"), str(path / "bus")))
        assert echo.stdout
        echo.stdout.readline()
        bare = Bare(path, reader, bus)
        end.callback(bare.close)
        yield bare


# -- starting and standing -----------------------------------------------------------------------


def _startup() -> tuple[float, float]:
    """s from the exec to the first relay's command, and of a Python that only imports; medians."""
    started, imports = [], []
    for _ in range(STARTS):
        with _gate() as (_, _, took):
            started.append(took)
        begun = perf_counter()
        subprocess.run([sys.executable, "-c", "import fastapi, pydantic"], check=True)
        imports.append(perf_counter() - begun)
    return median(started), median(imports)


def _memory() -> tuple[float, float]:
    """MB of a gateway that reads a thousand points a second, resident and proportional."""
    with folder() as path, ExitStack() as end:
        (path / "profiles").mkdir()
        (path / "profiles" / "wide.yaml").write_text(_wide(), encoding="utf-8")
        installation = Installation(path, _thousand(free_port()))
        estate = LiveEstate(installation.site, (), 1, 0.0, Clock().now())
        estate.start(path / "ports")
        end.callback(estate.stop)
        running = end.enter_context(installation.running())
        _until_read(installation)
        time.sleep(SETTLE)
        memory = psutil.Process(running.pid).memory_full_info()
    return memory.rss / 1e6, memory.pss / 1e6


def _thousand(port: int) -> str:
    """Units on one Modbus TCP connection, and telemetry that is spooled since nobody takes it."""
    units = "".join(
        f"  unit-{unit}: {{link: plant, unit: {unit}, profile: wide}}\n" for unit in range(1, UNITS + 1)
    )
    sinks = HANGING.format(port=free_port())
    return f"links:\n  plant: {{tcp: 127.0.0.1:{port}}}\ndevices:\n{units}{sinks}"


def _wide() -> str:
    points = "".join(
        f"  value-{n}: {{table: holding, address: {n}, type: u16, scale: 0.1}}\n"
        for n in range(POINTS // UNITS)
    )
    return f"points:\n{points}"


def _until_read(installation: Installation) -> None:
    """Waits until every point has been read and the page could show it."""
    end = perf_counter() + 20.0
    while perf_counter() < end:
        try:
            points = Gateway(installation.config).ask("GET", "/points")
        except Failure:  # it has not opened its door yet
            points = []
        if len([point for point in points if point["quality"] == "good"]) == POINTS:
            return
        time.sleep(0.2)
    raise TimeoutError(f"not all of {POINTS} points were read")
