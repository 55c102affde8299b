"""The HTTP server: a thread and a loop of its own, one TCP port and one Unix socket.

Whoever the file system lets open the socket is the engineer on this machine: that is how the command
line speaks to a running gateway.
"""

import asyncio
import contextlib
import os
import pwd
import socket
import struct
from pathlib import Path
from threading import Thread
from typing import Literal

import anyio.to_thread
import uvicorn
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sitewarden.gateway.api.app import create_app
from sitewarden.gateway.api.house import House
from sitewarden.gateway.api.live import Streams

SOCKET = "api.sock"
BUSY = 64  # connections that may wait to be accepted
PEER = struct.Struct("3i")  # process, user, group: SO_PEERCRED
READERS = 4  # threads for stores and templates: a crowd of clients must not crowd out the main loop


class ApiServer:
    def __init__(self, house: House) -> None:
        self._app = create_app(house)
        http = house.site.http
        self._tcp = listen(http.host, http.port)
        self._path = house.site.data / SOCKET
        self._unix = listen_unix(self._path)
        self.port: int = self._tcp.getsockname()[1]
        self._servers = [_server(self._app, "auto"), _server(local(self._app), LocalProtocol)]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = Thread(target=self._run, name="api", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Ends the open streams first: the server would wait for them."""
        for server in self._servers:
            server.should_exit = True
        if self._loop:
            streams: Streams = self._app.state.streams
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(streams.close)
        self._thread.join(timeout)
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        anyio.to_thread.current_default_thread_limiter().total_tokens = READERS
        sockets = (self._tcp, self._unix)
        await asyncio.gather(
            *(server.serve([sock]) for server, sock in zip(self._servers, sockets, strict=True))
        )


def _server(app: ASGIApp, http: Literal["auto"] | type[asyncio.Protocol]) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=http,
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
    """Raises OSError when the port is taken, at the start and not in a thread."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(BUSY)
    sock.setblocking(False)
    return sock


def listen_unix(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    path.chmod(0o660)
    sock.listen(BUSY)
    sock.setblocking(False)
    return sock
