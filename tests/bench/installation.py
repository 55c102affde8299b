"""A site on disk and its gateway in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from time import perf_counter

from sitewarden.config.site import load
from sitewarden.gateway.cards import Cards
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.tokens import Role, Tokens
from sitewarden.rules.model import Permit, PermitKind

BUILD = Path(__file__).parent.parent.parent / "build"
SITE = """\
site: {{id: bench, timezone: Asia/Shanghai, language: en}}
data: data
http: {{host: 127.0.0.1, port: {port}}}
"""


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder on the disk of the checkout: /tmp may be memory, whose flushes cost nothing."""
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=BUILD) as path:
        yield Path(path)


def monthly(count: int) -> list[Permit]:
    first, last = date(2020, 1, 1), date(2099, 12, 31)
    return [Permit(f"{0x0100000000 + 977 * n:010X}", PermitKind.MONTHLY, first, last) for n in range(count)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Installation:
    """`text`: the configuration from the links on."""

    def __init__(self, path: Path, text: str, permits: Sequence[Permit] = ()) -> None:
        self.port = free_port()
        self.config = path / "site.yaml"
        self.config.write_text(SITE.format(port=self.port) + text, encoding="utf-8")
        self.site = load(self.config)
        self.site.data.mkdir()
        Cards(self.site.data / "journal.db").put_all(permits, "bench")
        tokens = Tokens(self.site.data / "access.db")
        self.token = tokens.add("bench", Role.VIEWER, Clock().now())
        tokens.close()

    @contextmanager
    def running(self) -> Iterator["Running"]:
        """The gateway, from its exec to its orderly end."""
        log = self.config.with_suffix(".log")
        with log.open("ab") as out:
            begun = perf_counter()
            command = [sys.executable, "-m", "sitewarden.gateway", "run", str(self.config)]
            process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            yield Running(process.pid, begun)
        finally:
            if process.poll() is not None:
                print(
                    f"the gateway ended by itself:\n{log.read_text(encoding='utf-8')[-2000:]}",
                    file=sys.stderr,
                )
            else:
                os.kill(process.pid, signal.SIGTERM)
                process.wait(10.0)


class Running:
    def __init__(self, pid: int, begun: float) -> None:
        self.pid, self.begun = pid, begun  # `perf_counter` before its exec


@contextmanager
def script(name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A script of this folder in a process of its own, killed if it still runs at the end."""
    command = [sys.executable, str(Path(__file__).with_name(name)), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
