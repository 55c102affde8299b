"""Serves an estate live: serial links as PTYs, TCP links as servers on 127.0.0.1, paced by their baud rate.

A PTY stands behind a symbolic link of a fixed name, as a USB adapter behind /dev/serial/by-id: unplugged,
both vanish and whoever has it open gets an error; plugged again, a new PTY stands behind the same name.
"""

import asyncio
import os
import socket
import tty
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Protocol

from sitewarden.drivers.plan import BusPlan, LinkPlan, Port, SerialPort, TcpPort
from sitewarden.rules.model import Stamp
from sitewarden.simulators.base import Twin
from sitewarden.simulators.controls import press
from sitewarden.simulators.estate import Estate
from sitewarden.simulators.modbus_slave import ModbusSlave
from sitewarden.simulators.serial_gateway import SerialGateway
from sitewarden.simulators.wire import Wire, char_time

LOOPBACK = "127.0.0.1"
CHUNK = 4096


async def serve(
    estate: Estate, links: Sequence[LinkPlan], ports_dir: Path, at: Stamp | None = None
) -> "Served":
    """Starts every link, at the estate's start or at an instant to which it has lived by itself.

    Serial links stand at `ports_dir/<link>`; a TCP link keeps its port if its host is this machine, and
    gets a free one otherwise. Nothing is called from here, and nothing speaks TLS. Raises OSError for a port
    that is taken.
    """
    served = Served(estate, asyncio.get_running_loop(), at or estate.start)
    try:
        for link in links:
            served.add(link, ports_dir)
    except OSError:
        await served.stop()
        raise
    served.settle()
    return served


class Served:
    """A running estate. `ports`: what a gateway has to open, by link."""

    def __init__(self, estate: Estate, loop: asyncio.AbstractEventLoop, start: Stamp) -> None:
        self.estate, self._start = estate, start
        self.ports: dict[str, Port] = {}
        self._loop = loop
        self._begun = loop.time()
        self._outlets: dict[str, Outlet] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def now(self) -> Stamp:
        passed = self._loop.time() - self._begun
        return Stamp(self._start.wall + timedelta(seconds=passed), self._start.mono + passed)

    def press(self, name: str, target: str = "") -> None:
        """Makes something happen, see `controls.py`; raises KeyError for what is not there."""
        at = self.now()
        self.estate.woken(at)
        press(self.estate, name, target, at)
        self.settle()

    async def stop(self) -> None:
        self._stopped = True
        if self._timer:
            self._timer.cancel()
        for outlet in self._outlets.values():
            outlet.unplug()

    # -- for the outlets -------------------------------------------------------------------------

    def add(self, link: LinkPlan, ports_dir: Path) -> None:
        twin = self.estate.twins[link.name]
        line = Line(char_time(link), isinstance(link.wire, BusPlan) and link.wire.echo)
        outlet: Outlet
        match link.port:
            case SerialPort():
                outlet = Pty(self, twin, line, ports_dir / link.name, link.port)
            case TcpPort():
                outlet = Server(self, twin, line, link.port)
        outlet.plug()
        self._outlets[link.name] = outlet
        self.ports[link.name] = outlet.port

    def later(self, mono: float, act: Callable[[], None]) -> None:
        self._loop.call_at(self._begun + mono - self._start.mono, self._run, act)

    def listen(self, descriptor: int, ready: Callable[[], None]) -> None:
        self._loop.add_reader(descriptor, self._run, ready)

    def deafen(self, descriptor: int) -> None:
        self._loop.remove_reader(descriptor)

    def settle(self) -> None:
        """Pulls and plugs what the controls asked for, and sets the alarm clock for what is due next."""
        for name, outlet in self._outlets.items():
            if outlet.plugged is (name in self.estate.unplugged):
                outlet.unplug() if outlet.plugged else outlet.plug()
        due = [self.estate.wake_at, *(outlet.wake_at for outlet in self._outlets.values())]
        soonest = min(mono for mono in due if mono is not None)
        if self._timer:
            self._timer.cancel()
        when = self._begun + soonest - self._start.mono
        self._timer = self._loop.call_at(when, self._run, self._wake)

    def _run(self, act: Callable[[], None]) -> None:
        if not self._stopped:
            act()
            self.settle()

    def _wake(self) -> None:
        at = self.now()
        self.estate.woken(at)
        for outlet in self._outlets.values():
            outlet.woken(at)


@dataclass(frozen=True, slots=True)
class Line:
    """What stands between the gateway and a twin."""

    char: float  # s of a character
    echo: bool  # an adapter that hears itself: what is sent to the twin comes back first


