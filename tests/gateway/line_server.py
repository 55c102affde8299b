"""A server of line protocol over real HTTP that answers, or does not, as its script says."""

import gzip
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


class Fault(StrEnum):
    """What a network does to a write instead of an answer."""

    HANG = "hang"  # all is taken, nothing is said
    RESET = "reset"  # before anything is read
    HALF = "half"  # with half of the body read
    CUT = "cut"  # it is stored, and the answer breaks off


@dataclass(frozen=True, slots=True)
class Says:
    status: int = 204
    words: str = ""
    headers: dict[str, str] = field(default_factory=dict)


FINE = Says()
Script = Callable[[list[bytes]], Says]

WRITES = ("/write", "/api/v2/write")


class LineServer(ThreadingHTTPServer):
    """Stores the lines of every write that its script answers with 2xx; `faults` come first, one a write.
    Everything else is answered by `made`."""

    daemon_threads = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.faults: list[Fault] = []
        self.made: Callable[[str, bytes], Says] = lambda path, body: Says(404)
        self.stored: list[bytes] = []
        self.writes: list[dict[str, str]] = []  # query and headers, these in lower case
        self.over = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever hangs up is no news here."""


class _Handler(BaseHTTPRequestHandler):
    server: LineServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._say(self.server.made(self.path, b""))

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers["Content-Length"] or 0)
        if url.path not in WRITES:
            self._say(self.server.made(self.path, self.rfile.read(length)))
            return
        headers = {name.lower(): text for name, text in self.headers.items()}
        self.server.writes.append({**dict(parse_qsl(url.query)), **headers})
        fault = self.server.faults.pop(0) if self.server.faults else None
        if fault is Fault.RESET:
            self._reset()
            return
        body = self.rfile.read(length // 2 if fault is Fault.HALF else length)
        match fault:
            case Fault.HALF:
                self._reset()
            case Fault.HANG:
                self.server.over.wait(30.0)
                self.close_connection = True
            case _:
                self._take(body, fault)

    def _take(self, body: bytes, fault: Fault | None) -> None:
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        lines = body.split(b"\n")
        answer = self.server.script(lines)
        if answer.status < 300:
            self.server.stored += lines
        if fault is Fault.CUT:
            self.wfile.write(b"HTTP/1.1 2")
            self._reset()
        else:
            self._say(answer)

    def _say(self, answer: Says) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.words.encode())))
        self.end_headers()
        self.wfile.write(answer.words.encode())

    def _reset(self) -> None:
        """The other end sees a reset, not an end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Quiet."""


@contextmanager
def serving(script: Script = lambda lines: FINE, tls: ssl.SSLContext | None = None) -> Iterator[LineServer]:
    with LineServer(script) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
