"""`/api/v2/write`: InfluxDB 2.x and 3.x, VictoriaMetrics, by way of influxdb-client.

The client's own batching loses data when a server is away, so each write is one synchronous request.
"""

import http.client
from collections.abc import Callable, Sequence

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from sitewarden.config.sinks import InfluxPlan
from sitewarden.gateway.sinks.answers import Answer, Kind, classify, unanswered
from sitewarden.gateway.sinks.servers import CONNECT


class ServerV2:
    def __init__(self, plan: InfluxPlan) -> None:
        self._plan = plan
        self._client = InfluxDBClient(
            url=plan.url,
            token=plan.token,
            org=plan.org,
            timeout=(int(min(CONNECT, plan.timeout) * 1000), int(plan.timeout * 1000)),
            enable_gzip=plan.gzip,
            retries=False,
        )
        self._writer = self._client.write_api(write_options=SYNCHRONOUS)

    def prepare(self) -> Answer:
        answer = _ask(self._find_bucket)
        # A server without buckets (VictoriaMetrics), or a token that may only write: the write will tell.
        return answer if answer.kind is Kind.LATER else Answer(Kind.TAKEN)

    def healthy(self) -> bool:
        return bool(self._client.ping())

    def write(self, lines: Sequence[bytes]) -> Answer:
        body = b"\n".join(lines)
        return _ask(lambda: self._writer.write(self._plan.bucket, self._plan.org, body))

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]

    def _find_bucket(self) -> None:
        buckets = self._client.buckets_api()
        if not buckets.find_bucket_by_name(self._plan.bucket):  # type: ignore[no-untyped-call]
            buckets.create_bucket(bucket_name=self._plan.bucket, org=self._plan.org)


def _ask(request: Callable[[], object]) -> Answer:
    try:
        request()
    except ApiException as error:
        retry_after = str(error.headers.get("Retry-After", "")) if error.headers else ""
        return classify(error.status or 0, str(error.body or error.reason), retry_after)
    except (urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
        return unanswered(error)
    return Answer(Kind.TAKEN)
