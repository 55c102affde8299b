"""What an outage left, through the real carrier into real servers: read back, counted, and how fast.

Carrier and baselines take turns, a part of the backlog each, so that they have the same machine. The
carrier's turns are made here and not by its thread.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from urllib.parse import urlencode

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.point import Point

from sitewarden.config.sinks import InfluxPlan, InfluxVersion
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.sinks.answers import Answer
from sitewarden.gateway.sinks.base import Lane, Transport
from sitewarden.gateway.sinks.carrier import Carrier
from sitewarden.gateway.sinks.load import Whole
from sitewarden.gateway.sinks.servers import connect
from sitewarden.gateway.spool.spool import Spool
from tests.bench.installation import folder
from tests.bench.measure import Figure
from tests.servers import Peer, get, influx_query, influxd, running, victoria_metrics

POINTS = 1000  # a second, and lines a block
BEGUN = 1_772_409_600  # s since 1970
BATCH = 5000
PARTS = 20
SAMPLE, POINTS_SAMPLE = 100, 10  # s of lines in a turn of a baseline
GIB = 1 << 30


def figures() -> Iterator[Figure]:
    with folder() as path, ExitStack() as stack:
        influx, victoria = (stack.enter_context(running(make(path))) for make in (influxd, victoria_metrics))
        yield from _drained(path / "v1.db", influx, InfluxVersion.V1, 10_000)
        yield from _drained(path / "v2.db", victoria, InfluxVersion.V2, 2_000)


# -- the backlog ---------------------------------------------------------------------------------

OURS, THEIRS = (
    [b"reading,site=%s,device=pump-%d,point=value-%d value=" % (site, n // 20, n % 20) for n in range(POINTS)]
    for site in (b"ours", b"theirs")
)


def _lines(heads: Sequence[bytes], second: int) -> list[bytes]:
    """Of a second of as many points: values of one decimal that move a little."""
    end = b',quality="good" %d' % ((BEGUN + second) * 1_000_000_000)
    return [b"%s%d.%d%s" % (head, n % 50, (second + n) % 10, end) for n, head in enumerate(heads)]


def _spooled(path: Path, seconds: int) -> Spool:
    spool = Spool(path, ["influx"], most=4 * GIB)
    for second in range(seconds):
        instant = (BEGUN + second) * 1_000_000_000
        spool.append(_lines(OURS, second), instant, instant)
    return spool


# -- the drain -----------------------------------------------------------------------------------


@dataclass
class Witness(Transport):
    """Looks at the first and the last line of each request: in order of time means in order by series."""

    way: Transport
    newest: int = 0
    disorders: int = 0

    def prepare(self) -> Answer:
        return self.way.prepare()

    def send(self, lines: Sequence[bytes], lane: Lane) -> Answer:
        body = lines.body if isinstance(lines, Whole) else b"\n".join(lines)
        first, last = int(body.split(b"\n", 1)[0].rsplit(b" ", 1)[1]), int(body.rsplit(b" ", 1)[1])
        self.disorders += first < self.newest
        self.newest = last
        return self.way.send(lines, lane)

    def site_changed(self) -> None:
        self.way.site_changed()

    def healthy(self) -> bool:
        return self.way.healthy()

    def close(self) -> None:
        self.way.close()


@dataclass
class Times:
    """Lines and the s they took."""

    lines: int = 0
    seconds: float = 0.0

    def add(self, lines: int, begun: float) -> None:
        self.lines += lines
        self.seconds += perf_counter() - begun

    @property
    def rate(self) -> float:
        return self.lines / self.seconds


@dataclass
class Drain:
    ours: Times = field(default_factory=Times)
    bare: Times = field(default_factory=Times)
    points: Times = field(default_factory=Times)
    memory: list[float] = field(default_factory=list)  # MB after each part


def _drained(path: Path, peer: Peer, version: InfluxVersion, seconds: int) -> Iterator[Figure]:
    plan = InfluxPlan("influx", peer.url, version, org="bench", batch=BATCH)
    other = replace(plan, bucket="other")
    spool = _spooled(path, seconds)
    witness = Witness(connect(plan))
    carrier = Carrier(plan, spool, print, Clock(), lambda: witness)
    connect(other).prepare()
    drain, lines = Drain(), seconds * POINTS
    for part in range(1, PARTS + 1):
        sent, begun = carrier.status().sent, perf_counter()
        while carrier.status().sent < lines * part // PARTS:
            carrier.step()
        drain.ours.add(carrier.status().sent - sent, begun)
        drain.memory.append(_resident())
        _post(drain.bare, other, range(part * SAMPLE, (part + 1) * SAMPLE))
        if version is InfluxVersion.V2:
            _write_points(drain.points, other, range(part * POINTS_SAMPLE, (part + 1) * POINTS_SAMPLE))
    spool.close()
    yield from _told(peer, version, drain, lines, witness.disorders)


def _post(times: Times, plan: InfluxPlan, seconds: range) -> None:
    """The same lines, joined beforehand."""
    pool = urllib3.PoolManager(1)
    v1 = plan.version is InfluxVersion.V1
    query = {"db": plan.bucket} if v1 else {"org": plan.org, "bucket": plan.bucket}
    url = f"{plan.url}{'/write' if v1 else '/api/v2/write'}?{urlencode(query | {'precision': 'ns'})}"
    for start in range(seconds.start, seconds.stop, BATCH // POINTS):
        block = [line for second in range(start, start + BATCH // POINTS) for line in _lines(THEIRS, second)]
        body = b"\n".join(block)
        begun = perf_counter()
        if pool.request("POST", url, body=body).status != 204:
            raise RuntimeError("the baseline was not taken")
        times.add(len(block), begun)


def _write_points(times: Times, plan: InfluxPlan, seconds: range) -> None:
    """As the documentation of influxdb-client has it."""
    begun = perf_counter()
    with (
        InfluxDBClient(plan.url, plan.token, org=plan.org) as client,
        client.write_api() as write,
    ):
        for second in seconds:
            for n in range(POINTS):
                point = Point("reading").tag("site", "points").tag("device", f"pump-{n // 20}")
                point.tag("point", f"value-{n % 20}").field("value", n % 50 + (second + n) % 10 / 10)
                point.field("quality", "good").time((BEGUN + second) * 1_000_000_000)
                write.write(plan.bucket, plan.org, point)
    times.add(len(seconds) * POINTS, begun)


# -- what there is to tell -----------------------------------------------------------------------


def _told(peer: Peer, version: InfluxVersion, drain: Drain, lines: int, disorders: int) -> Iterator[Figure]:
    name = "influxd" if version is InfluxVersion.V1 else "victoria_metrics"
    million = f"{lines / 1e6:g} million readings"
    counted = _count_v1(peer) if version is InfluxVersion.V1 else _count_v2(peer, lines // POINTS)
    note = f"of {million}: not there, or twice, when read back; sent out of order: {disorders}"
    yield Figure(f"drain.{name}_wrong", abs(lines - counted) + disorders, "lines", target=0, note=note)
    note = f"{million}, read back; baseline: the same lines posted bare with urllib3, in turn"
    yield Figure(f"drain.{name}", drain.ours.rate, "lines/s", drain.bare.rate, 0.8, best="high", note=note)
    if drain.points.lines:
        note = f"baseline: influxdb-client's batching API with {drain.points.lines:,} points, in turn"
        rate = drain.points.rate
        yield Figure(
            f"drain.{name}_beside_points", drain.ours.rate, "lines/s", rate, 5, best="high", note=note
        )
    tenth, half, end = (drain.memory[PARTS * share // 10 - 1] for share in (1, 5, 9))
    note = f"resident with 90 % sent, {half:.0f} with 50 %; baseline: with 10 %"
    yield Figure(f"drain.{name}_memory", end, "MB", tenth, 1.1, note=note)


def _count_v1(peer: Peer) -> int:
    """Each series has its own count, so that none makes up for another."""
    rows = influx_query(peer, "SELECT count(value) FROM reading GROUP BY device, point")
    counts = [int(str(row[1])) for row in rows]
    return sum(counts) if len(set(counts)) == 1 else -1


def _count_v2(peer: Peer, seconds: int) -> int:
    get(f"{peer.url}/internal/force_flush")
    query = f'sum(count_over_time(reading_value{{site="ours"}}[{seconds + 10}s]))'
    found = get(f"{peer.url}/api/v1/query?{urlencode({'query': query, 'time': BEGUN + seconds})}")
    return int(found.split('"')[-2])


def _resident() -> float:
    with Path("/proc/self/statm").open() as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
