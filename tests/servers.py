"""Real peers on free ports of this machine, each in a folder of its own, ended by its own process id."""

import getpass
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

UP_WITHIN = 20.0  # s
LOOK = 0.02  # s


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(true: Callable[[], object], within: float = 10.0) -> bool:
    """Waits for something real to happen; False: it did not in time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(LOOK)
    return False


def get(url: str, data: bytes | None = None) -> str:
    with urllib.request.urlopen(url, data, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def answers(url: str) -> bool:
    try:
        get(url)
    except (urllib.error.URLError, OSError):
        return False
    return True


@dataclass
class Peer:
    """A server that can be stopped and started again on the same port, with the same data."""

    program: str
    arguments: list[str]
    port: int
    ready: Callable[[], bool]
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        program = shutil.which(self.program, path="/usr/bin:/usr/sbin:/usr/local/bin")
        if program is None:
            pytest.skip(f"{self.program} is not installed")
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen([program, *self.arguments], stdout=quiet, stderr=quiet)
        assert until(self.ready, UP_WITHIN), f"{self.program} does not come up"

    def stop(self, kill: bool = False) -> None:
        if self.process:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait(20)
            self.process = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(peer: Peer) -> Iterator[Peer]:
    try:
        peer.start()
        yield peer
    finally:
        peer.stop()


# -- InfluxDB 1.x --------------------------------------------------------------------------------


def influxd(folder: Path) -> Peer:
    port = free_port()
    config = folder / "influxdb.conf"
    config.write_text(f"""
reporting-disabled = true
bind-address = "127.0.0.1:{free_port()}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
""")
    return Peer("influxd", ["-config", str(config)], port, lambda: answers(f"http://127.0.0.1:{port}/ping"))


def influx_query(peer: Peer, query: str, db: str = "sitewarden") -> list[list[object]]:
    """All rows of all series."""
    answer = json.loads(get(f"{peer.url}/query?{urlencode({'db': db, 'q': query, 'epoch': 'ns'})}"))
    return [
        row for result in answer["results"] for series in result.get("series", ()) for row in series["values"]
    ]


def influx_count(peer: Peer, measurement: str = "reading", column: str = "value") -> int:
    rows = influx_query(peer, f'SELECT count("{column}") FROM "{measurement}"')  # noqa: S608
    return int(str(rows[0][1])) if rows else 0


# -- VictoriaMetrics -----------------------------------------------------------------------------


def victoria_metrics(folder: Path) -> Peer:
    port = free_port()
    arguments = [
        f"-storageDataPath={folder}/vm",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y",
        "-loggerLevel=ERROR",
        "-memory.allowedBytes=64MB",
    ]
    return Peer("victoria-metrics", arguments, port, lambda: answers(f"http://127.0.0.1:{port}/health"))


def victoria_samples(peer: Peer, selector: str) -> list[tuple[dict[str, str], int, float]]:
    """Every sample: labels, ms since 1970, value."""
    get(f"{peer.url}/internal/force_flush")
    exported = get(f"{peer.url}/api/v1/export?match[]={quote(selector)}&start=0")
    series = [json.loads(line) for line in exported.splitlines()]
    return [
        (each["metric"], at, value)
        for each in series
        for at, value in zip(each["timestamps"], each["values"], strict=True)
    ]


# -- mosquitto -----------------------------------------------------------------------------------


def mosquitto(folder: Path, *more: str) -> Peer:
    """It drops nothing that a slow subscriber has not taken yet. `more`: lines of its configuration."""
    port = free_port()
    config = folder / "mosquitto.conf"
    said = {line.partition(" ")[0] for line in more}
    usual = ("allow_anonymous true", "persistence false", "max_queued_messages 0", "max_inflight_messages 0")
    usual = (*usual, f"user {getpass.getuser()}")  # root would become another, who cannot read our keys
    lines = (*(line for line in usual if line.partition(" ")[0] not in said), *more)
    config.write_text("\n".join((f"listener {port} 127.0.0.1", *lines, "")))

    def up() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return Peer("mosquitto", ["-c", str(config)], port, up)


# -- a server that accepts and says nothing ------------------------------------------------------


@contextmanager
def black_hole() -> Iterator[int]:
    """A port that swallows all that is sent to it."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]
