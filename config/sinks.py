"""Where telemetry goes: frozen values that the sinks of the gateway are built from."""

from dataclasses import dataclass, field
from enum import StrEnum

from sitewarden.drivers.plan import Tls


class InfluxVersion(StrEnum):
    V1 = "v1"  # /write?db=…: InfluxDB 1.x
    V2 = "v2"  # /api/v2/write: InfluxDB 2.x, VictoriaMetrics
    V3 = "v3"  # /api/v2/write as well: InfluxDB 3; only how a database is made differs


class Payload(StrEnum):
    """What a broker is told in."""

    JSON = "json"  # a topic a thing, as gateway/sinks/mqtt/topics.py has it
    SPARKPLUG = "sparkplug"  # Sparkplug B 3.0


class Kind(StrEnum):
    """What there is to tell: the measurements of docs/telemetry.md."""

    READING = "reading"
    POINT = "point"
    DEVICE = "device"
    ALARM = "alarm"
    DECISION = "decision"
    PASSAGE = "passage"
    FIRE = "fire"
    WRITE = "write"
    LOSS = "loss"
    GATEWAY = "gateway"
    SINK = "sink"
    SITE = "site"


@dataclass(frozen=True, slots=True)
class Filter:
    """What a destination is given of what there is; empty: all of it."""

    kinds: frozenset[Kind] = frozenset()
    points: tuple[str, ...] = ()  # patterns of full names, "pump-*.pressure"; what is no reading passes
    personal: bool = True  # whether events name the card (masked) and its kind


ALL = Filter()


@dataclass(frozen=True, slots=True)
class InfluxPlan:
    """A time-series server that speaks line protocol.

    `bucket` is the database of a v1 or v3 server. A v1 server with authentication takes `user:password` as
    its token. `batch` is lines a request at most: how many it is depends on how fast the server answers.
    `backlog` is the most lines a second of what an outage left behind; 0: as fast as it goes.
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
    tls: Tls | None = None  # with https: other authorities than the system's, or a certificate of ours
    only: Filter = ALL
    backlog: int = 0


@dataclass(frozen=True, slots=True)
class CommandPlan:
    """One topic below `<prefix>/<site>/command/` on which the broker may tell us to do something:
    `lane/<lane>/open` or `alarm/<id>/acknowledge`; a `+` stands for any one. What it may do is what
    `role` may do."""

    topic: str
    role: str


@dataclass(frozen=True, slots=True)
class MqttPlan:
    """An MQTT broker. `prefix` is the first level of every topic."""

    name: str
    host: str
    port: int = 1883
    username: str = ""
    password: str = field(default="", repr=False)
    prefix: str = "sitewarden"
    tls: Tls | None = None
    only: Filter = ALL
    backlog: int = 0  # as above
    payload: Payload = Payload.JSON
    home_assistant: str = ""  # the prefix of its discovery, "homeassistant"; empty: it is not told
    group: str = "sitewarden"  # Sparkplug's group id; the edge node is the site
    primary_host: str = ""  # Sparkplug's: nothing is sent while that host is away; empty: none
    commands: tuple[CommandPlan, ...] = ()


SinkPlan = InfluxPlan | MqttPlan
