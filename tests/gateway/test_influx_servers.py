"""The carrier against real servers: everything that was spooled is read back and counted."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

import pytest

from sitewarden.config.sinks import InfluxPlan, InfluxVersion
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.sinks.carrier import Carrier
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.sinks.servers import connect
from sitewarden.gateway.spool.spool import Spool
from sitewarden.rules.model import Quality, Reading, Reason, Stamp, Trouble
from tests.gateway import carrier_under_test
from tests.servers import (
    Peer,
    black_hole,
    influx_count,
    influx_query,
    influxd,
    running,
    until,
    victoria_metrics,
    victoria_samples,
)

pytestmark = pytest.mark.server

START = datetime(2026, 3, 1, tzinfo=UTC)


def readings(first: int, count: int) -> list[Reading]:
    return [
        Reading(f"pump-{n % 4}.pressure", n / 10, Stamp(START + timedelta(seconds=n), float(n)))
        for n in range(first, first + count)
    ]


def spooled(spool: Spool, lines: Lines, batch: list[Reading]) -> None:
    formatted = lines.format(batch)
    spool.append([line for _, line in formatted], formatted[0][0], formatted[-1][0])


class Stage:
    """A spool, a sink and what the sink reported."""

    def __init__(self, folder: Path, url: str, version: InfluxVersion, timeout: float = 5.0) -> None:
        self.troubles: list[Trouble] = []
        self.plan = InfluxPlan("influx", url, version, org="site", batch=1000, timeout=timeout)
        self.spool = Spool(folder / "spool.db", ["influx"])
        self.lines = Lines("cuihu")
        self.sink = Carrier(self.plan, self.spool, self.troubles.append, Clock(), partial(connect, self.plan))

    def put(self, first: int, count: int) -> None:
        for start in range(first, first + count, 500):
            spooled(self.spool, self.lines, readings(start, min(500, first + count - start)))

    def drained(self, within: float = 20.0) -> bool:
        return until(lambda: self.waiting() == 0, within)

    def waiting(self) -> int:
        return self.spool.stats().pending[self.plan.name]

    def close(self) -> None:
        self.sink.stop()
        self.spool.close()


@pytest.fixture
def v1(tmp_path: Path) -> Iterator[tuple[Peer, Stage]]:
    with running(influxd(tmp_path)) as peer:
        stage = Stage(tmp_path, peer.url, InfluxVersion.V1)
        yield peer, stage
        stage.close()


def test_v1_has_every_line(v1: tuple[Peer, Stage]) -> None:
    peer, stage = v1
    stage.put(0, 5000)
    stage.sink.start()
    assert stage.drained()
    assert influx_count(peer) == 5000
    assert stage.sink.status().sent == 5000
    assert stage.troubles == []


def test_v1_stopped_and_started_again_lacks_nothing(v1: tuple[Peer, Stage]) -> None:
    peer, stage = v1
    stage.put(0, 2000)
    stage.sink.start()
    assert stage.drained()
    peer.stop(kill=True)
    stage.put(2000, 3000)
    assert until(lambda: not stage.sink.status().up)
    assert stage.waiting() == 3000
    peer.start()
    assert stage.drained()
    assert influx_count(peer) == 5000


def test_v1_a_malformed_line_costs_itself_alone(v1: tuple[Peer, Stage]) -> None:
    peer, stage = v1
    good = [line for _, line in stage.lines.format(readings(0, 99))]
    stage.spool.append([*good[:50], b"this is no line", *good[50:]], 1, 2)
    stage.sink.start()
    assert stage.drained()
    assert influx_count(peer) == 99
    assert stage.sink.status().lost == 1
    (letter,) = stage.spool.letters()
    assert (letter.destination, letter.line) == ("influx", b"this is no line")
    assert letter.words == "invalid field format"
    assert [(trouble.code, trouble.on) for trouble in stage.troubles] == [("sink_rejects", True)]


def test_v1_a_type_conflict_costs_its_own_line(v1: tuple[Peer, Stage]) -> None:
    peer, stage = v1
    first, *rest = [line for _, line in stage.lines.format(readings(0, 100))]
    stage.spool.append([first], 1, 1)
    stage.spool.append([first.replace(b"value=0.0", b'value="text"').replace(b"0000", b"0001"), *rest], 1, 2)
    stage.sink.start()
    assert stage.drained()
    assert influx_count(peer) == 100
    assert stage.sink.status().lost == 1


def test_v1_creates_its_database_again(v1: tuple[Peer, Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sitewarden.gateway.sinks.carrier.HOLD", 0.1)
    peer, stage = v1
    stage.put(0, 10)
    stage.sink.start()
    assert stage.drained()
    influx_query(peer, "DROP DATABASE sitewarden")
    stage.put(10, 10)
    assert stage.drained()
    assert influx_count(peer) == 10
    assert [(it.code, it.on) for it in stage.troubles] == [("sink_refused", True), ("sink_refused", False)]


def test_v1_stores_what_the_formatter_writes(v1: tuple[Peer, Stage]) -> None:
    peer, stage = v1
    at = Stamp(START, 0.0)
    odd = [
        Reading("a b,c=d.x\\y", 1.5, at),
        Reading("pump-1.running", True, at),
        Reading("lift.text", 'say "5\\6"\nnow, 水', at, Quality.BAD, Reason.TIMEOUT),
        Reading("pump-1.never", None, at, Quality.STALE, Reason.OLD),
    ]
    spooled(stage.spool, stage.lines, odd)
    stage.sink.start()
    assert stage.drained()
    rows = influx_query(peer, 'SELECT device, point, value, state, "text", quality, reason FROM reading')
    found = {(str(device), str(point)): rest for _, device, point, *rest in rows}
    assert found == {
        ("a b,c=d", "x/y"): [1.5, None, None, "good", None],
        ("pump-1", "running"): [None, True, None, "good", None],
        ("lift", "text"): [None, None, 'say "5\\6" now, 水', "bad", "timeout"],
        ("pump-1", "never"): [None, None, None, "stale", "old"],
    }
    assert stage.sink.status().lost == 0


def test_v2_has_every_sample(tmp_path: Path) -> None:
    with running(victoria_metrics(tmp_path)) as peer:
        stage = Stage(tmp_path, peer.url, InfluxVersion.V2)
        stage.put(0, 3000)
        stage.sink.start()
        assert stage.drained()
        samples = victoria_samples(peer, "reading_value")
        assert len(samples) == 3000
        assert {labels["point"] for labels, _, _ in samples} == {"pressure"}
        assert sum(value for _, _, value in samples) == pytest.approx(sum(n / 10 for n in range(3000)))
        stage.close()


def test_v2_stopped_and_started_again_lacks_nothing(tmp_path: Path) -> None:
    with running(victoria_metrics(tmp_path)) as peer:
        stage = Stage(tmp_path, peer.url, InfluxVersion.V2)
        stage.put(0, 1000)
        stage.sink.start()
        assert stage.drained()
        peer.stop()
        stage.put(1000, 1000)
        assert until(lambda: not stage.sink.status().up)
        peer.start()
        assert stage.drained()
        instants = {at for _, at, _ in victoria_samples(peer, "reading_value")}
        assert len(instants) == 2000
        stage.close()


@pytest.mark.parametrize("version", InfluxVersion)
def test_a_server_that_hangs_holds_up_nobody(tmp_path: Path, version: InfluxVersion) -> None:
    with black_hole() as port:
        stage = Stage(tmp_path, f"http://127.0.0.1:{port}", version, timeout=30.0)
        stage.put(0, 1000)
        stage.sink.start()
        stage.put(1000, 1000)
        assert stage.waiting() == 2000
        stopping = threading.Thread(target=stage.sink.stop)
        stopping.start()
        stopping.join(2.5)
        assert not stopping.is_alive()
        assert stage.spool.stats().pending == {"influx": 2000}
        stage.spool.close()


# -- killed in the middle ------------------------------------------------------------------------

MANY = 100_000


def drained_though_killed(folder: Path, url: str, version: InfluxVersion) -> int:
    """Returns how often it was killed."""
    stage = Stage(folder, url, version)
    stage.put(0, MANY)
    stage.spool.close()
    chance, kills = Random(1), 0
    while True:
        process = subprocess.Popen([sys.executable, carrier_under_test.__file__, folder, url, version])
        try:
            assert process.wait(chance.uniform(0.8, 2.0)) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            kills += 1
            continue
        return kills


@pytest.mark.slow
def test_v1_has_every_line_once_though_we_are_killed(tmp_path: Path) -> None:
    with running(influxd(tmp_path)) as peer:
        assert drained_though_killed(tmp_path, peer.url, InfluxVersion.V1) >= 3
        assert influx_count(peer) == MANY
        (total,) = influx_query(peer, "SELECT sum(value) FROM reading")
        assert total[1] == pytest.approx(sum(n / 10 for n in range(MANY)))


@pytest.mark.slow
def test_v2_has_every_sample_at_least_once_though_we_are_killed(tmp_path: Path) -> None:
    """What was sent and not yet noted is sent again, a batch a kill at most."""
    with running(victoria_metrics(tmp_path)) as peer:
        kills = drained_though_killed(tmp_path, peer.url, InfluxVersion.V2)
        assert kills >= 3
        samples = victoria_samples(peer, "reading_value")
        assert len({(labels["device"], at) for labels, at, _ in samples}) == MANY
        assert len(samples) <= MANY + kills * 2000
