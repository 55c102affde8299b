"""`telemetry verify` against real servers: what is there, what is gone, what is other than it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from sitewarden.gateway.records import micros
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.spool.spool import Spool
from sitewarden.rules.model import FireChange, FireStage, Reading, Stamp
from tests.cli.conftest import Shell
from tests.servers import Peer, get, influxd, running, victoria_metrics

START = datetime(2026, 3, 1, 1, tzinfo=UTC)  # 9 in the morning on the site
SINKS = """
sinks:
  {name}: {{type: influxdb, version: {version}, url: "{url}", bucket: sitewarden, org: cuihu{more}}}
"""
THEN = ("--since", "2026-03-01T09:00", "--until", "2026-03-01T12:00")
SERVED = "site=cuihu,device=pump-1,point=flow"


def telemetry() -> list[tuple[int, bytes]]:
    """An hour and a half, every second: numbers, truths, texts with all that lines have to escape, a fire."""
    values = [0.1, True, 'a "word" \\ 水', -1.5e-7, 1e15, False]
    effects: list[Reading | FireChange] = [
        Reading(f"pump-{n % 3}.flow,a" if n % 7 == 0 else "pump-1.flow", values[n % 2 * 3] + n / 8, at(n))
        if n % 5
        else Reading(f"lift {n % 4}.state", values[n % 6], at(n))
        for n in range(5400)
    ]
    effects.append(FireChange(FireStage.NORMAL, FireStage.FIRE, at(100), "panel", "zone 2"))
    return Lines("cuihu").format(effects)


def at(second: int) -> Stamp:
    return Stamp(START + timedelta(seconds=second, microseconds=second), float(second))


@dataclass
class Site:
    peer: Peer
    spool: Spool
    post: Callable[[bytes], str]

    def deliver(self) -> None:
        while batch := self.spool.read("influx", Lane.LIVE, 5000, 1 << 62):
            for block in batch.blocks:
                self.post(block.body)
            self.spool.done("influx", batch)

    def ask(self, query: str) -> None:
        get(f"{self.peer.url}/query", urlencode({"db": "sitewarden", "q": query}).encode())

    def wait(self) -> None:
        """More that nobody delivers."""
        line = b'reading,%b value=1.0,quality="good" %d' % (SERVED.encode(), ns(3600))
        self.spool.append([line], ns(3600), ns(3600))


@contextmanager
def site(peer: Peer, folder: Path, version: str, path: str, more: str = "") -> Iterator[Site]:
    text = (folder / "site.yaml").read_text("utf-8")
    text += SINKS.format(name="influx", version=version, url=peer.url, more=more)
    (folder / "site.yaml").write_text(text, "utf-8")
    spool = Spool(folder / "data" / "spool.db", ["influx"], keep=86_400.0)
    lines = telemetry()
    for start in range(0, len(lines), 1000):
        block = lines[start : start + 1000]
        instants = [ns for ns, _ in block]
        spool.append([line for _, line in block], min(instants), max(instants))
    yield Site(peer, spool, lambda body: get(f"{peer.url}{path}", body))
    spool.close()


@pytest.fixture
def v1(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Site]:
    with running(influxd(tmp_path_factory.mktemp("influx"))) as peer:
        get(f"{peer.url}/query?q=CREATE+DATABASE+sitewarden", b"")
        with site(peer, folder, "v1", "/write?db=sitewarden") as made:
            made.deliver()
            yield made


@pytest.fixture
def metrics(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Site]:
    with (
        running(victoria_metrics(tmp_path_factory.mktemp("metrics"))) as peer,
        site(peer, folder, "v2", "/api/v2/write") as made,
    ):
        made.deliver()
        get(f"{peer.url}/internal/force_flush")
        yield made


def ns(second: int) -> int:
    return micros(at(second).wall) * 1000


@pytest.mark.server
def test_influx_has_all_of_it(v1: Site, shell: Shell) -> None:
    typed = shell("telemetry", "verify", *THEN)
    assert typed.code == 0, typed.err
    _, first, second, kept, verdict = typed.out.splitlines()
    assert first.startswith("2026-03-01 09:00:00")
    assert second.startswith("2026-03-01 10:00:00")
    assert kept == "What was delivered is kept, and can be compared, from 2026-03-01 09:00:00 on."
    assert verdict == "All 10,804 values are there, once."


@pytest.mark.server
def test_a_point_that_was_deleted_is_named(v1: Site, shell: Shell) -> None:
    gone = ns(11)
    v1.ask(f"DELETE FROM reading WHERE device = 'pump-1' AND point = 'flow' AND time = {gone}")  # noqa: S608
    typed = shell("telemetry", "verify", *THEN)
    assert typed.code == 1
    assert typed.err == "influx: 2 values are not as they were delivered\n"  # value and quality
    named = (
        f"missing: reading,device=pump-1,point=flow,site=cuihu value 2026-03-01 09:00:11.{gone % 10**9:09d}"
    )
    assert named in typed.out


@pytest.mark.server
def test_a_value_that_was_altered_is_named(v1: Site, shell: Shell) -> None:
    v1.post(b"reading,%b value=99.5 %d" % (SERVED.encode(), ns(12)))
    typed = shell("telemetry", "verify", *THEN, "--json")
    assert typed.code == 1
    (told,) = typed.json
    first = told["hours"][0]
    assert (told["equal"], first["altered"], first["missing"]) == (False, 1, 0)
    assert first["checksum"] != first["checksum_there"]
    (difference,) = first["differences"]
    assert difference["ns"] == ns(12)
    assert difference["found"] == ["99.5"]


@pytest.mark.server
def test_what_waits_is_told_and_no_fault(v1: Site, shell: Shell) -> None:
    v1.wait()
    assert "2 values wait to be delivered" in shell("telemetry", "verify", *THEN).out
    (told,) = shell("telemetry", "verify", *THEN, "--json").json
    assert told["equal"]
    assert told["kept_from"] == "2026-03-01T01:00:00.000000Z"
    assert [hour["waiting"] for hour in told["hours"]] == [0, 2, 0]


@pytest.mark.server
def test_metrics_have_all_that_they_can_hold(metrics: Site, shell: Shell) -> None:
    typed = shell("telemetry", "verify", *THEN, "--json")
    assert typed.code == 0, typed.err + typed.out
    (told,) = typed.json
    numbers = sum(b"value=" in line or b"state=" in line for _, line in telemetry())
    assert sum(hour["delivered"] for hour in told["hours"]) == numbers
    assert sum(hour["there"] for hour in told["hours"]) == numbers


@pytest.mark.server
def test_metrics_keep_twice_what_was_sent_twice(metrics: Site, shell: Shell) -> None:
    line = next(line for _, line in telemetry() if b"value=" in line)
    metrics.post(line)
    get(f"{metrics.peer.url}/internal/force_flush")
    typed = shell("telemetry", "verify", *THEN)
    assert typed.code == 1
    assert "twice: reading_value" in typed.out


@pytest.mark.server
def test_metrics_that_lack_a_series(metrics: Site, shell: Shell) -> None:
    match = quote('{__name__="reading_state"}')
    get(f"{metrics.peer.url}/api/v1/admin/tsdb/delete_series?match[]={match}", b"")
    typed = shell("telemetry", "verify", *THEN)
    assert typed.code == 1
    assert "missing: reading_state" in typed.out
    assert "… and " in typed.out


@pytest.mark.server
def test_a_filter_is_honoured(v1: Site, folder: Path, shell: Shell) -> None:
    text = (folder / "site.yaml").read_text("utf-8")
    only = 'org: cuihu, only: {kinds: [reading], points: ["pump-1.*"]}'
    (folder / "site.yaml").write_text(text.replace("org: cuihu", only), "utf-8")
    v1.ask("DROP MEASUREMENT fire")
    v1.ask("DELETE FROM reading WHERE device =~ /^lift/")
    assert shell("telemetry", "verify", *THEN).code == 0
    v1.ask("DELETE FROM reading WHERE device = 'pump-1'")
    typed = shell("telemetry", "verify", *THEN, "--json")
    assert typed.code == 1
    ours = sum(line.startswith(b"reading,site=cuihu,device=pump-1,") for _, line in telemetry())
    assert sum(hour["missing"] for hour in typed.json[0]["hours"]) == 2 * ours


@pytest.mark.slow
def test_a_server_that_is_away_is_told(folder: Path, shell: Shell) -> None:
    with site(Peer("none", [], 1, lambda: True), folder, "v1", "/write"):
        typed = shell("telemetry", "verify")
    assert (typed.code, typed.out) == (1, "")
    assert typed.err.startswith("influx: http://127.0.0.1:1: ")


@pytest.mark.slow
def test_what_cannot_be_read_back(folder: Path, shell: Shell) -> None:
    assert shell("telemetry", "verify").err == "The configuration names no sink that can be read back.\n"
    text = (folder / "site.yaml").read_text("utf-8")
    (folder / "site.yaml").write_text(f"{text}\nsinks:\n  broker: {{type: mqtt, host: a}}\n", "utf-8")
    told = shell("telemetry", "verify", "--destination", "broker")
    assert (told.code, told.err) == (1, "broker is a broker: it keeps nothing that could be read back.\n")
    assert shell("telemetry", "verify", "--destination", "x").err == "The configuration names no sink x.\n"


def test_nothing_was_spooled_yet(folder: Path, shell: Shell) -> None:
    with site(Peer("none", [], 1, lambda: True), folder, "v1", "/write"):
        pass
    (folder / "data" / "spool.db").unlink()
    assert "spool.db: No such file" in shell("telemetry", "verify").err
