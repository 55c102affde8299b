"""The HTTP server: a thread and a loop of its own, one TCP port and one Unix socket.

Whoever the file system lets open the socket is the engineer on this machine: that is how the command
line speaks to a running gateway. A port that is taken costs the page, never a barrier: it is an alarm,
and tried again.
"""

import asyncio
import contextlib
import os
import pwd
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Literal

import anyio.to_thread
import structlog
import uvicorn
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sitewarden.gateway.api.app import create_app
from sitewarden.gateway.api.house import House
from sitewarden.gateway.api.live import Streams
from sitewarden.gateway.troubles import Troubles
from sitewarden.rules.model import Value

log = structlog.get_logger()

SOCKET = "api.sock"
PAGE = "page_down"
BUSY = 64  # connections that may wait to be accepted
PEER = struct.Struct("3i")  # process, user, group: SO_PEERCRED
READERS = 4  # threads of all requests that read or write a store: a crowd must not crowd out the main loop
RETRY = 3.0  # s until a door that is shut is tried again
FIRST = 2.0  # s that a start waits for a door: the name of its host may have to be looked up


@dataclass(frozen=True, slots=True)
class Door:
    """Where requests come in. `trouble`, with `params`, is what it is in while it is shut."""

    trouble: str
    params: Mapping[str, Value]
    listen: Callable[[], socket.socket]
    app: ASGIApp
    protocol: Literal["auto"] | type[asyncio.Protocol] = "auto"
    tried: Event = field(default_factory=Event)


class ApiServer:
    def __init__(self, house: House, troubles: Troubles) -> None:
        self._app = create_app(house)
        self._troubles = troubles
        self._http, self._path = house.site.http, house.site.data / SOCKET
        self.port = self._http.port
        page: Mapping[str, Value] = {"address": self._http.host, "port": self._http.port}
        self._doors = (
            Door(PAGE, page, self._listen_tcp, self._app),
            Door(
                "socket_down",
                {"file": SOCKET},
                lambda: listen_unix(self._path),
                local(self._app),
                LocalProtocol,
            ),
        )
        self._servers: dict[str, uvicorn.Server] = {}
        self.page_error = ""  # why the page is down
        self._loop: asyncio.AbstractEventLoop
        self._stopping = asyncio.Event()
        self._thread = Thread(target=lambda: asyncio.run(self._serve()), name="api", daemon=True)

    def start(self) -> None:
        """Returns once each door was tried, or is long in coming."""
        self._thread.start()
        for door in self._doors:
            door.tried.wait(FIRST)

    def stop(self, timeout: float = 2.0) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._end)
        self._thread.join(timeout)
        self._path.unlink(missing_ok=True)

    def _end(self) -> None:
        """Ends the open streams too: the servers would wait for them."""
        self._stopping.set()
        for server in self._servers.values():
            server.should_exit = True
        streams: Streams = self._app.state.streams
        streams.close()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        anyio.to_thread.current_default_thread_limiter().total_tokens = READERS
        await asyncio.gather(*map(self._attend, self._doors))

    async def _attend(self, door: Door) -> None:
        """Keeps the door open until the end: whatever shuts it is told, and it is opened again."""
        while not self._stopping.is_set():
            try:
                await self._open(door)
            except OSError as error:
                self._tell(door, error.strerror or str(error))
            except Exception as error:
                log.exception("api.died", **door.params)
                self._tell(door, type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), RETRY)

    async def _open(self, door: Door) -> None:
        sock = await asyncio.to_thread(door.listen)
        server = self._servers[door.trouble] = _server(door)
        server.should_exit = self._stopping.is_set()
        self._tell(door, "")
        try:
            await server.serve([sock])
        except Exception:
            await server.shutdown([sock])  # or the sockets would stay
            raise

    def _tell(self, door: Door, error: str) -> None:
        """Why it is shut, or that it is open."""
        self._troubles.set(door.trouble, "", bool(error), {**door.params, "error": error})
        if door.trouble == PAGE:
            self.page_error = error
        door.tried.set()

    def _listen_tcp(self) -> socket.socket:
        sock = listen(self._http.host, self._http.port)
        self.port = sock.getsockname()[1]
        return sock


def _server(door: Door) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            door.app,
            http=door.protocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # who a caller is, no header but the token says
            server_header=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=15,
        )
    )


class LocalProtocol(H11Protocol):
    """Knows who is at the other end of a Unix socket: the `client` of a request is their name and number."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        door: socket.socket = transport.get_extra_info("socket")
        credentials = door.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)  # unix(7)
        _, user, _ = PEER.unpack(credentials)
        try:
            self.client = pwd.getpwuid(user).pw_name, user
        except KeyError:
            self.client = str(user), user


def local(app: ASGIApp) -> ASGIApp:
    """The application as it answers on the Unix socket."""

    async def _local(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "sitewarden.local": caller_of(scope)}, receive, send)

    return _local


def caller_of(scope: Scope) -> str:
    """Who asks, as the kernel says; who may write the journal anyhow may ask for somebody else (sudo)."""
    name, user = scope["client"]
    asked_for = Headers(scope=scope).get("sitewarden-caller")
    return asked_for if asked_for and user in (0, os.getuid()) else str(name)


def listen(host: str, port: int) -> socket.socket:
    """Raises OSError when the address is not ours or the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _listening(sock, (host, port))


def listen_unix(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    sock = _listening(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), str(path))
    path.chmod(0o660)
    return sock


def _listening(sock: socket.socket, address: tuple[str, int] | str) -> socket.socket:
    try:
        sock.bind(address)
        sock.listen(BUSY)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock
