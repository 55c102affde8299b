"""Servers of line protocol over real HTTP, every version: each fault is counted at both ends."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from ssl import CERT_REQUIRED

import pytest

from sitewarden.config.sinks import InfluxPlan, InfluxVersion
from sitewarden.drivers.plan import Tls
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.sinks import base, carrier, health
from sitewarden.gateway.sinks.answers import Kind
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.sinks.carrier import Carrier
from sitewarden.gateway.sinks.servers import connect
from sitewarden.gateway.spool.spool import Spool
from sitewarden.gateway.tls import listening
from sitewarden.rules.model import Trouble
from tests.gateway.certificates import Authority
from tests.gateway.line_server import FINE, Fault, LineServer, Says, Script, serving
from tests.gateway.scripted import line
from tests.servers import until

V1, V2, V3 = InfluxVersion
GOOD = [line(n) for n in range(100)]
SECRET = {V1: "Basic Z3Vlc3Q6c2VjcmV0", V2: "Token guest:secret", V3: "Bearer guest:secret"}


class Stage:
    """A spool, a carrier and what it reported."""

    def __init__(self, folder: Path, plan: InfluxPlan) -> None:
        self.troubles: list[Trouble] = []
        self.spool = Spool(folder / "spool.db", [plan.name])
        self.carrier = Carrier(plan, self.spool, self.troubles.append, Clock(), partial(connect, plan))

    def put(self, lines: list[bytes]) -> None:
        self.spool.append(lines, 1, len(lines))

    @property
    def waiting(self) -> int:
        return self.spool.stats().pending["influx"]

    def drained(self) -> bool:
        return until(lambda: self.waiting == 0)

    def said(self) -> list[tuple[str, bool]]:
        return [(trouble.code, trouble.on) for trouble in self.troubles]


def plan_for(server: LineServer, version: InfluxVersion, scheme: str = "http") -> InfluxPlan:
    return InfluxPlan(
        *("influx", f"{scheme}://127.0.0.1:{server.server_port}", version),
        org="site",
        token="guest:secret",
        batch=100,
        timeout=0.5,
    )


@contextmanager
def running(folder: Path, plan: InfluxPlan) -> Iterator[Stage]:
    stage = Stage(folder, plan)
    stage.carrier.start()
    try:
        yield stage
    finally:
        stage.carrier.stop()
        stage.spool.close()


@contextmanager
def staged(folder: Path, script: Script = lambda lines: FINE) -> Iterator[tuple[LineServer, Stage]]:
    """Of version 1: what becomes of an answer is the same for all."""
    with serving(script) as server, running(folder, plan_for(server, V1)) as stage:
        yield server, stage


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier, "IDLE", 0.01)
    monkeypatch.setattr(carrier, "HOLD", 0.05)
    monkeypatch.setattr(health, "AWAY_AFTER", 0.0)
    monkeypatch.setattr(carrier, "Backoff", lambda: base.Backoff(0.01, 0.02))


versions = pytest.mark.parametrize("version", InfluxVersion)


@versions
@pytest.mark.parametrize("gzip", [False, True])
def test_what_is_sent_is_stored(tmp_path: Path, version: InfluxVersion, gzip: bool) -> None:
    with serving() as server, running(tmp_path, replace(plan_for(server, version), gzip=gzip)) as stage:
        stage.put(GOOD)
        assert stage.drained()
        assert server.stored == GOOD
        assert stage.said() == []
        (write,) = server.writes
        assert write["precision"] == "ns"
        assert write["db" if version is V1 else "bucket"] == "sitewarden"
        assert write.get("org") == ("site" if version is V2 else None)
        assert write["authorization"] == SECRET[version]
        assert write.get("content-encoding") == ("gzip" if gzip else None)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Fault.RESET, Fault.HALF, Fault.HANG])
def test_what_a_network_swallows_is_sent_again(tmp_path: Path, fault: Fault) -> None:
    with staged(tmp_path) as (server, stage):
        server.faults += [fault, fault]
        stage.put(GOOD)
        assert stage.drained()
        assert server.stored == GOOD
        assert len(server.writes) == 3
        assert until(lambda: stage.said()[-1:] == [("sink_away", False)])


def test_an_answer_that_breaks_off_is_none(tmp_path: Path) -> None:
    """It was stored, and nobody can know: the only way is twice."""
    with staged(tmp_path) as (server, stage):
        server.faults.append(Fault.CUT)
        stage.put(GOOD)
        assert stage.drained()
        assert server.stored == GOOD * 2


def test_later_is_tried_again_until_it_is_taken(tmp_path: Path) -> None:
    answers = iter([Says(503, "busy"), Says(500), Says(429, "", {"Retry-After": "0"}), FINE])
    with staged(tmp_path, lambda lines: next(answers)) as (server, stage):
        stage.put(GOOD)
        assert stage.drained()
        assert server.stored == GOOD
        assert len(server.writes) == 4
        assert until(lambda: stage.said()[-1:] == [("sink_away", False)])
        assert stage.troubles[0].params == {"status": 503, "error": "busy"}


def test_retry_after_is_honoured(tmp_path: Path) -> None:
    with staged(tmp_path, lambda lines: Says(429, "", {"Retry-After": "600"})) as (server, stage):
        stage.put(GOOD)
        assert until(lambda: stage.said() == [("sink_away", True)])
        stage.put(GOOD)
        assert not until(lambda: len(server.writes) > 1, 0.2)
        assert stage.waiting == 200


@pytest.mark.parametrize("status", [401, 403])
def test_refused_is_held_with_an_alarm(tmp_path: Path, status: int) -> None:
    allowed = threading.Event()
    with staged(tmp_path, lambda _: FINE if allowed.is_set() else Says(status, "no")) as (
        server,
        stage,
    ):
        stage.put(GOOD)
        assert until(lambda: stage.said() == [("sink_refused", True)])
        assert stage.troubles[0].params == {"status": status, "error": "no"}
        assert stage.waiting == 100
        allowed.set()
        assert stage.drained()
        assert server.stored == GOOD


@versions
def test_a_database_that_is_missing_and_cannot_be_made_is_said(
    tmp_path: Path, version: InfluxVersion
) -> None:
    missing = json.dumps({"error": 'database not found: "sitewarden"'})
    with serving(lambda lines: Says(404, missing)) as server:
        server.made = lambda path, body: Says(403, '{"error": "only for administrators"}')
        with running(tmp_path, plan_for(server, version)) as stage:
            stage.put(GOOD)
            assert until(lambda: stage.said() == [("sink_refused", True)])
            said = stage.troubles[0].params["error"]
            assert said == 'database not found: "sitewarden"; and making it: only for administrators'
            assert stage.waiting == 100


@versions
def test_who_may_only_write_does(tmp_path: Path, version: InfluxVersion) -> None:
    with serving() as server:
        server.made = lambda path, body: Says(401, "no")
        with running(tmp_path, plan_for(server, version)) as stage:
            stage.put(GOOD)
            assert stage.drained()
            assert server.stored == GOOD
            assert stage.said() == []


def made(server: LineServer, stage: Stage, answers: dict[str, Says]) -> list[tuple[str, bytes]]:
    """What was asked until something was stored."""
    asked: list[tuple[str, bytes]] = []

    def answer(path: str, body: bytes) -> Says:
        asked.append((path, body))
        return next((says for key, says in answers.items() if path.startswith(key)), Says(404))

    server.made = answer
    stage.put(GOOD)
    stage.carrier.start()
    assert stage.drained()
    stage.carrier.stop()
    return asked


def test_v1_makes_its_database(tmp_path: Path) -> None:
    with serving() as server:
        stage = Stage(tmp_path, replace(plan_for(server, V1), bucket='site "7"'))
        asked = made(server, stage, {"/query": Says(200, "{}")})
        assert asked == [("/query?q=CREATE+DATABASE+%22site+%5C%227%5C%22%22", b"")]
        stage.spool.close()


def test_v2_makes_its_bucket_unless_it_is_there(tmp_path: Path) -> None:
    there = json.dumps({"buckets": [{"name": "sitewarden", "id": "1", "retentionRules": []}]})
    org = json.dumps({"orgs": [{"name": "site", "id": "7"}]})
    bucket = json.dumps({"name": "sitewarden", "id": "1", "retentionRules": []})
    for found, requests in ((there, 1), ('{"buckets": []}', 3)):
        with serving() as server:
            stage = Stage(tmp_path, plan_for(server, V2))
            answers = {"/api/v2/buckets?": Says(200, found), "/api/v2/orgs": Says(200, org)}
            json_type = {"Content-Type": "application/json"}
            answers = {path: replace(says, headers=json_type) for path, says in answers.items()}
            asked = made(server, stage, {**answers, "/api/v2/buckets": Says(201, bucket, json_type)})
            assert len(asked) == requests
            if requests > 1:
                created = json.loads(asked[-1][1])
                assert (created["name"], created["orgID"]) == ("sitewarden", "7")
            stage.spool.close()


@pytest.mark.parametrize("status", [200, 201, 409])
def test_v3_makes_its_database_unless_it_is_there(tmp_path: Path, status: int) -> None:
    with serving() as server:
        stage = Stage(tmp_path, plan_for(server, V3))
        asked = made(server, stage, {"/api/v3/configure/database": Says(status, "")})
        assert asked == [("/api/v3/configure/database", b'{"db": "sitewarden"}')]
        stage.spool.close()


def test_a_malformed_line_is_found_by_halving(tmp_path: Path) -> None:
    with staged(tmp_path, lambda lines: Says(400, "unable to parse") if b"bad" in lines else FINE) as (
        server,
        stage,
    ):
        stage.put([*GOOD[:37], b"bad", *GOOD[37:]])
        assert stage.drained()
        assert server.stored == GOOD
        (letter,) = stage.spool.letters()
        assert (letter.line, letter.words) == (b"bad", "unable to parse")
        assert until(lambda: stage.said() == [("sink_rejects", True)])
        assert stage.carrier.status().lost == 1


def test_too_large_is_halved(tmp_path: Path) -> None:
    with staged(tmp_path, lambda lines: FINE if len(lines) <= 10 else Says(413)) as (server, stage):
        stage.put(GOOD)
        assert stage.drained()
        assert server.stored == GOOD
        assert stage.said() == []


@versions
def test_rejects_of_a_partial_write_are_named_by_number_or_in_full(
    tmp_path: Path, version: InfluxVersion
) -> None:
    """As influxd 1.6.7 and 2.7 do, and as InfluxDB 3 Core does."""
    if version is V3:
        reject = {"original_line": "cut", "line_number": 4, "error_message": "missing fields"}
        words = json.dumps({"error": "partial write of line protocol occurred", "data": [reject]})
    else:
        said = f"partial write: unable to parse '{GOOD[3].decode()}': missing fields dropped=0"
        words = json.dumps({"error" if version is V1 else "message": said})
    with (
        serving(lambda lines: Says(400, words)) as server,
        running(tmp_path, plan_for(server, version)) as stage,
    ):
        stage.put(GOOD)
        assert stage.drained()
        assert len(server.writes) == 1
        (letter,) = stage.spool.letters()
        assert letter.line == GOOD[3]
        assert letter.words.startswith("missing fields")
        assert stage.carrier.status().lost == 1


# -- TLS -----------------------------------------------------------------------------------------


@versions
@pytest.mark.parametrize("name", ["", "metrics.site"])
def test_tls_with_an_own_authority_and_a_certificate_of_ours(
    tmp_path: Path, version: InfluxVersion, name: str
) -> None:
    authority = Authority(tmp_path)
    server_tls = authority.issue("server", f"DNS:{name}" if name else "IP:127.0.0.1")
    context = listening(server_tls, 5.0, lambda error: None)
    assert context.verify_mode is CERT_REQUIRED
    with serving(tls=context) as server:
        plan = replace(plan_for(server, version, "https"), tls=replace(authority.issue("gateway"), name=name))
        with running(tmp_path, plan) as stage:
            stage.put(GOOD)
            assert stage.drained()
            assert server.stored == GOOD
            assert stage.said() == []


@versions
def test_a_server_of_another_authority_is_told_nothing(tmp_path: Path, version: InfluxVersion) -> None:
    stranger, ours = Authority(tmp_path, "stranger"), Authority(tmp_path, "ours")
    context = listening(stranger.issue("server"), 5.0, lambda error: None)
    tls = ours.issue("us")
    with (
        serving(tls=context) as server,
        running(tmp_path, replace(plan_for(server, version, "https"), tls=tls)) as stage,
    ):
        stage.put(GOOD)
        assert until(lambda: stage.said() == [("sink_away", True)])
        assert "certificate" in str(stage.troubles[0].params["error"]).lower()
        assert server.writes == []
        assert stage.waiting == 100


@versions
def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path, version: InfluxVersion) -> None:
    authority = Authority(tmp_path)
    context = listening(authority.issue("server"), 5.0, lambda error: None)
    expired = authority.issue("gateway", days=-1)
    with serving(tls=context) as server:
        transport = connect(replace(plan_for(server, version, "https"), tls=expired))
        assert transport.prepare().kind is Kind.LATER
        assert authority.issue("gateway") == expired  # the same files
        assert transport.prepare().kind is Kind.TAKEN
        assert transport.send(GOOD, Lane.LIVE).kind is Kind.TAKEN
        assert server.stored == GOOD
        transport.close()


@versions
def test_a_file_that_is_not_there_is_said(tmp_path: Path, version: InfluxVersion) -> None:
    plan = InfluxPlan("influx", "https://127.0.0.1:1", version, org="site", tls=Tls("/no/such/file"))
    with running(tmp_path, plan) as stage:
        stage.put(GOOD)
        assert until(lambda: stage.said() == [("sink_away", True)])
        assert "/no/such/file" in str(stage.troubles[0].params["error"])


@versions
def test_a_token_that_no_header_can_hold_is_said(tmp_path: Path, version: InfluxVersion) -> None:
    with (
        serving() as server,
        running(tmp_path, replace(plan_for(server, version), token="门卫:secret")) as stage,
    ):
        stage.put(GOOD)
        assert until(lambda: stage.said() == [("sink_away", True)])
        assert "header" in str(stage.troubles[0].params["error"])
        assert stage.waiting == 100
