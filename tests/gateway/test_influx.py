"""The InfluxDB sink against scripted servers: each class of answer, over real HTTP, both versions."""

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sitewarden.config.sinks import InfluxPlan, InfluxVersion
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.sinks import influx
from sitewarden.gateway.sinks.influx import InfluxSink
from sitewarden.gateway.spool import Spool
from sitewarden.rules.model import Trouble
from tests.servers import until

Script = Callable[[list[bytes]], tuple[int, str, dict[str, str]]]
"""The lines of one write to status, body and headers."""

WRITES = ("/write", "/api/v2/write")
FINE = (204, "", dict[str, str]())


class Server(ThreadingHTTPServer):
    """Stores the lines of every write that its script answers with 2xx."""

    daemon_threads = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = script
        self.stored: list[bytes] = []
        self.writes = 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._answer(204 if self.path == "/ping" else 404, "", {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if not self.path.startswith(WRITES):
            self._answer(200, "{}", {})
            return
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        lines = body.split(b"\n")
        self.server.writes += 1
        status, words, headers = self.server.script(lines)
        if status < 300:
            self.server.stored += lines
        self._answer(status, words, headers)

    def _answer(self, status: int, words: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Quiet."""


@contextmanager
def serving(script: Script) -> Iterator[Server]:
    with Server(script) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Stage:
    def __init__(self, folder: Path, server: Server, version: InfluxVersion, gzip: bool = False) -> None:
        self.troubles: list[Trouble] = []
        self.spool = Spool(folder / "spool.db", ["influx"])
        plan = InfluxPlan(
            *("influx", f"http://127.0.0.1:{server.server_port}", version),
            org="site",
            token="guest:secret",
            batch=100,
            gzip=gzip,
            timeout=1.0,
        )
        self.sink = InfluxSink(plan, self.spool, self.troubles.append, Clock())

    def put(self, lines: list[bytes]) -> None:
        self.spool.append(lines, 1, len(lines))

    def drained(self) -> bool:
        return until(lambda: self.spool.stats().pending["influx"] == 0)

    def said(self) -> list[tuple[str, bool]]:
        return [(trouble.code, trouble.on) for trouble in self.troubles]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influx, "IDLE", 0.01)
    monkeypatch.setattr(influx, "HOLD", 0.05)
    monkeypatch.setattr(influx, "AWAY_AFTER", 0.0)
    monkeypatch.setattr(influx, "Backoff", lambda: influx_backoff(0.01, 0.02))


influx_backoff = influx.Backoff

GOOD = [b"reading value=%d %d" % (n, n) for n in range(100)]


@contextmanager
def staged(
    folder: Path, script: Script, version: InfluxVersion = InfluxVersion.V1, gzip: bool = False
) -> Iterator[tuple[Server, Stage]]:
    with serving(script) as server:
        stage = Stage(folder, server, version, gzip)
        stage.sink.start()
        yield server, stage
        stage.sink.stop()
        stage.spool.close()


versions = pytest.mark.parametrize("version", InfluxVersion)


@versions
@pytest.mark.parametrize("gzip", [False, True])
def test_taken_moves_on(tmp_path: Path, version: InfluxVersion, gzip: bool) -> None:
    with staged(tmp_path, lambda lines: FINE, version, gzip) as (server, stage):
        stage.put(GOOD)
        assert stage.drained()
        assert server.stored == GOOD
        assert stage.said() == []


@versions
def test_later_is_tried_again_until_it_is_taken(tmp_path: Path, version: InfluxVersion) -> None:
    answers = iter([(503, "busy", {}), (500, "", {}), (429, "", {"Retry-After": "0"}), FINE])
    with staged(tmp_path, lambda lines: next(answers), version) as (server, stage):
        stage.put(GOOD)
        assert stage.drained()
        assert server.stored == GOOD
        assert server.writes == 4
        assert until(lambda: stage.said()[-1:] == [("sink_away", False)])
        assert stage.troubles[0].params == {"status": 503, "error": "busy"}


@versions
def test_retry_after_is_honoured(tmp_path: Path, version: InfluxVersion) -> None:
    answers = iter([(429, "", {"Retry-After": "600"})])
    with staged(tmp_path, lambda lines: next(answers), version) as (server, stage):
        stage.put(GOOD)
        assert until(lambda: stage.said() == [("sink_away", True)])
        stage.put(GOOD)
        assert not until(lambda: server.writes > 1, 0.2)
        assert stage.spool.stats().pending == {"influx": 200}


@versions
@pytest.mark.parametrize("status", [401, 403, 404])
def test_refused_is_held_with_an_alarm(tmp_path: Path, version: InfluxVersion, status: int) -> None:
    allowed = threading.Event()
    with staged(tmp_path, lambda _: FINE if allowed.is_set() else (status, "no", {}), version) as (
        server,
        stage,
    ):
        stage.put(GOOD)
        assert until(lambda: stage.said() == [("sink_away", True)])
        assert stage.troubles[0].params == {"status": status, "error": "no"}
        assert stage.spool.stats().pending == {"influx": 100}
        allowed.set()
        assert stage.drained()
        assert server.stored == GOOD


@versions
def test_a_malformed_line_is_found_by_halving(tmp_path: Path, version: InfluxVersion) -> None:
    def script(lines: list[bytes]) -> tuple[int, str, dict[str, str]]:
        return (400, "unable to parse", {}) if b"bad" in lines else FINE

    with staged(tmp_path, script, version) as (server, stage):
        stage.put([*GOOD[:37], b"bad", *GOOD[37:]])
        assert stage.drained()
        assert server.stored == GOOD
        (loss,) = stage.spool.losses()
        assert (loss.why, loss.count, loss.sample, loss.note) == ("rejected", 1, b"bad", "unable to parse")
        assert until(lambda: stage.said() == [("sink_rejects", True)])
        assert stage.sink.status().lost == 1


@versions
def test_too_large_is_halved(tmp_path: Path, version: InfluxVersion) -> None:
    with staged(tmp_path, lambda lines: FINE if len(lines) <= 10 else (413, "", {}), version) as (
        server,
        stage,
    ):
        stage.put(GOOD)
        assert stage.drained()
        assert server.stored == GOOD
        assert stage.spool.losses() == []


@versions
def test_a_partial_write_is_taken_and_its_rejects_counted(tmp_path: Path, version: InfluxVersion) -> None:
    words = "partial write: field type conflict dropped=3"
    with staged(tmp_path, lambda lines: (400, words, {}), version) as (server, stage):
        stage.put(GOOD)
        assert stage.drained()
        assert server.writes == 1
        assert [(loss.why, loss.count, loss.note) for loss in stage.spool.losses()] == [
            ("rejected", 3, words)
        ]


@versions
def test_lines_that_a_healthy_server_never_takes_do_not_stop_the_others(
    tmp_path: Path, version: InfluxVersion
) -> None:
    def script(lines: list[bytes]) -> tuple[int, str, dict[str, str]]:
        return (500, "beyond retention", {}) if any(line.startswith(b"old") for line in lines) else FINE

    with staged(tmp_path, script, version) as (server, stage):
        stage.put([b"old 1", *GOOD[:50], b"old 2"])
        stage.put(GOOD[50:])
        assert stage.drained()
        assert set(server.stored) == set(GOOD)
        assert {loss.sample for loss in stage.spool.losses()} == {b"old 1", b"old 2"}


def test_a_server_that_takes_nothing_loses_nothing(tmp_path: Path) -> None:
    with staged(tmp_path, lambda lines: (500, "storage is away", {})) as (server, stage):
        stage.put(GOOD)
        assert until(lambda: server.writes > 20)
        assert stage.spool.stats().pending == {"influx": 100}
        assert stage.spool.losses() == []


def test_a_library_that_breaks_does_not_end_the_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with staged(tmp_path, lambda lines: FINE) as (server, stage):
        assert until(lambda: hasattr(stage.sink, "_server"))
        with monkeypatch.context() as patch:
            patch.setattr(stage.sink._server, "write", lambda lines: {}["no such key"])
            stage.put(GOOD)
            assert until(lambda: stage.said() == [("sink_away", True)])
        assert stage.drained()
        assert server.stored == GOOD


@versions
def test_a_token_that_the_library_will_not_have_is_said(tmp_path: Path, version: InfluxVersion) -> None:
    troubles: list[Trouble] = []
    spool = Spool(tmp_path / "spool.db", ["influx"])
    spool.append(GOOD, 0, 1)
    plan = InfluxPlan("influx", "http://127.0.0.1:1", version, org="site", token="门卫:secret")
    sink = InfluxSink(plan, spool, troubles.append, Clock())
    sink.start()
    assert until(lambda: [trouble.code for trouble in troubles] == ["sink_away"])
    sink.stop()
    assert spool.stats().pending == {"influx": 100}
    spool.close()
