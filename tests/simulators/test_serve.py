"""Live ports: they speak, they can be unplugged, and they come back under the same name."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sitewarden.drivers.plan import SerialPort, TcpPort
from sitewarden.simulators.card_reader import rdm6300_frame
from sitewarden.simulators.estate import Estate
from sitewarden.simulators.frames import crc16
from sitewarden.simulators.serve import Served, serve
from tests.scenarios import site

CARD = site.permits()[0].card
ASK_FLOOR = bytes.fromhex("0001 0000 0006 f7 03 0002 0001")


def on_served(tmp_path: Path, act: Callable[[Served], Awaitable[None]]) -> None:
    async def run() -> None:
        estate = Estate(site.plan(), site.links(), site.permits(), seed=1, start=site.START)
        served = await serve(estate, site.links(), tmp_path)
        try:
            await act(served)
        finally:
            await served.stop()

    asyncio.run(run())


def serial(served: Served, link: str) -> int:
    port = served.ports[link]
    assert isinstance(port, SerialPort)
    return os.open(port.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)


async def heard(descriptor: int, size: int) -> bytes:
    """The next `size` bytes."""
    loop, ready, data = asyncio.get_running_loop(), asyncio.Event(), bytearray()
    loop.add_reader(descriptor, ready.set)
    while len(data) < size:
        await asyncio.wait_for(ready.wait(), 5)
        ready.clear()
        data += os.read(descriptor, size - len(data))
    loop.remove_reader(descriptor)
    return bytes(data)


def test_a_swipe_comes_out_of_the_readers_port(tmp_path: Path) -> None:
    async def act(served: Served) -> None:
        reader = serial(served, "gate-in")
        served.press("swipe", f"in-1/{CARD}")
        assert await heard(reader, 14) == rdm6300_frame(CARD)
        os.close(reader)

    on_served(tmp_path, act)


def test_an_answer_takes_its_time_on_the_wire(tmp_path: Path) -> None:
    async def act(served: Served) -> None:
        loop = asyncio.get_running_loop()
        bus = serial(served, "bus-2")
        body = bytes.fromhex("15 04 0000 0001")
        began = loop.time()
        os.write(bus, body + crc16(body))
        await heard(bus, 7)
        assert loop.time() - began >= (8 + 7) * 11 / 9600
        os.close(bus)

    on_served(tmp_path, act)


def test_an_unplugged_adapter_vanishes_and_comes_back_under_its_name(tmp_path: Path) -> None:
    async def act(served: Served) -> None:
        path = tmp_path / "gate-in"
        before = serial(served, "gate-in")
        served.press("unplug", "gate-in")
        assert not path.is_symlink()
        with pytest.raises(OSError, match="Input/output error"):
            os.write(before, b"?")
        os.close(before)
        served.press("plug", "gate-in")
        after = serial(served, "gate-in")
        served.press("swipe", f"in-1/{CARD}")
        assert await heard(after, 14) == rdm6300_frame(CARD)
        os.close(after)

    on_served(tmp_path, act)


def test_a_tcp_link_serves_several_and_refuses_while_unplugged(tmp_path: Path) -> None:
    async def act(served: Served) -> None:
        port = served.ports["lift-1"]
        assert isinstance(port, TcpPort)
        talks = [await asyncio.open_connection(port.host, port.port) for _ in range(2)]
        for reader, writer in talks:
            writer.write(ASK_FLOOR[:5])
            await writer.drain()
            writer.write(ASK_FLOOR[5:])
            assert await asyncio.wait_for(reader.readexactly(11), 5) == bytes.fromhex(
                "0001 0000 0005 f7 03 02 0100"
            )
        served.press("unplug", "lift-1")
        for reader, writer in talks:
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
        with socket.socket() as probe:
            assert probe.connect_ex((port.host, port.port)) != 0
        served.press("plug", "lift-1")
        _, writer = await asyncio.open_connection(port.host, port.port)
        writer.close()

    on_served(tmp_path, act)


def test_stopping_takes_the_ports_away(tmp_path: Path) -> None:
    async def act(served: Served) -> None:
        assert os.readlink(tmp_path / "bus-1").startswith("/dev/pts/")  # noqa: PTH115 - no waiting here
        with pytest.raises(KeyError):
            served.press("unplug", "nowhere")

    on_served(tmp_path, act)
    assert list(tmp_path.iterdir()) == []
