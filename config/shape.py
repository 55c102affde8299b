"""The configuration file as it is written: sections, keys, ranges. What refers to what is checked later."""

from typing import Annotated, Literal

from pydantic import Field

from sitewarden.config.sink_shape import SinkShape, SpoolShape, TlsShape
from sitewarden.config.types import (
    BY_WORD,
    Duration,
    Endpoint,
    FilePath,
    Host,
    Name,
    Pause,
    Shape,
    Share,
    Span,
    Text,
    Word,
)
from sitewarden.drivers.modbus.points import PROBES
from sitewarden.drivers.plan import Framing, Parity
from sitewarden.rules.model import Direction, Severity
from sitewarden.rules.plan import AntiPassback

Baud = Annotated[int, Field(ge=300, le=4_000_000)]


class SiteShape(Shape):
    id: Name
    name: Text | None = None
    timezone: str = Field(description="a time zone such as 'Asia/Shanghai'")
    language: Literal["zh", "en"] = "zh"


class HttpShape(Shape):
    host: Host = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)


class LinkShape(Shape):
    """A wire: one of `serial`, `tcp` (we connect) and `listen` (the device connects)."""

    serial: FilePath | None = Field(default=None, description="the path of a serial port")
    tcp: Endpoint | None = None
    listen: Endpoint | None = None
    tls: TlsShape | None = None
    baud: Baud = 9600
    line_baud: Baud | None = Field(default=None, description="the speed of the line behind a TCP gateway")
    data_bits: int = Field(default=8, ge=7, le=8)
    parity: Annotated[Parity, BY_WORD] = Parity.NONE
    stop_bits: int = Field(default=1, ge=1, le=2)
    rs485: bool = False
    framing: Annotated[Framing | None, BY_WORD] = None
    echo: bool = Field(default=False, description="the adapter hands back what was sent")
    outstanding: int = Field(default=1, ge=1, le=16, description="requests that may be out at once")
    probes: Share = PROBES


class DeviceShape(Shape):
    """What stands on a link: a card reader alone (`driver`) or a Modbus unit (`unit` and `profile`)."""

    link: str = Field(description="the name of a link")
    driver: str | None = None
    profile: str | None = None
    unit: int | None = None
    scan: dict[str, Pause] = Field(default_factory=dict)
    timeout: Pause | None = Field(
        default=None, description="until a request counts as unanswered; 300ms, or twice the turnaround"
    )
    retries: int = Field(default=1, ge=0, le=10)
    turnaround: Pause | None = None
    heartbeat: Pause | None = None
    title: Text | None = None


class BarrierShape(Shape):
    """Outputs are points of `device`; so are inputs, unless written in full ("io-2.in1")."""

    device: str = Field(description="the device that moves the barrier")
    open: str = Field(description="an output such as 'out1'")
    loop_under: str = Field(description="the input of the loop under the arm")
    loop_before: str = ""
    opened: str = ""
    closed: str = ""
    close: str = ""
    pulse: Pause = 0.5
    opens_within: Pause = 6.0


class LaneShape(Shape):
    direction: Annotated[Direction, BY_WORD] = Field(description="'in' or 'out'")
    reader: str = Field(description="the name of a card reader")
    barrier: BarrierShape = Field(description="the barrier's outputs and inputs")
    anti_passback: Annotated[AntiPassback, BY_WORD] = AntiPassback.HARD
    grant_lapses: Pause = 60.0
    repeat: Duration = 3.0
    title: Text | None = None


class ParkingShape(Shape):
    places: int = Field(default=0, ge=0)
    private_spaces: list[Name] = Field(default_factory=list)
    lanes: dict[Name, LaneShape] = Field(default_factory=dict)


class Bands(Shape):
    """What each interval [low, high) of a supervised line means; a bool point reads as 0 or 1."""

    normal: Span = Field(description="[low, high]")
    fire: Span = Field(description="[low, high]")
    short: Span | None = None
    open: Span | None = None


class FireShape(Shape):
    point: str = Field(description="a point such as 'io-fire.line1'")
    bands: Bands = Field(description="the bands 'normal' and 'fire'")
    debounce: Duration = 0.2
    zone: str = ""
    title: Text | None = None


class AlarmShape(Shape):
    """One of `above`, `below` and `is`."""

    point: str = Field(description="a point such as 'tank-1.level'")
    above: float | None = None
    below: float | None = None
    is_: Word | None = Field(default=None, alias="is")
    severity: Annotated[Severity, BY_WORD] = Field(description="a severity")
    hysteresis: float = Field(default=0.0, ge=0)
    on_delay: Duration = 0.0
    off_delay: Duration = 0.0
    latch: bool = False
    text: Text | None = None
    todo: Text | None = None


class StaleShape(Shape):
    after: Pause = Field(description="a duration such as '30s'")
    severity: Annotated[Severity, BY_WORD] = Severity.MEDIUM


class SiteFile(Shape):
    """The whole file."""

    site: SiteShape = Field(description="the site's id and time zone")
    data: FilePath = Field(default="data", description="the path of a folder")
    commit_limit: Pause = 0.150
    offline_after: Duration = 10.0
    http: HttpShape = HttpShape()
    spool: SpoolShape = SpoolShape()
    links: dict[Name, LinkShape] = Field(default_factory=dict)
    devices: dict[Name, DeviceShape] = Field(default_factory=dict)
    parking: ParkingShape = ParkingShape()
    fire: dict[Name, FireShape] = Field(default_factory=dict)
    alarms: dict[Name, AlarmShape] = Field(default_factory=dict)
    stale: dict[str, StaleShape] = Field(default_factory=dict)
    sinks: dict[Name, SinkShape] = Field(default_factory=dict)