class Conversation:
    """One open descriptor and the twin that speaks through it, at the pace of the line."""

    def __init__(self, host: Served, descriptor: int, twin: Twin, line: Line) -> None:
        self._host, self._descriptor, self.twin, self._echo = host, descriptor, twin, line.echo
        self._heard, self._said = Wire(Random(0), line.char), Wire(Random(0), line.char)
        self.open = True
        os.set_blocking(descriptor, False)
        host.listen(descriptor, self._readable)
        self.say(twin.connected(host.now()))

    def say(self, frames: Iterable[bytes]) -> None:
        for frame in frames:
            for mono, data in self._said.send(frame, self._host.now().mono):
                self._host.later(mono, partial(self._write, data))

    def close(self) -> None:
        if self.open:
            self.open = False
            self._host.deafen(self._descriptor)
            os.close(self._descriptor)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, CHUNK)
        except OSError:  # reset by the other end: the same as hung up
            data = b""
        if not data:
            self.close()
        for mono, piece in self._heard.send(data, self._host.now().mono):
            self._host.later(mono, partial(self._hear, piece))

    def _hear(self, data: bytes) -> None:
        if self._echo:
            self._write(data)
        if self.open:
            self.say(self.twin.received(data, self._host.now()))

    def _write(self, data: bytes) -> None:
        if not self.open:
            return
        try:
            os.write(self._descriptor, data)
        except BlockingIOError:
            pass  # nobody reads: a UART overruns, too
        except OSError:
            self.close()


class Outlet(Protocol):
    """Where a gateway plugs in."""

    port: Port

    @property
    def plugged(self) -> bool: ...
    @property
    def wake_at(self) -> float | None: ...
    def plug(self) -> None: ...
    def unplug(self) -> None: ...
    def woken(self, at: Stamp) -> None: ...


class Pty:
    def __init__(self, host: Served, twin: Twin, line: Line, path: Path, port: SerialPort) -> None:
        self.port: Port = replace(port, path=str(path))
        self._host, self._twin, self._line, self._path = host, twin, line, path
        self._far: Conversation | None = None
        self._near = -1  # kept open, so that the PTY lives on when the gateway closes it

    @property
    def plugged(self) -> bool:
        return self._far is not None

    @property
    def wake_at(self) -> float | None:
        return self._twin.wake_at

    def plug(self) -> None:
        far, self._near = os.openpty()
        tty.setraw(self._near)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._path.symlink_to(os.ttyname(self._near))
        self._far = Conversation(self._host, far, self._twin, self._line)

    def unplug(self) -> None:
        if self._far:
            self._path.unlink(missing_ok=True)
            self._far.close()
            os.close(self._near)
            self._far = None

    def woken(self, at: Stamp) -> None:
        frames = self._twin.woken(at)
        if self._far:
            self._far.say(frames)


class Server:
    """A TCP server; every connection talks to the same units."""

    def __init__(self, host: Served, twin: Twin, line: Line, port: TcpPort) -> None:
        self._host, self._twin, self._line = host, twin, line
        self._socket: socket.socket | None = None
        self._talks: list[Conversation] = []
        number = port.port if port.host in (LOOPBACK, "localhost") else 0
        self.port: Port = replace(port, host=LOOPBACK, port=number, listen=False, tls=None)

    @property
    def plugged(self) -> bool:
        return self._socket is not None

    @property
    def wake_at(self) -> float | None:
        due = [talk.twin.wake_at for talk in self._talks]
        return min((mono for mono in due if mono is not None), default=None)

    def plug(self) -> None:
        assert isinstance(self.port, TcpPort)
        self._socket = socket.create_server((self.port.host, self.port.port))
        self._socket.setblocking(False)
        self.port = replace(self.port, port=self._socket.getsockname()[1])
        self._host.listen(self._socket.fileno(), self._accept)

    def unplug(self) -> None:
        if self._socket:
            self._host.deafen(self._socket.fileno())
            self._socket.close()
            self._socket = None
        for talk in self._talks:
            talk.close()
        self._talks.clear()

    def woken(self, at: Stamp) -> None:
        for talk in self._talks:
            talk.say(talk.twin.woken(at))

    def _accept(self) -> None:
        assert self._socket
        connection, _ = self._socket.accept()
        twin = self._twin.session() if isinstance(self._twin, ModbusSlave | SerialGateway) else self._twin
        self._talks = [talk for talk in self._talks if talk.open]
        self._talks.append(Conversation(self._host, connection.detach(), twin, self._line))
