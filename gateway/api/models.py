"""What the API says, as JSON. Codes everywhere, and beside them the words in the caller's language."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sitewarden.drivers.modbus.points import Kind
from sitewarden.gateway.board import Arm, Trend
from sitewarden.gateway.issuing import card_number
from sitewarden.gateway.ledger.causes import Cause
from sitewarden.gateway.sinks.base import Going
from sitewarden.rules.model import (
    AlarmState,
    Direction,
    FireStage,
    Outcome,
    PermitKind,
    Quality,
    Reason,
    Severity,
    Value,
    Verdict,
    Why,
)

CardNumber = Annotated[str, AfterValidator(card_number)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Item = TypeVar("Item", bound=Model)


class Fire(Model):
    stage: FireStage
    since: datetime | None
    panel: str
    zone: str
    unknown: list[str] = Field(description="panels whose line is in fault or silent")


class Sink(Model):
    name: str
    up: bool
    waiting: int = Field(description="lines or messages that are not delivered yet")
    lost: int


class SiteOut(Model):
    id: str
    name: Mapping[str, str]
    language: str
    now: datetime
    started: datetime
    version: str
    clock_trusted: bool
    fire: Fire
    inside: int
    places: int
    open_alarms: int
    sinks: list[Sink]
    spool_bytes: int
    spool_limit: int


class PointOut(Model):
    point: str
    device: str
    label: str
    unit: str
    value: Value | None
    text: str = Field(description="the value as the page shows it")
    quality: Quality | None = Field(description="null: never read")
    reason: Reason
    at: datetime | None
    trend: Trend
    normal: tuple[float | None, float | None] = Field(description="the band of normal values, both included")
    type: Kind
    writable: bool
    limits: tuple[float | None, float | None] = Field(description="what may be written, both included")


class DeviceOut(Model):
    device: str
    title: str
    link: str
    profile: str
    up: bool | None = Field(description="null: nothing heard yet")
    since: datetime | None
    reason: Reason


class DecisionOut(Model):
    lane: str
    card: str
    verdict: Verdict
    why: Why
    text: str
    at: datetime
    direction: Direction
    kind: PermitKind | None
    by: str
    note: str


class PassageOut(Model):
    lane: str
    card: str
    direction: Direction
    at: datetime
    kind: PermitKind | None


class LaneOut(Model):
    lane: str
    title: str
    direction: Direction
    arm: Arm
    car_before: bool
    car_under: bool
    decision: DecisionOut | None
    passage: PassageOut | None


class AlarmOut(Model):
    id: str
    code: str
    severity: Severity
    state: AlarmState
    raised: datetime
    subject: str
    params: Mapping[str, Value]
    by: str
    text: str
    todo: str


class AlarmChangeOut(Model):
    alarm: AlarmOut
    before: AlarmState
    at: datetime
    by: str


class CardOut(Model):
    card: str
    kind: PermitKind
    valid_from: date
    valid_to: date
    holder: str
    plate: str
    space: str
    blocked: bool
    lanes: list[str]


class CardIn(Model):
    kind: PermitKind
    valid_from: date
    valid_to: date
    holder: str = ""
    plate: str = ""
    space: str = ""
    blocked: bool = False
    lanes: list[str] = Field(default_factory=list, max_length=100)


class CardPatch(Model):
    kind: PermitKind | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    holder: str | None = None
    plate: str | None = None
    space: str | None = None
    blocked: bool | None = None
    lanes: list[str] | None = Field(None, max_length=100)


class PageOut(Model, Generic[Item]):
    """Some of a collection that grows. `next`, as the query parameter `after`, asks for those that follow."""

    items: list[Item]
    next: str | None = Field(description="null: there are no more")


class BucketOut(Model):
    at: datetime
    low: float
    mean: float
    high: float
    last: float


class TrendOut(Model):
    point: str
    unit: str
    since: datetime
    until: datetime
    rows: list[BucketOut]


class DestinationOut(Model):
    name: str
    state: Going
    text: str = Field(description="the state in words")
    up: bool
    since: datetime | None = Field(description="when `up` changed last; null: not yet")
    error: str = Field(description="what went wrong last, in the server's words; it may be long over")
    error_at: datetime | None
    lag: float = Field(description="s that the oldest of what is new has been waiting")
    waiting: int = Field(description="lines that are not delivered yet, the backlog with them")
    backlog: int = Field(description="lines of them that an outage left")
    oldest: datetime | None = Field(description="the first instant of the backlog")
    drained_in: float | None = Field(description="s until there is no backlog; null: none, or not known")
    draining: bool = Field(description="the backlog goes as fast as the server takes it")
    rate: float = Field(description="lines/s now")
    batch: int = Field(description="lines a request now, by how fast the server answers")
    sent: int = Field(description="lines, since the start of the gateway")
    rejected: int = Field(description="lines, since the start of the gateway")
    dead_letters: int = Field(description="rejected lines that are kept")


class SpoolOut(Model):
    bytes: int = Field(description="of what somebody still lacks")
    limit: int
    undelivered: int = Field(description="lines that somebody still lacks")
    oldest: datetime | None = Field(description="the first instant of them")
    kept: int = Field(description="lines that all have; they go as soon as their room is wanted")
    held: int = Field(description="lines that wait until the clock can be believed")
    lost: int = Field(description="lines, since the start of the gateway")
    set_aside: int = Field(description="broken files, since the start of the gateway")


class TelemetryOut(Model):
    now: datetime
    clock_trusted: bool
    written: int = Field(description="bytes that the gateway had written to disks since it started")
    destinations: list[DestinationOut]
    spool: SpoolOut | None = Field(description="null: telemetry goes nowhere, so nothing is spooled")


class LossOut(Model):
    since: datetime | None = Field(description="null: not known")
    until: datetime | None = Field(description="null: it lasts, or is not known")
    subject: str = Field(description="a device or a point; empty: all of them")
    label: str
    destination: str = Field(description="who lacks it; empty: everybody")
    cause: Cause
    why: str
    text: str
    count: int = Field(description="lines; 0: nobody knows how many")
    note: str


class DeadLetterOut(Model):
    id: int
    destination: str
    line: str
    why: str = Field(description="in the server's words")


class OpenIn(Model):
    reason: str


class WriteIn(Model):
    value: Value
    reason: str


class WriteOut(Model):
    point: str
    value: Value
    by: str = Field(description="the operator, or the rule")
    note: str
    asked: datetime
    outcome: Outcome
    text: str
    at: datetime
    before: Value | None = Field(description="null: not known")
    read: Value | None = Field(description="null: not read back")
    reason: Reason


class DrainIn(Model):
    on: bool


class DeadLettersIn(Model):
    ids: list[int] = Field(min_length=1, max_length=1000)


class DeadLettersDone(Model):
    count: int = Field(description="as many of them as there still were")


class RecordIn(Model):
    on: bool


class RecordOut(Model):
    link: str
    path: str


class ReadingOut(Model):
    point: str
    value: Value | None
    quality: Quality
    reason: Reason
    at: datetime


class DeviceChangeOut(Model):
    device: str
    up: bool
    reason: Reason
    at: datetime


class FireChangeOut(Model):
    before: FireStage
    after: FireStage
    panel: str
    zone: str
    by: str
    at: datetime


class ReloadOut(Model):
    changed: list[str]


class Done(Model):
    done: bool = True
