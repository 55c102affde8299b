"""A line overheard on which strangers speak: mbpoll asks a served twin, and we listen between the two."""

import asyncio
import os
import shutil
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sitewarden.drivers.modbus.sniff import AGAIN, RtuSniffer
from sitewarden.drivers.plan import SerialPort
from sitewarden.gateway.cli.modbus.overheard import Entry, Kind, Passing, entries
from sitewarden.gateway.clock import Clock
from tests.peers.twins import UNIT, served

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(shutil.which("mbpoll") is None, reason="mbpoll is not installed"),
]


class Tap:
    """A port for a master, through to another; what passes either way is kept."""

    def __init__(self, port: str) -> None:
        self._near, self._open = os.openpty()  # `_open`: so that it lives on between two masters
        self._far = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        for descriptor in (self._open, self._far):
            tty.setraw(descriptor)
        self.path = os.ttyname(self._open)
        self.passed: list[Passing] = []
        self._sniffer, self._clock = RtuSniffer(), Clock()

    @asynccontextmanager
    async def on(self) -> AsyncIterator["Tap"]:
        loop, ways = asyncio.get_running_loop(), {self._near: self._far, self._far: self._near}
        for source, sink in ways.items():
            loop.add_reader(source, self._pass, source, sink)
        try:
            yield self
        finally:
            for source in ways:
                loop.remove_reader(source)
            for descriptor in (*ways, self._open):
                os.close(descriptor)

    def heard(self) -> list[Entry]:
        rest = [(one, None) for one in self._sniffer.silent(self._clock.now())]
        return list(entries([*self.passed, *rest, None]))

    def _pass(self, source: int, sink: int) -> None:
        data = os.read(source, 4096)
        self.passed += [(one, None) for one in self._sniffer.received(data, self._clock.now())]
        os.write(sink, data)


async def mbpoll(*words: str, unit: int = UNIT) -> None:
    line = ("-1", "-q", "-0", "-m", "rtu", "-b", "19200", "-P", "none", "-o", "0.3", "-a", str(unit))
    process = await asyncio.create_subprocess_exec(
        "mbpoll", *line, *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    await asyncio.wait_for(process.wait(), 20)


def test_what_mbpoll_and_a_unit_say_is_heard_word_for_word(tmp_path: Path) -> None:
    async def run() -> list[Entry]:
        async with served(tmp_path) as estate:
            port = estate.ports["line"]
            assert isinstance(port, SerialPort)
            async with Tap(port.path).on() as tap:
                await mbpoll("-t", "4", "-r", "10", tap.path, "1234")
                await mbpoll("-t", "4", "-r", "10", tap.path)
                await mbpoll("-t", "0", "-r", "0", tap.path, "1", "0")
                await mbpoll("-t", "0", "-r", "0", "-c", "2", tap.path)
                await mbpoll("-t", "3", "-r", "500", tap.path)
                await mbpoll("-t", "4", "-r", "0", tap.path, unit=99)
            return tap.heard()

    heard = asyncio.run(run())
    assert [(entry.mark, entry.unit_id, entry.what) for entry in heard] == [
        ("→", UNIT, "write holding 10 = 1234"),
        ("←", UNIT, "done"),
        ("→", UNIT, "read holding 10"),
        ("←", UNIT, "holding 10 = 1234"),
        ("→", UNIT, "write coil 0–1 = on off"),
        ("←", UNIT, "done"),
        ("→", UNIT, "read coil 0–1"),
        ("←", UNIT, "coil 0–1 = on off"),
        ("→", UNIT, "read input 500"),
        ("!", UNIT, "read input refused: exception 2, illegal address"),
        ("→", 99, "read holding 0"),
        ("!", 99, "no answer to: read holding 0"),
    ]
    assert heard[-1].kind is Kind.UNANSWERED
    assert all(0 < entry.seconds < AGAIN for entry in heard if entry.seconds is not None)
