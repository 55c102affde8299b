"""How a line-protocol server is spoken to: v1 (`/write?db=`) here, v2 in `server_v2.py`.

Neither retries or buffers anything, and both wait no longer than the plan's time-out.
"""

import gzip
import http.client
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlencode

import urllib3

from sitewarden.config.sinks import InfluxPlan, InfluxVersion
from sitewarden.gateway.sinks.answers import Answer, Kind, classify, unanswered

CONNECT = 3.0  # s


class Server(Protocol):
    def prepare(self) -> Answer:
        """Makes sure that the database or bucket is there, as far as the server lets us."""
        ...

    def healthy(self) -> bool: ...

    def write(self, lines: Sequence[bytes]) -> Answer: ...

    def close(self) -> None: ...


class ServerV1:
    """InfluxDB 1.x."""

    def __init__(self, plan: InfluxPlan) -> None:
        self._plan = plan
        timeout = urllib3.Timeout(connect=min(CONNECT, plan.timeout), read=plan.timeout)
        headers = urllib3.make_headers(basic_auth=plan.token) if plan.token else {}
        self._pool = urllib3.PoolManager(1, headers=headers, timeout=timeout, retries=False)
        self._url = plan.url.rstrip("/")
        self._write = f"{self._url}/write?{urlencode({'db': plan.bucket, 'precision': 'ns'})}"

    def prepare(self) -> Answer:
        name = self._plan.bucket.replace("\\", "\\\\").replace('"', '\\"')
        query = urlencode({"q": f'CREATE DATABASE "{name}"'})
        answer = self._post(f"{self._url}/query?{query}", b"", {})
        # Whoever may write but not create is told so by the write, if the database is missing.
        return answer if answer.kind is Kind.LATER else Answer(Kind.TAKEN)

    def healthy(self) -> bool:
        try:
            return self._pool.request("GET", f"{self._url}/ping").status < 300
        except urllib3.exceptions.HTTPError:
            return False

    def write(self, lines: Sequence[bytes]) -> Answer:
        body = b"\n".join(lines)
        if self._plan.gzip:
            return self._post(self._write, gzip.compress(body, 1), {"Content-Encoding": "gzip"})
        return self._post(self._write, body, {})

    def close(self) -> None:
        self._pool.clear()

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        try:
            answer = self._pool.request("POST", url, body=body, headers={**self._pool.headers, **headers})
        except (urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
            return unanswered(error)
        words = answer.data.decode("utf-8", "replace")
        return classify(answer.status, words, answer.headers.get("Retry-After", ""))


def connect(plan: InfluxPlan) -> Server:
    match plan.version:
        case InfluxVersion.V1:
            return ServerV1(plan)
        case InfluxVersion.V2 | InfluxVersion.V3:
            # A third of a second and 29 MB: only for those who have such a server.
            from sitewarden.gateway.sinks.server_v2 import ServerV2  # noqa: PLC0415

            return ServerV2(plan)
