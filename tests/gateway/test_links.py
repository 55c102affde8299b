"""Links over real pseudo-terminals and real sockets."""

import asyncio
import gc
import os
import shutil
import socket
import subprocess
import sys
import termios
import tty
from asyncio import base_events
from contextlib import suppress
from pathlib import Path

import pytest
import serial
import serial_asyncio_fast
import structlog

from sitewarden.drivers.plan import Parity, SerialPort, TcpPort
from sitewarden.gateway.links import UNSENT_MOST, Pause
from sitewarden.rules.model import Reason
from tests.gateway.ear import Ear, link_to

pytestmark = pytest.mark.slow

OWN_NETWORK = ["unshare", "-n"], ["unshare", "-rn"], ["sudo", "-n", "unshare", "-n"]  # as root, or without
CUT = Path(__file__).with_name("cut_cable.py")


class Pty:
    """A pseudo-terminal behind a stable name, as udev gives an adapter under /dev/serial/by-id."""

    def __init__(self, name: Path) -> None:
        self.name = name
        self.plug()

    def plug(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self.master)
        tty.setraw(self._slave)
        self.name.symlink_to(os.ttyname(self._slave))

    def unplug(self) -> None:
        self.name.unlink()
        os.close(self._slave)
        os.close(self.master)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data[::-1])
    writer.close()


@pytest.mark.parametrize(
    ("parity", "data_bits"), [(Parity.NONE, 8), (Parity.EVEN, 8), (Parity.ODD, 8), (Parity.EVEN, 7)]
)
def test_bytes_go_both_ways_over_a_serial_line(tmp_path: Path, parity: Parity, data_bits: int) -> None:
    """A pseudo-terminal carries eight bits without parity, whatever the line behind it will have."""

    async def scene() -> None:
        pty, ear = Pty(tmp_path / "port"), Ear()
        link = link_to(SerialPort(str(pty.name), 9600, parity, data_bits=data_bits), ear)
        link.start()
        await ear.until(lambda: link.up)
        os.write(pty.master, b"\x02card\x03")
        await ear.until(lambda: ear.data() == b"\x02card\x03")
        link.send(b"open")
        assert os.read(pty.master, 10) == b"open"
        assert (link.counters.bytes_in, link.counters.bytes_out) == (6, 4)
        failed: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
        await link.stop()
        assert ear.heard[-1] == ("lost", Reason.LINK_DOWN)
        await asyncio.sleep(0.05)  # a second end of the transport would come now
        gc.collect()
        assert failed == []
        pty.unplug()

    asyncio.run(scene())


