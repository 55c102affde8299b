"""How a line-protocol server is spoken to: one connection, one request at a time, nothing retried.

| | written to | database made by | is it well |
|---|---|---|---|
| v1 | `/write?db=` | `/query`, CREATE DATABASE | `/ping` |
| v2 | `/api/v2/write?org=&bucket=` | the client's buckets API | `/ping` |
| v3 | `/api/v2/write?bucket=` | `/api/v3/configure/database` | `/health` |

Sources: InfluxDB 1.8 API reference; InfluxDB 2.7 API; InfluxDB 3 Core API v3.8. VictoriaMetrics speaks v1 and
v2 and has no databases.
"""

import gzip
import http.client
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import urlencode

import urllib3

from sitewarden.config.sinks import InfluxPlan, InfluxVersion
from sitewarden.gateway.clock import boot_seconds
from sitewarden.gateway.sinks.answers import Answer, Kind, classify, unanswered
from sitewarden.gateway.sinks.base import Lane, Transport
from sitewarden.gateway.sinks.load import Whole
from sitewarden.gateway.tls import calling

CONNECT = 3.0  # s
ASK = 3.0  # s until a question of ours counts as unanswered: it finds out whether the server is there
LONGEST = 1 << 20  # bytes of an answer; a v1 server names every line that it rejects
TAKEN = Answer(Kind.TAKEN)
UNREACHABLE = (urllib3.exceptions.HTTPError, http.client.HTTPException)
THERE = (200, 201, 204, 409)  # 409: there was one before


class LineServer(Transport):
    """What every version has in common."""

    path: str
    wellness: str

    def __init__(self, plan: InfluxPlan, query: Mapping[str, str], headers: Mapping[str, str]) -> None:
        self.plan, self._headers = plan, dict(headers)
        self._gzipped = {**headers, "Content-Encoding": "gzip"}
        self._base = plan.url.rstrip("/")
        self._url = f"{self._base}{self.path}?{urlencode({**query, 'precision': 'ns'})}"
        self._patient = urllib3.Timeout(connect=min(CONNECT, plan.timeout), read=plan.timeout)
        self._quick = urllib3.Timeout(connect=min(CONNECT, plan.timeout), read=min(ASK, plan.timeout))
        self._pool = self._pooled()
        self._unmade = ""  # why there may be no database

    def prepare(self) -> Answer:
        """A database that cannot be made may be there all the same, for somebody who may only write; if it
        is not, the answer to a write says both."""
        if self.plan.tls:
            self.renew()
        made = self.make()
        if made.kind is Kind.LATER:
            return made
        self._unmade = "" if made.kind is Kind.TAKEN else made.words
        return TAKEN

    def renew(self) -> None:
        """Reads the certificate files again: a certificate that was refused may be another by now.
        Raises OSError."""
        old, self._pool = self._pool, self._pooled()
        old.clear()

    @abstractmethod
    def make(self) -> Answer:
        """The database, unless it is there."""

    def send(self, lines: Sequence[bytes], lane: Lane) -> Answer:
        body = lines.body if isinstance(lines, Whole) else b"\n".join(lines)
        if self.plan.gzip:
            answer = self._post(self._url, gzip.compress(body, 1), self._gzipped, self._patient, lines)
        else:
            answer = self._post(self._url, body, self._headers, self._patient, lines)
        if answer.status == 404 and self._unmade:
            return replace(answer, words=f"{answer.words}; and making it: {self._unmade}")
        return answer

    def site_changed(self) -> None:
        """What is stored stays true of its time."""

    def healthy(self) -> bool:
        url = f"{self._base}{self.wellness}"
        try:
            answer = self._pool.request(
                "GET", url, headers=self._headers, timeout=self._quick, preload_content=False
            )
            _said(answer, ASK)
        except UNREACHABLE:
            return False
        return answer.status < 300

    def close(self) -> None:
        self._pool.clear()

    def ask(self, path: str, body: bytes = b"", about: Mapping[str, str] = MappingProxyType({})) -> Answer:
        return self._post(f"{self._base}{path}", body, {**self._headers, **about}, self._quick)

    def _pooled(self) -> urllib3.PoolManager:
        tls = self.plan.tls
        return urllib3.PoolManager(
            1,
            retries=False,
            ssl_context=calling(tls) if tls else None,
            server_hostname=tls.name or None if tls else None,
        )

    def _post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout: urllib3.Timeout,
        lines: Sequence[bytes] = (),
    ) -> Answer:
        try:
            answer = self._pool.request(
                "POST", url, body=body, headers=headers, timeout=timeout, preload_content=False
            )
            words = _said(answer, self.plan.timeout)
        except UNREACHABLE as error:
            return unanswered(error)
        retry_after, date = (answer.headers.get(name, "") for name in ("Retry-After", "Date"))
        return classify(answer.status, words, retry_after, date, lines)


def sayable(token: str) -> str:
    """The token, if a header can have it. Raises ValueError, which does not show it."""
    if not (token.isascii() and token.isprintable()):
        raise ValueError("the token has characters that no header can have")
    return token


def _said(answer: urllib3.BaseHTTPResponse, within: float) -> str:
    """As much as says what is the matter: an answer may come drop by drop, or never end."""
    end, body = boot_seconds() + within, b""
    while piece := answer.read1(LONGEST):
        body += piece
        if len(body) >= LONGEST or boot_seconds() >= end:
            answer.close()
            break
    return body.decode("utf-8", "replace")


class ServerV1(LineServer):
    path, wellness = "/write", "/ping"

    def __init__(self, plan: InfluxPlan) -> None:
        headers = urllib3.make_headers(basic_auth=sayable(plan.token)) if plan.token else {}
        super().__init__(plan, {"db": plan.bucket}, headers)

    def make(self) -> Answer:
        """Says 200 to what it cannot do as well, and why not."""
        name = self.plan.bucket.replace("\\", "\\\\").replace('"', '\\"')
        answer = self.ask("/query?" + urlencode({"q": f'CREATE DATABASE "{name}"'}))
        if answer.kind is Kind.TAKEN and '"error"' in answer.words:
            return replace(answer, kind=Kind.REFUSED)
        return answer


class ServerV3(LineServer):
    path, wellness = "/api/v2/write", "/health"

    def __init__(self, plan: InfluxPlan) -> None:
        headers = {"Authorization": f"Bearer {sayable(plan.token)}"} if plan.token else {}
        super().__init__(plan, {"bucket": plan.bucket}, headers)

    def make(self) -> Answer:
        body = json.dumps({"db": self.plan.bucket}).encode()
        answer = self.ask("/api/v3/configure/database", body, {"Content-Type": "application/json"})
        return replace(answer, kind=Kind.TAKEN) if answer.status in THERE else answer


def connect(plan: InfluxPlan) -> Transport:
    match plan.version:
        case InfluxVersion.V1:
            return ServerV1(plan)
        case InfluxVersion.V2:
            # A fifth of a second and 14 MB: only for those who have such a server.
            from sitewarden.gateway.sinks.server_v2 import ServerV2  # noqa: PLC0415

            return ServerV2(plan)
        case InfluxVersion.V3:
            return ServerV3(plan)
