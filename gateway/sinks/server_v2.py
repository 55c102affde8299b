"""InfluxDB 2.x: its buckets are looked after by influxdb-client, its writes are requests of our own.

The client's batching loses data when a server is away, and its synchronous write copies every body.
"""

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException

from sitewarden.config.sinks import InfluxPlan
from sitewarden.gateway.sinks.answers import Answer, classify, unanswered
from sitewarden.gateway.sinks.servers import ASK, CONNECT, TAKEN, UNREACHABLE, LineServer, sayable
from sitewarden.gateway.tls import calling


class ServerV2(LineServer):
    path, wellness = "/api/v2/write", "/ping"

    def __init__(self, plan: InfluxPlan) -> None:
        headers = {"Authorization": f"Token {sayable(plan.token)}"} if plan.token else {}
        super().__init__(plan, {"org": plan.org, "bucket": plan.bucket}, headers)
        self._client = _client(plan)

    def renew(self) -> None:
        super().renew()
        old, self._client = self._client, _client(self.plan)
        old.close()  # type: ignore[no-untyped-call]

    def make(self) -> Answer:
        """VictoriaMetrics has no buckets, and a token that may only write cannot see any."""
        try:
            self._find_bucket()
        except ApiException as error:
            if not error.status:  # TLS failed
                return unanswered(error)
            retry_after = str(error.headers.get("Retry-After", "")) if error.headers else ""
            return classify(error.status, str(error.body or error.reason), retry_after)
        except UNREACHABLE as error:
            return unanswered(error)
        return TAKEN

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]
        super().close()

    def _find_bucket(self) -> None:
        buckets = self._client.buckets_api()
        if not buckets.find_bucket_by_name(self.plan.bucket):  # type: ignore[no-untyped-call]
            buckets.create_bucket(bucket_name=self.plan.bucket, org=self.plan.org)


def _client(plan: InfluxPlan) -> InfluxDBClient:
    client = InfluxDBClient(
        url=plan.url,
        token=plan.token,
        org=plan.org,
        timeout=tuple(int(min(seconds, plan.timeout) * 1000) for seconds in (CONNECT, ASK)),
        retries=False,
        ssl_context=calling(plan.tls) if plan.tls else None,
    )
    if plan.tls and plan.tls.name:
        pool = client.api_client.rest_client.pool_manager
        pool.connection_pool_kw["server_hostname"] = plan.tls.name
    return client