def test_an_adapter_that_was_unplugged_is_back_within_two_seconds_under_another_number(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        pty, ear = Pty(tmp_path / "by-id"), Ear()
        link = link_to(SerialPort(str(pty.name)), ear)
        link.start()
        await ear.until(lambda: ear.count("up") == 1)
        pty.unplug()
        await ear.until(lambda: ear.count("lost") == 1)
        await asyncio.sleep(0.6)  # long enough for an attempt that must fail
        spare = os.openpty()  # takes the freed number, so that the adapter comes back under another
        pty.plug()
        await ear.until(lambda: ear.count("up") == 2, within=2.0)
        os.write(pty.master, b"again")
        await ear.until(lambda: ear.data() == b"again")
        assert link.counters.refused >= 1
        await link.stop()
        pty.unplug()
        for end in spare:
            os.close(end)

    asyncio.run(scene())


def test_how_a_line_is_set_reaches_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real UART takes what a pseudo-terminal cannot."""
    set_so: dict[str, object] = {}

    async def opens(loop: object, protocol: object, path: str, **more: object) -> None:
        set_so.update(more, path=path)
        raise OSError("enough")

    async def scene() -> None:
        link = link_to(SerialPort("/dev/ttyS9", 19200, Parity.EVEN, 1, data_bits=7), Ear())
        link.start()
        async with asyncio.timeout(2):
            while not link.counters.refused:  # noqa: ASYNC110 - a counter has no event
                await asyncio.sleep(0.01)
        await link.stop()

    monkeypatch.setattr(serial_asyncio_fast, "create_serial_connection", opens)
    asyncio.run(scene())
    assert set_so == {
        "path": "/dev/ttyS9",
        "baudrate": 19200,
        "bytesize": serial.SEVENBITS,
        "parity": serial.PARITY_EVEN,
        "stopbits": serial.STOPBITS_ONE,
        "exclusive": True,
    }


@pytest.mark.parametrize("error", [termios.error(5, "Input/output error"), ArithmeticError("our own bug")])
def test_whatever_refuses_a_port_is_told_once_and_the_port_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    opens = serial_asyncio_fast.create_serial_connection
    refusals = iter([error, error])

    async def refusing(*about: object, **more: object) -> object:
        if refusal := next(refusals, None):
            raise refusal
        return await opens(*about, **more)

    async def scene() -> None:
        pty, ear = Pty(tmp_path / "port"), Ear()
        link = link_to(SerialPort(str(pty.name)), ear)
        link.start()
        await ear.until(lambda: link.up)
        assert link.counters.refused == 2
        await link.stop()
        pty.unplug()

    monkeypatch.setattr(serial_asyncio_fast, "create_serial_connection", refusing)
    with structlog.testing.capture_logs() as said:
        asyncio.run(scene())
    assert [entry["error"] for entry in said if entry["event"] == "link.refused"] == [str(error)]


def test_a_tcp_device_that_restarts_is_called_again() -> None:
    async def scene() -> None:
        ear = Ear()
        device = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = device.sockets[0].getsockname()[1]
        link = link_to(TcpPort("127.0.0.1", port), ear)
        link.start()
        await ear.until(lambda: link.up)
        link.send(b"abc")
        await ear.until(lambda: ear.data() == b"cba")
        device.close()
        link._wire.abort()  # the device is gone, connection and all
        await ear.until(lambda: ear.count("lost") == 1)
        link.send(b"nobody hears this")
        assert link.counters.dropped_out == 17
        device = await asyncio.start_server(answer, "127.0.0.1", port)
        await ear.until(lambda: ear.count("up") == 2)
        await link.stop()
        device.close()
        await device.wait_closed()

    asyncio.run(scene())


def test_a_device_that_calls_again_replaces_its_half_open_connection(unused_tcp_port: int) -> None:
    async def scene() -> None:
        ear = Ear()
        link = link_to(TcpPort("127.0.0.1", unused_tcp_port, listen=True), ear)
        link.start()
        first = await _called(unused_tcp_port)
        await ear.until(lambda: ear.count("up") == 1)
        second = await _called(unused_tcp_port)
        await ear.until(lambda: ear.count("up") == 2)
        assert [kind for kind, _ in ear.heard] == ["up", "lost", "up"]
        second[1].write(b"here I am")
        await ear.until(lambda: ear.data() == b"here I am")
        link.send(b"hello")
        assert await second[0].read(5) == b"hello"
        await link.stop()
        for _, writer in (first, second):
            writer.close()

    asyncio.run(scene())


async def _closed_as_since_3_12(server: base_events.Server) -> None:
    while server._active_count:  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0.01)


def test_a_port_that_devices_call_is_closed_while_one_is_connected(
    unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.version_info < (3, 12):
        monkeypatch.setattr(base_events.Server, "wait_closed", _closed_as_since_3_12)

    async def scene() -> None:
        ear = Ear()
        link = link_to(TcpPort("127.0.0.1", unused_tcp_port, listen=True), ear)
        link.start()
        reader, writer = await _called(unused_tcp_port)
        await ear.until(lambda: link.up)
        calling = asyncio.ensure_future(asyncio.open_connection("127.0.0.1", unused_tcp_port))
        async with asyncio.timeout(2):
            await link.stop()
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        assert [kind for kind, _ in ear.heard] == ["up", "lost"]
        await asyncio.wait([calling])
        if not calling.exception():
            calling.result()[1].close()
        writer.close()

    asyncio.run(scene())


@pytest.mark.server
@pytest.mark.slow
def test_a_silent_device_is_given_up_within_seconds_whether_it_is_asked_or_not() -> None:
    """In a network of its own, whose only cable is cut."""
    for alone in OWN_NETWORK:
        if (
            shutil.which(alone[0])
            and not subprocess.run([*alone, "true"], check=False, capture_output=True).returncode
        ):
            break
    else:
        pytest.skip("no network of one's own")
    cut = subprocess.run(
        [*alone, sys.executable, CUT], capture_output=True, text=True, timeout=30, check=True
    )
    asked, idle = map(float, cut.stdout.splitlines()[-1].split())
    assert 8.0 < asked < 14.0
    assert 8.0 < idle < 14.0


async def _called(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(5):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)


def test_a_wire_that_takes_nothing_is_not_filled_without_bound() -> None:
    over = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async def scene() -> None:
        ear = Ear()
        device = await asyncio.start_server(deaf, "127.0.0.1", 0, limit=1)
        link = link_to(TcpPort("127.0.0.1", device.sockets[0].getsockname()[1]), ear)
        link.start()
        await ear.until(lambda: link.up)
        for _ in range(5000):
            link.send(bytes(4096))
        assert link.counters.dropped_out > 0
        assert link._wire._transport.get_write_buffer_size() <= UNSENT_MOST
        await link.stop()
        over.set()
        device.close()
        await device.wait_closed()

    asyncio.run(scene())


def test_a_device_that_stays_away_is_asked_ever_more_seldom_but_at_least_every_five_seconds() -> None:
    pause = Pause(TcpPort("127.0.0.1", 502))
    lengths = [pause.next() for _ in range(8)]
    assert 0.35 <= lengths[0] <= 0.5
    assert all(3.5 <= length <= 5.0 for length in lengths[4:])
    pause.reset()
    assert pause.next() <= 0.5


@pytest.fixture
def unused_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
