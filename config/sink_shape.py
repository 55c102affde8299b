"""The sections `spool` and `sinks` as they are written: how long telemetry may wait, and where it goes."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from sitewarden.config.sinks import InfluxVersion, Kind, Payload
from sitewarden.config.types import (
    BY_WORD,
    NO_SECRET,
    Duration,
    FilePath,
    Host,
    Pause,
    Secret,
    Shape,
    Size,
    Url,
)
from sitewarden.config.words import switched

MIB = 1 << 20
WEEK = 7 * 86_400.0  # s
COMMAND = r"^(lane/[^\s#+/]+|lane/\+)/open$|^(alarm/[^\s#+/]+|alarm/\+)/acknowledge$"


class SpoolShape(Shape):
    """Telemetry that waits for its servers, and stays for a while once they have it. Where there is no
    room, what they have goes first, then the oldest."""

    most: Size = 512 * MIB
    keep: Duration = WEEK


class TlsShape(Shape):
    """Files in PEM: who signs the other end's certificate (without it the system's authorities), and ours."""

    ca: FilePath | None = Field(default=None, description="the path of a file")
    cert: FilePath | None = Field(default=None, description="the path of a file")
    key: FilePath | None = Field(default=None, description="the path of a file")
    name: Host | None = Field(default=None, description="a name that its certificate has")


class FilterShape(Shape):
    """What a destination is given; without a key, all of it."""

    kinds: list[Annotated[Kind, BY_WORD]] = Field(default_factory=list)
    points: list[str] = Field(default_factory=list)
    personal: bool = True


EVERYTHING = FilterShape()
Backlog = Annotated[int, Field(ge=0, description="lines a second of what an outage left; 0: no limit")]


class InfluxShape(Shape):
    type: Literal["influxdb"]
    version: Annotated[InfluxVersion, BY_WORD] = InfluxVersion.V2
    url: Url = Field(description="a URL such as 'http://127.0.0.1:8086'")
    org: str = ""
    bucket: str = Field(min_length=1, description="a bucket; with version v1 or v3 a database")
    token: Secret = NO_SECRET
    batch: int = Field(default=5000, ge=1, le=100_000)
    gzip: bool = False
    timeout: Pause = 10.0
    tls: TlsShape | None = None
    only: FilterShape = EVERYTHING
    backlog: Backlog = 0


class CommandShape(Shape):
    """What the broker may ask for, and as who."""

    topic: str = Field(pattern=COMMAND, description="'lane/<lane>/open' or 'alarm/<id>/acknowledge'")
    role: Literal["guard", "engineer"]


class MqttShape(Shape):
    type: Literal["mqtt"]
    host: Host = Field(description="a host name")
    port: int | None = Field(default=None, ge=1, le=65535)
    username: str = ""
    password: Secret = NO_SECRET
    prefix: str = Field(default="sitewarden", pattern=r"^[^\s#+]+$", description="levels of a topic")
    tls: Annotated[TlsShape | None, BeforeValidator(switched)] = None
    payload: Annotated[Payload, BY_WORD] = Payload.JSON
    home_assistant: str = Field(default="", pattern=r"^[^\s#+]*$", description="its discovery prefix")
    group: str = Field(default="sitewarden", pattern=r"^[^\s#+/]+$", description="one level of a topic")
    primary_host: str = Field(default="", pattern=r"^[^\s#+/]*$", description="one level of a topic")
    commands: list[CommandShape] = Field(default_factory=list)
    only: FilterShape = EVERYTHING
    backlog: Backlog = 0


SinkShape = Annotated[InfluxShape | MqttShape, Field(discriminator="type")]
