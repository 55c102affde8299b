"""The gateway's own link and driver against a peer, on the running loop."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from sitewarden.drivers.base import Output
from sitewarden.drivers.plan import LinkPlan, build
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.links import Link
from sitewarden.rules.model import Command, Do, LinkChanged, Outcome, Reading, Reason, Value, WriteEnded
from tests.servers import until

PATIENCE = 15.0  # s


class Master:
    """Implements `Host`. `readings`: the newest of each point; `written`: how the last write to it ended."""

    def __init__(self, plan: LinkPlan) -> None:
        self.driver = build(plan)
        self.readings: dict[str, Reading] = {}
        self.written: dict[str, Outcome] = {}
        self.up: dict[str, bool] = {}
        self.link = Link(plan, self)
        self._clock, self._loop = Clock(), asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._said = asyncio.Event()

    def connected(self, link: str) -> None:
        self._heed(self.driver.connected(self._clock.now()))

    def received(self, link: str, data: bytes) -> None:
        self._heed(self.driver.received(data, self._clock.now()))

    def lost(self, link: str, reason: Reason) -> None:
        self._heed(self.driver.lost(self._clock.now(), reason))

    def write(self, device: str, output: str, value: Value) -> None:
        command = Command(device, output, Do.WRITE, value=value)
        self._heed(self.driver.command(command, self._clock.now()))

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not true():
                self._said.clear()
                await self._said.wait()

    async def read(self, *points: str) -> None:
        """Waits until each of them has been read, well or ill."""
        await self.until(lambda: self.readings.keys() >= {*points})

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _heed(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            match output:
                case bytes():
                    self.link.send(output)
                case Reading():
                    self.readings[output.point] = output
                case LinkChanged():
                    self.up[output.device] = output.up
                case WriteEnded():
                    self.written[output.point] = output.outcome
        self._said.set()
        self.stop()
        if (wake_at := self.driver.wake_at) is not None:
            wait = wake_at - self._clock.now().mono
            self._timer = self._loop.call_later(max(0.0, wait), self._wake)

    def _wake(self) -> None:
        self._heed(self.driver.woken(self._clock.now()))


@asynccontextmanager
async def master(plan: LinkPlan) -> AsyncIterator[Master]:
    """Reads and writes what stands at the end of the link, until the block is left."""
    one = Master(plan)
    one.link.start()
    try:
        yield one
    finally:
        await one.link.stop()
        one.stop()


@contextmanager
def pty_pair(folder: Path) -> Iterator[tuple[Path, Path]]:
    """The two ends of a serial line that has no speed."""
    if (socat := shutil.which("socat")) is None:
        pytest.skip("socat is not installed")
    ends = folder / "near", folder / "far"
    process = subprocess.Popen([socat, *(f"pty,raw,echo=0,link={end}" for end in ends)])
    try:
        assert until(lambda: all(end.exists() for end in ends)), "socat does not come up"
        yield ends
    finally:
        process.terminate()
        process.wait(10)
