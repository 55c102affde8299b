"""Where telemetry goes: frozen values that the sinks of the gateway are built from."""

from dataclasses import dataclass, field
from enum import StrEnum


class InfluxVersion(StrEnum):
    V1 = "v1"  # /write?db=…: InfluxDB 1.x
    V2 = "v2"  # /api/v2/write: InfluxDB 2.x and 3.x, VictoriaMetrics


@dataclass(frozen=True, slots=True)
class InfluxPlan:
    """A time-series server that speaks line protocol.

    `bucket` is the database of a v1 server. A v1 server with authentication takes `user:password` as
    its token. `batch` is lines a request; 5,000 is what the servers' makers advise.
    """

    name: str
    url: str  # "http://127.0.0.1:8086"
    version: InfluxVersion = InfluxVersion.V2
    bucket: str = "sitewarden"
    org: str = ""
    token: str = field(default="", repr=False)
    batch: int = 5000
    gzip: bool = False  # worth it over a WAN only
    timeout: float = 10.0  # s until a request counts as unanswered


@dataclass(frozen=True, slots=True)
class MqttPlan:
    """An MQTT broker. `prefix` is the first level of every topic."""

    name: str
    host: str
    port: int = 1883
    username: str = ""
    password: str = field(default="", repr=False)
    prefix: str = "sitewarden"
    tls: bool = False  # verified against the system's certificates


SinkPlan = InfluxPlan | MqttPlan
