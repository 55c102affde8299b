"""The one loop that does the IO for every driver: serial ports and TCP connections, both ways.

A link opens its port, hands over what arrives, writes what it is told, and opens the port again when it
is gone. It knows nothing of devices. Everything happens as callbacks of the main asyncio loop, with no
task or thread between the wire and the driver.
"""

import asyncio
import os
import random
import socket
import termios
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import serial
import serial.rs485
import serial_asyncio_fast
import structlog

from sitewarden.drivers.plan import LinkPlan, Parity, Port, SerialPort, TcpPort
from sitewarden.gateway import tls
from sitewarden.rules.model import Reason

log = structlog.get_logger()

UNSENT_MOST = 16_384  # bytes; a wire that takes nothing is not worth remembering more for
SERIAL_RETRY = 0.5  # s; opening a port costs nothing, and an adapter is to be back within 2 s
TCP_RETRY_FIRST, TCP_RETRY_MOST = 0.5, 5.0  # s, doubling, with jitter
CONNECT_TIMEOUT = 5.0  # s
DEAD = {"TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 2, "TCP_USER_TIMEOUT": 10_000}
"""s, s and ms: a silent peer is given up after 10 s. The probes see to an idle connection; they rest while
something is unacknowledged, and there the kernel would go on for a quarter of an hour by itself."""

_REFUSALS = OSError, ValueError, termios.error  # what a port says no with; the last one is no OSError
_PARITY = {Parity.NONE: serial.PARITY_NONE, Parity.EVEN: serial.PARITY_EVEN, Parity.ODD: serial.PARITY_ODD}


class Host(Protocol):
    """Whom a link tells."""

    def connected(self, link: str) -> None: ...
    def received(self, link: str, data: bytes) -> None: ...
    def lost(self, link: str, reason: Reason) -> None: ...


@dataclass(slots=True)
class LinkCounters:
    opened: int = 0
    lost: int = 0
    refused: int = 0  # attempts to open that failed
    bytes_in: int = 0
    bytes_out: int = 0
    dropped_out: int = 0  # bytes that a stopped wire would not take


class Link:
    """One port, kept open until `stop`."""

    def __init__(self, plan: LinkPlan, host: Host) -> None:
        self.plan, self._host = plan, host
        self.counters = LinkCounters()
        self.up = False
        self._wire: _Wire | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False
        self._pause, self._said = Pause(plan.port), ""

    def start(self) -> None:
        self._keeper = asyncio.get_running_loop().create_task(self._keep(), name=f"link {self.plan.name}")

    async def stop(self) -> None:
        """The wire goes first: from Python 3.12 on a server is closed only once its connections are."""
        self._stopping = True
        if self._keeper:
            self._keeper.cancel()
        if self._wire:
            wire, self._wire = self._wire, None
            self._went(Reason.LINK_DOWN)
            wire.abort()
            await wire.closed.wait()
        if self._keeper:
            await asyncio.wait([self._keeper])

    def send(self, data: bytes) -> None:
        """Writes now or drops: a driver asks again, a stale command must not wait on a dead wire."""
        if self._wire is None or not self._wire.write(data):
            self.counters.dropped_out += len(data)
        else:
            self.counters.bytes_out += len(data)

    # -- keeping it open -------------------------------------------------------------------------

    async def _keep(self) -> None:
        port = self.plan.port
        while True:
            try:
                if isinstance(port, TcpPort) and port.listen:
                    await self._listen(port)
                else:
                    await self._open(port)
            except _REFUSALS as error:
                self._refused(error)
            except Exception as error:  # noqa: BLE001 - our bug, and still the port is to come back
                self._refused(error, bug=True)
            await asyncio.sleep(self._pause.next())

    def _refused(self, error: Exception, bug: bool = False) -> None:
        self.counters.refused += 1
        why = tls.why(error)
        if why != self._said:  # once, however long the port stays away
            self._said = why
            log.warning("link.refused", link=self.plan.name, error=why, exc_info=bug)

    async def _open(self, port: Port) -> None:
        """Opens the port once and returns when it is lost again; raises what refused it."""
        wire, before = self._new_wire(), self.counters.bytes_in
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                if isinstance(port, SerialPort):
                    await self._open_serial(port, wire)
                else:
                    await self._call(port, wire)
            await wire.closed.wait()
        finally:
            wire.abort()
        if self.counters.bytes_in > before:  # not for who hangs up at once: in TLS 1.3 that is a refusal
            self._pause.reset()

    async def _open_serial(self, port: SerialPort, wire: "_Wire") -> None:
        pseudo = _pseudo(port.path)
        transport, _ = await serial_asyncio_fast.create_serial_connection(
            asyncio.get_running_loop(),
            lambda: wire,
            port.path,
            baudrate=port.baud,
            bytesize=serial.EIGHTBITS if pseudo else port.data_bits,
            parity=serial.PARITY_NONE if pseudo else _PARITY[port.parity],
            stopbits=port.stop_bits,
            exclusive=True,
        )
        if port.rs485 and transport.serial:
            self._switch_rs485(transport.serial)

    def _switch_rs485(self, line: serial.Serial) -> None:
        try:
            line.rs485_mode = serial.rs485.RS485Settings()
        except (OSError, ValueError):  # TIOCSRS485 refused: most adapters switch by themselves
            log.info("link.rs485_by_adapter", link=self.plan.name)

    async def _call(self, port: TcpPort, wire: "_Wire") -> None:
        secured = await asyncio.to_thread(tls.calling, port.tls) if port.tls else None
        name = (port.tls.name or port.host) if port.tls else None
        await asyncio.get_running_loop().create_connection(
            lambda: wire, port.host, port.port, ssl=secured, server_hostname=name
        )

    async def _listen(self, port: TcpPort) -> None:
        """Waits for the device to call. The newest call counts: a device that restarted calls again
        while its old connection still looks alive."""
        secured = None
        if port.tls:
            secured = await asyncio.to_thread(tls.listening, port.tls, CONNECT_TIMEOUT, self._refused)
        server = await asyncio.get_running_loop().create_server(
            self._new_wire,
            port.host,
            port.port,
            ssl=secured,
            ssl_handshake_timeout=CONNECT_TIMEOUT if secured else None,
        )
        self._pause.reset()
        async with server:
            await server.serve_forever()

    def _new_wire(self) -> "_Wire":
        return _Wire(self._made, self._came, self._gone)

    # -- what the wire says ----------------------------------------------------------------------

    def _made(self, wire: "_Wire") -> None:
        if self._stopping:  # it called while the port was being closed
            wire.abort()
            return
        if self._wire:
            before, self._wire = self._wire, None
            before.abort()
            self._went(Reason.LINK_DOWN)
        self._wire, self.up = wire, True
        self._said = ""
        self.counters.opened += 1
        log.info("link.up", link=self.plan.name)
        self._host.connected(self.plan.name)

    def _came(self, wire: "_Wire", data: bytes) -> None:
        if wire is self._wire:
            self.counters.bytes_in += len(data)
            self._host.received(self.plan.name, data)

    def _gone(self, wire: "_Wire", error: Exception | None) -> None:
        if wire is self._wire:
            log.warning("link.lost", link=self.plan.name, error=tls.why(error) if error else "closed")
            self._wire = None
            self._went(Reason.LINK_DOWN)

    def _went(self, reason: Reason) -> None:
        self.up = False
        self.counters.lost += 1
        self._host.lost(self.plan.name, reason)


def _pseudo(path: str) -> bool:
    """A pseudo-terminal has eight bits and no parity; the C library refuses to set others (EINVAL)."""
    return os.path.realpath(path).startswith("/dev/pts/")


class _Wire(asyncio.Protocol):
    """One opening of a port, from made to lost."""

    def __init__(
        self,
        made: Callable[["_Wire"], None],
        came: Callable[["_Wire", bytes], None],
        gone: Callable[["_Wire", Exception | None], None],
    ) -> None:
        self._made, self._came, self._gone = made, came, gone
        self._transport: asyncio.Transport | None = None
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if tcp := transport.get_extra_info("socket"):
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in DEAD.items():
                tcp.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self._made(self)

    def data_received(self, data: bytes) -> None:
        self._came(self, data)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.closed.set()
        self._gone(self, error)

    def write(self, data: bytes) -> bool:
        if not self._transport or self._transport.get_write_buffer_size() + len(data) > UNSENT_MOST:
            return False
        self._transport.write(data)
        return True

    def abort(self) -> None:
        transport, self._transport = self._transport, None
        if transport:  # once: a serial one ends as often as it is told to
            transport.abort()


class Pause:
    """How long to wait before the next try."""

    def __init__(self, port: SerialPort | TcpPort) -> None:
        self._serial = isinstance(port, SerialPort)
        self._length = TCP_RETRY_FIRST

    def reset(self) -> None:
        self._length = TCP_RETRY_FIRST

    def next(self) -> float:
        if self._serial:
            return SERIAL_RETRY
        length, self._length = self._length, min(self._length * 2, TCP_RETRY_MOST)
        return length * random.uniform(0.7, 1.0)
