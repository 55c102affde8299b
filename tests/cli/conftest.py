"""The command line as a person has it: a folder with a site, and words typed in it."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from threading import Thread
from typing import Any

import pytest

from sitewarden.gateway.cli.main import main

DEMO = Path(__file__).parents[2] / "config" / "demo" / "site.yaml"


@dataclass(frozen=True, slots=True)
class Typed:
    """What came of it."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Shell = Callable[..., Typed]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the shell stands: it holds `site.yaml`, a copy of the demo's."""
    shutil.copy(DEMO, tmp_path / "site.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SITEWARDEN_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def shell(folder: Path, capfd: pytest.CaptureFixture[str]) -> Shell:
    def typed(*words: str) -> Typed:
        try:
            code = main(words)
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        return Typed(code, out, err)

    return typed


@dataclass
class Canned:
    """What the gateway answers to which method and path, and what it was asked. Of a list it says one after
    the other, and the last again and again."""

    answers: dict[str, tuple[int, object] | list[tuple[int, object]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)


class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def canned(folder: Path) -> Iterator[Canned]:
    """A gateway of canned answers on a real Unix socket."""
    canned = Canned()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked = f"{self.command} {self.path.partition('?')[0]}"
            canned.asked.append(asked)
            canned.bodies.append(self.rfile.read(int(self.headers.get("content-length", 0))))
            canned.callers.append(self.headers["sitewarden-caller"])
            said = canned.answers.get(asked, (404, {"detail": "no such thing"}))
            if isinstance(said, list):
                said = said.pop(0) if len(said) > 1 else said[0]
            code, body = said
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer  # noqa: N815 - as http.server calls them

        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return "local"

    (folder / "data").mkdir()
    with Server(str(folder / "data" / "api.sock"), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield canned
        server.shutdown()
        thread.join()
