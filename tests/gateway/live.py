"""A gateway in a process of its own, and around it a simulated estate on real ports."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sitewarden.config.site import load
from sitewarden.gateway.api.house import DemoControl
from sitewarden.gateway.cards import Cards
from sitewarden.gateway.cli.common import Failure
from sitewarden.gateway.cli.remote import Gateway
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.demo import LiveEstate, permits

SITE = """\
site: {{id: test, timezone: Asia/Shanghai, language: en}}
data: data
http: {{host: 127.0.0.1, port: {http}}}
links:
  gate-in:  {{serial: ports/gate-in}}
  gate-out: {{serial: ports/gate-out}}
  bus-gate: {{serial: ports/bus-gate, baud: 115200}}
  lift-1:   {{tcp: 127.0.0.1:{lift}}}
devices:
  reader-in:  {{link: gate-in, driver: rdm6300}}
  reader-out: {{link: gate-out, driver: rdm6300}}
  io-gate:    {{link: bus-gate, unit: 1, profile: relay-8in-8out, scan: {{fast: 50ms}}}}
  io-fire:    {{link: bus-gate, unit: 2, profile: supervised-input-4, scan: {{fast: 100ms}}}}
  lift-a:     {{link: lift-1, unit: 1, profile: lift-monitor-a}}
parking:
  lanes:
    entrance:
      direction: in
      reader: reader-in
      barrier: {{device: io-gate, open: out1, opened: in1, closed: in2, loop_before: in3, loop_under: in4}}
    exit:
      direction: out
      reader: reader-out
      barrier: {{device: io-gate, open: out2, opened: in5, closed: in6, loop_before: in7, loop_under: in8}}
fire:
  panel:
    point: io-fire.line1
    bands: {{short: [0, 300], fire: [500, 1200], normal: [1800, 2600], open: [6000, 1000000]}}
alarms:
  trapped:
    point: lift-a.fault_unlevelled_trap
    is: true
    severity: critical
"""


class LiveGateway:
    """One site on disk and (between `start` and `end`) its gateway; the far side is somebody else's."""

    def __init__(self, folder: Path, text: str) -> None:
        self.config, self.text = folder / "site.yaml", text
        self.write(text)
        self.site = load(self.config)
        self.permits = permits(Clock().now().wall.astimezone(self.site.plan.tz).date())
        self.cards = Cards(self.site.data / "journal.db")
        self.cards.put_all(self.permits, "test")
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "gateway.log"
        self._gateway = Gateway(self.config)

    def write(self, text: str) -> None:
        self.config.write_text(text, encoding="utf-8")

    def start(self, within: float = 15.0) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "sitewarden.gateway", "run", str(self.config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.until(self.ready, within)

    def ready(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.log.read_text()
        try:
            return all(d["up"] for d in self.ask("GET", "/devices"))
        except Failure:
            return False

    def kill(self) -> None:
        """As a power cut would, but for what the disk had not written."""
        self._signal(signal.SIGKILL)

    def end(self) -> None:
        """As an operator would; the gateway must be gone within 5 s."""
        if self.process:
            self._signal(signal.SIGTERM)

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self._signal(signal.SIGKILL)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        return self._gateway.ask(method, path, body)

    def until(self, true: Callable[[], object], within: float = 10.0) -> None:
        """Waits for what the gateway's own process brings about."""
        end = time.monotonic() + within
        while not true():
            assert time.monotonic() < end, f"not within {within} s; the log: {self.log.read_text()[-3000:]}"
            time.sleep(0.02)

    def lane(self, lane: str) -> dict[str, Any]:
        return next(it for it in self.ask("GET", "/lanes") if it["lane"] == lane)

    def point(self, point: str) -> dict[str, Any]:
        return next(it for it in self.ask("GET", "/points") if it["point"] == point)

    def alarms(self) -> dict[str, str]:
        return {alarm["id"]: alarm["state"] for alarm in self.ask("GET", "/alarms")}

    def _signal(self, number: int) -> None:
        assert self.process
        os.kill(self.process.pid, number)
        self.process.wait(5.0)
        self.process = None


class LiveSite(LiveGateway):
    """With a simulated estate around it."""

    def __init__(self, folder: Path, sinks: str = "", seed: int = 1) -> None:
        super().__init__(folder, SITE.format(http=free_port(), lift=free_port()) + sinks)
        self.estate = LiveEstate(self.site, self.permits, seed, None, Clock().now())
        self.estate.start(folder / "ports")

    def close(self) -> None:
        super().close()
        self.estate.stop()

    def press(self, name: str, target: str = "", value: str = "") -> None:
        self.estate.press(DemoControl(name, target, value))


@contextmanager
def live_site(folder: Path, sinks: str = "", seed: int = 1) -> Iterator[LiveSite]:
    site = LiveSite(folder, sinks, seed)
    try:
        site.start()
        yield site
    finally:
        site.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
