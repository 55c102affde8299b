"""A port opened for a tool, and bytes to and from it. Whoever calls may wait: it is a command's only work."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import serial
import serial.rs485

from sitewarden.drivers.plan import Port, SerialPort, TcpPort
from sitewarden.gateway import tls
from sitewarden.gateway.cli.common import Failure, why

CONNECT = 5.0  # s
CHUNK = 4096
GATEWAYS = frozenset({b"demo", b"run", b"sitewarden.gateway.cli.serve"})  # `run` becomes the last one


class Channel(Protocol):
    def send(self, data: bytes) -> None: ...

    def receive(self, wait: float) -> bytes:
        """What comes within `wait` seconds, as soon as anything does. OSError: the port is gone."""
        ...


@contextmanager
def opened(port: Port) -> Iterator[Channel]:
    """Raises Failure for a port that cannot be opened, and for one that goes away meanwhile."""
    channel: _Serial | _Tcp
    try:
        channel = _Serial(port) if isinstance(port, SerialPort) else _Tcp(port)
    except (OSError, ValueError) as error:
        raise Failure(_refused(port, error)) from error
    try:
        yield channel
    except OSError as error:
        raise Failure(f"{shown(port)}: {_why(error)}") from error
    finally:
        channel.close()


def shown(port: Port) -> str:
    return port.path if isinstance(port, SerialPort) else f"tcp://{port.host}:{port.port}"


def pseudo(path: str) -> bool:
    """A pseudo-terminal has no parity, and the C library refuses to set one there (EINVAL)."""
    return os.path.realpath(path).startswith("/dev/pts/")


class _Serial:
    def __init__(self, port: SerialPort) -> None:
        plain = pseudo(port.path)
        self._line = serial.Serial(
            port.path,
            port.baud,
            bytesize=serial.EIGHTBITS if plain else port.data_bits,
            parity=serial.PARITY_NONE if plain else port.parity[0].upper(),
            stopbits=port.stop_bits,
            exclusive=True,
        )
        if port.rs485:
            self._line.rs485_mode = serial.rs485.RS485Settings()

    def send(self, data: bytes) -> None:
        self._line.write(data)

    def receive(self, wait: float) -> bytes:
        self._line.timeout = wait
        first: bytes = self._line.read(1)
        return first + self._line.read(self._line.in_waiting) if first else b""

    def close(self) -> None:
        self._line.close()


class _Tcp:
    def __init__(self, port: TcpPort) -> None:
        self._socket = socket.create_connection((port.host, port.port), CONNECT)
        if port.tls:
            context = tls.calling(port.tls)
            self._socket = context.wrap_socket(self._socket, server_hostname=port.tls.name or port.host)

    def send(self, data: bytes) -> None:
        self._socket.settimeout(CONNECT)
        self._socket.sendall(data)

    def receive(self, wait: float) -> bytes:
        self._socket.settimeout(max(wait, 0.001))  # 0 would not wait at all, and say so with an error
        try:
            data = self._socket.recv(CHUNK)
        except TimeoutError:
            return b""
        if not data:
            raise ConnectionResetError("the other end hung up")
        return data

    def close(self) -> None:
        self._socket.close()


def _why(error: Exception) -> str:
    return why(error) if isinstance(error, ConnectionRefusedError) else tls.why(error)


def _refused(port: Port, error: Exception) -> str:
    if not isinstance(port, SerialPort):
        return f"{shown(port)}: {_why(error)}"
    if not Path(port.path).exists():
        return f"{port.path}: no such port. Plugged in? Ports there are: {_ports()}"
    if holders := _holders(port.path):
        stop = "one program at a time can speak on a line: stop that one, or use another port"
        return f"{port.path}: held by {' and '.join(holders)}; {stop}"
    if isinstance(error, PermissionError) or getattr(error, "errno", None) == 13:
        return f"{port.path}: not yours to open; try sudo, or join the group that owns it"
    return f"{port.path}: {error}"


def _ports() -> str:
    found = sorted(Path("/dev/serial/by-id").glob("*")) or sorted(
        path for kind in ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttyS*") for path in Path("/dev").glob(kind)
    )
    return ", ".join(map(str, found)) or "none"


def _holders(path: str) -> list[str]:
    """Who has locked the port: /proc/locks names the process to everybody, its name is public too."""
    port = Path(path).stat()
    file = f"{os.major(port.st_dev):02x}:{os.minor(port.st_dev):02x}:{port.st_ino}"
    locks = Path("/proc/locks").read_text(encoding="ascii")
    held = re.findall(rf"FLOCK .* (\d+) {file} ", locks)
    return [f"{_name(pid)} (process {pid})" for pid in dict.fromkeys(held)]


def _name(pid: str) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "a program"
    if any(b"sitewarden" in word for word in words[:3]):
        return "the running gateway" if GATEWAYS & set(words) else "sitewarden"
    return Path(words[0].decode(errors="replace")).name or "a program"
