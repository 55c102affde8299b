"""What a server has of what was written to it.

| server | asked at | what it can hold |
|---|---|---|
| InfluxDB 1, 2, 3 | `/query`, InfluxQL | all of it, to the nanosecond |
| VictoriaMetrics | `/api/v1/export` | numbers and truths (as 0 and 1), to the millisecond; a text becomes 0 |

Sources: InfluxDB 1.8 API reference; InfluxDB 2.9 and 3 Core, v1 compatibility API (a bucket of InfluxDB 2 has
to be mapped to be read so); VictoriaMetrics 1.79, "How to export data in JSON line format". InfluxDB 1.6.7
and VictoriaMetrics 1.79.5 were tried, the others were not at hand.

One question names each measurement: over several at once InfluxQL has one type for a field of one name, and
leaves out the values of the others.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

import urllib3

from sitewarden.config.sinks import InfluxPlan, InfluxVersion
from sitewarden.gateway.sinks.parse import Record, Value
from sitewarden.gateway.tls import calling

CONNECT = 3.0  # s
CHUNK = 10_000  # values in one piece of an answer
MS = 1_000_000  # ns

Tags = tuple[tuple[str, str], ...]  # by name


class Sample(NamedTuple):
    """One value of one series at one instant, in the words in which servers and lines agree."""

    measurement: str
    tags: Tags
    field: str
    instant: int  # ns since 1970
    value: str


class Unreadable(Exception):
    """The server does not answer, or not what was asked."""


class Reader(Protocol):
    def holds(self, record: Record) -> Iterator[Sample]:
        """What the server can hold of a line."""
        ...

    def read(self, measurements: Collection[str], begin: int, end: int) -> Iterator[Sample]:
        """What it has of them from `begin` up to `end` (ns, whole ms) exclusive. Raises Unreadable."""
        ...


def reader(plan: InfluxPlan, site: str) -> Reader:
    """Finds out what the server is. Only series of this site are read. Raises Unreadable."""
    wire = _Wire(plan)
    told = wire.ask("/ping", {}).headers
    if plan.version is not InfluxVersion.V3 and "X-Influxdb-Version" not in told:
        return VictoriaMetrics(wire, site)
    return Influx(wire, plan.bucket, site)


class _Wire:
    def __init__(self, plan: InfluxPlan) -> None:
        self._base = plan.url.rstrip("/")
        self._pool = urllib3.PoolManager(
            1,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT, read=max(plan.timeout, 60.0)),
            ssl_context=calling(plan.tls) if plan.tls else None,
            server_hostname=plan.tls.name or None if plan.tls else None,
        )
        self._headers: Mapping[str, str] = {}
        if plan.token and plan.version is InfluxVersion.V1:
            self._headers = urllib3.make_headers(basic_auth=plan.token)
        elif plan.token:
            self._headers = {"Authorization": f"Token {plan.token}"}

    def ask(self, path: str, query: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """The answer, its body still to be read."""
        url = f"{self._base}{path}?{urlencode(query)}" if query else f"{self._base}{path}"
        try:
            answer = self._pool.request("GET", url, headers=self._headers, preload_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise Unreadable(f"{self._base}: {error}") from error
        if answer.status >= 300:
            raise Unreadable(
                f"{self._base}{path}: {answer.status} {answer.read(300).decode(errors='replace')}"
            )
        return answer

    def lines(self, path: str, query: Mapping[str, str]) -> Iterator[Any]:
        """JSON, a document a line, as it comes."""
        answer = self.ask(path, query)
        rest = b""
        try:
            for piece in answer.stream(1 << 16):
                *whole, rest = (rest + piece).split(b"\n")
                yield from map(json.loads, filter(None, whole))
            if rest.strip():
                yield json.loads(rest)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise Unreadable(f"{self._base}{path}: {error}") from error
        finally:
            answer.release_conn()


class Influx:
    def __init__(self, wire: _Wire, database: str, site: str) -> None:
        self._wire, self._database, self._site = wire, database, site

    def holds(self, record: Record) -> Iterator[Sample]:
        tags = tuple(sorted(record.tags.items()))
        for field, value in record.fields.items():
            yield Sample(record.measurement, tags, field, record.ns, plain(value))

    def read(self, measurements: Collection[str], begin: int, end: int) -> Iterator[Sample]:
        site = self._site.replace("\\", "\\\\").replace("'", "\\'")
        where = f"time >= {begin} AND time < {end} AND \"site\" = '{site}'"
        query = "; ".join(f'SELECT * FROM "{name}" WHERE {where} GROUP BY *' for name in sorted(measurements))  # noqa: S608
        asked = {"db": self._database, "q": query, "epoch": "ns", "chunked": "true", "chunk_size": str(CHUNK)}
        for answer in self._wire.lines("/query", asked):
            for result in (answer, *answer.get("results", ())):
                if error := result.get("error"):
                    raise Unreadable(error)
                for series in result.get("series", ()):
                    yield from self._samples(series)

    @staticmethod
    def _samples(series: Mapping[str, Any]) -> Iterator[Sample]:
        name, (_, *columns) = series["name"], series["columns"]
        tags = tuple(sorted((key, tag) for key, tag in series.get("tags", {}).items() if tag))
        for instant, *values in series["values"]:
            for field, value in zip(columns, values, strict=True):
                if value is not None:
                    yield Sample(name, tags, field, instant, plain(value))


class VictoriaMetrics:
    """Its name of a series is measurement and field in one, so a sample has no field here."""

    def __init__(self, wire: _Wire, site: str) -> None:
        self._wire, self._site = wire, site

    def holds(self, record: Record) -> Iterator[Sample]:
        tags = tuple(sorted(record.tags.items()))
        for field, value in record.fields.items():
            if not isinstance(value, str):
                name = f"{record.measurement}_{field}"
                yield Sample(name, tags, "", record.ns // MS * MS, _short(float(value)))

    def read(self, measurements: Collection[str], begin: int, end: int) -> Iterator[Sample]:
        asked = {"start": f"{begin // MS / 1000:.3f}", "end": f"{(end // MS - 1) / 1000:.3f}"}
        for name in sorted(measurements):
            match = f"{{__name__={json.dumps(name)},site={json.dumps(self._site, ensure_ascii=False)}}}"
            for series in self._wire.lines("/api/v1/export", {**asked, "match[]": match}):
                tags = tuple(sorted((key, tag) for key, tag in series["metric"].items() if key != "__name__"))
                for ms, value in zip(series["timestamps"], series["values"], strict=True):
                    yield Sample(name, tags, "", ms * MS, _short(float(value)))


def plain(value: Value) -> str:
    """A number as a float, whatever the server makes of it: JSON knows one kind."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
    return repr(float(value))


def _short(number: float) -> str:
    """A block of values has one decimal exponent there: of very unlike numbers the last digits go."""
    return f"{number:.9g}"
