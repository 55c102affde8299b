"""The vocabulary that every part of the gateway speaks. Standard library only.

Events come in, effects go out, and both are frozen values. Decisions and alarms carry codes and
parameters, never sentences: one catalogue renders them for the page, the message and the terminal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Stamp:
    """One instant: `wall` (aware, UTC) for records, `mono` (seconds) for every duration."""

    wall: datetime
    mono: float


# -- what is measured ----------------------------------------------------------------------------


class Quality(StrEnum):
    GOOD = "good"
    STALE = "stale"
    BAD = "bad"


class Reason(StrEnum):
    """Why a reading is not good. `NONE` goes with `Quality.GOOD` only."""

    NONE = ""
    TIMEOUT = "timeout"
    LINK_DOWN = "link_down"
    ILLEGAL_FUNCTION = "illegal_function"  # Modbus exceptions 1 to 11 (V1.1b3, clause 7)
    ILLEGAL_ADDRESS = "illegal_address"
    ILLEGAL_VALUE = "illegal_value"
    DEVICE_FAILURE = "device_failure"
    ACKNOWLEDGED = "acknowledged"  # 5: it takes long; ask again later
    BUSY = "busy"
    NEGATIVE = "negative_acknowledge"  # 7, of older devices
    MEMORY_PARITY = "memory_parity"
    NO_PATH = "no_path"  # 10: a gateway has no way to the unit
    NO_ANSWER = "no_answer"  # 11: a gateway got no answer from it
    EXCEPTION = "exception"  # any other exception code
    OUT_OF_RANGE = "out_of_range"
    NOT_AVAILABLE = "not_available"  # the device's own "no value" pattern, such as 0xFFFF
    PROTOCOL = "protocol"  # what came cannot be what was asked for
    DRIVER = "driver"  # our own bug: the driver raised and was set aside
    OLD = "old"  # nothing came for longer than the rule allows


Value = float | int | bool | str


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one point, as it was at the instant of the read.

    `value` is None only when there never was one. A bad reading repeats the last value. So does a stale
    one, which no driver says: the core does, of a point that is to be watched for it.
    """

    point: str  # "pump-1.pressure"
    value: Value | None
    at: Stamp
    quality: Quality = Quality.GOOD
    reason: Reason = Reason.NONE


# -- events: what happens to the site ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CardRead:
    reader: str
    card: str
    at: Stamp


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """A device became reachable or stopped being so. `reason` is a code (see `Reason`)."""

    device: str
    up: bool
    at: Stamp
    reason: Reason = Reason.NONE


class FireKind(StrEnum):
    NORMAL = "normal"
    FIRE = "fire"
    FAULT = "fault"  # broken or shorted line, panel fault, supervision lost


@dataclass(frozen=True, slots=True)
class FireSignal:
    """What a panel or a supervised contact says. `component` and `text` are the panel's own words."""

    panel: str
    kind: FireKind
    at: Stamp
    zone: str = ""
    component: str = ""
    text: str = ""


class Action(StrEnum):
    """What an operator can do."""

    ACKNOWLEDGE = "acknowledge"  # target: alarm id
    OPEN = "open"  # target: lane; a reason is required
    RESET_FIRE = "reset_fire"  # target: "" (the site)
    RESET_LATCH = "reset_latch"  # target: alarm id
    FORGIVE = "forgive"  # target: card; its place (inside or outside) becomes unknown
    WRITE = "write"  # target: point; `value` and a reason are required


@dataclass(frozen=True, slots=True)
class Operator:
    action: Action
    target: str
    by: str
    at: Stamp
    reason: str = ""
    value: Value | None = None


class Outcome(StrEnum):
    """How a write ended."""

    VERIFIED = "verified"  # read back as it was written
    SENT = "sent"  # to every unit at once, which none of them answers
    REFUSED = "refused"  # by the device, with an exception
    UNVERIFIED = "unverified"  # confirmed, and read back as something else
    LAPSED = "lapsed"  # not confirmed or not read back in time: nobody knows


@dataclass(frozen=True, slots=True)
class WriteEnded:
    """What a driver says of the write that `Do.WRITE` asked for. None: not known, or no value."""

    point: str
    outcome: Outcome
    at: Stamp
    before: Value | None = None  # as it was read last before
    read: Value | None = None  # as it was read back
    reason: Reason = Reason.NONE  # of the refusal


class PermitKind(StrEnum):
    MONTHLY = "monthly"  # 月保卡
    TEMPORARY = "temporary"  # 临时卡
    PRIVATE = "private"  # 私家车位卡


@dataclass(frozen=True, slots=True)
class Permit:
    """A card as the service centre issued it.

    Valid from the first to the last of its days, both included, in the site's time zone: a card paid
    to the 30th opens until local midnight that ends the 30th. `space` is the private space that
    the card belongs to; cards that share a space share its one place inside.
    """

    card: str
    kind: PermitKind
    valid_from: date
    valid_to: date
    holder: str = ""
    plate: str = ""
    space: str = ""
    blocked: bool = False
    lanes: frozenset[str] = frozenset()  # empty: every lane


@dataclass(frozen=True, slots=True)
class PermitChanged:
    """A permit was issued or altered (`permit`) or withdrawn (None). The journal holds it already."""

    card: str
    permit: Permit | None
    at: Stamp


@dataclass(frozen=True, slots=True)
class Trouble:
    """The gateway's own trouble (late journal, full spool, sink away …); `on` False: it is over.

    `code` names the alarm; `subject` what it is about. What does not last has happened and is over at
    once: its alarm waits only to be acknowledged. What lasts does so until the gateway says that it is
    over, or starts anew.
    """

    code: str
    subject: str
    on: bool
    at: Stamp
    params: Mapping[str, Value] = field(default_factory=dict)
    lasts: bool = True


@dataclass(frozen=True, slots=True)
class ClockTrust:
    """Whether the wall clock may be believed. While it may not, permits are judged by `last_trusted`."""

    trusted: bool
    at: Stamp


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passing is an event too."""

    at: Stamp


Event = (
    Reading
    | CardRead
    | LinkChanged
    | FireSignal
    | Operator
    | WriteEnded
    | PermitChanged
    | Trouble
    | ClockTrust
    | Tick
)


# -- effects: what the site decides --------------------------------------------------------------


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


class Verdict(StrEnum):
    GRANTED = "granted"
    DENIED = "denied"


class Why(StrEnum):
    """Reason codes of a decision at a lane; every denial has one."""

    PERMIT = "permit"  # granted: a valid permit
    EXEMPT = "exempt"  # granted: anti-passback is soft here, and was broken
    LET_OUT = "let_out"  # granted at an exit: today is none of its days, but its car may stand inside
    FIRE = "fire"  # granted: the barriers are held open, the swipe is recorded
    OPERATOR = "operator"  # granted: a guard opened by hand
    UNKNOWN_CARD = "unknown_card"
    BLOCKED = "blocked"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    WRONG_LANE = "wrong_lane"
    ALREADY_INSIDE = "already_inside"  # anti-passback
    NOT_INSIDE = "not_inside"  # anti-passback at an exit
    SPACE_TAKEN = "space_taken"  # another car stands in this private space
    FULL = "full"  # no place left for temporary cards


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided at a lane about a card (or an operator, then `card` is empty)."""

    lane: str
    card: str
    verdict: Verdict
    why: Why
    at: Stamp
    direction: Direction
    kind: PermitKind | None = None
    by: str = ""  # the operator, when there was one
    note: str = ""  # the operator's reason


@dataclass(frozen=True, slots=True)
class Passage:
    """A car went through: the loop under the arm became free again. `card` is empty for a car
    that no decision explains (tailgating, or while the barrier was held)."""

    lane: str
    card: str
    direction: Direction
    at: Stamp
    kind: PermitKind | None = None


class Do(StrEnum):
    PULSE = "pulse"  # on for `seconds`, then off
    SET = "set"  # on, and kept on whatever pulses come
    CLEAR = "clear"  # off
    WRITE = "write"  # `value`, once; how that ended comes back as `WriteEnded`


@dataclass(frozen=True, slots=True)
class Command:
    """Something for a device to do.

    `ahead`: the effects of the same step are durable before this is sent (write ahead); without it
    the command goes out at once (fire).
    """

    device: str
    output: str  # a writable point of the device, without the device's name: "out1"
    do: Do
    seconds: float = 0.0
    ahead: bool = True
    value: Value | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """A value that somebody wanted to be written to a point, and what came of it."""

    point: str
    value: Value
    by: str  # the operator, or the rule's id
    note: str  # the operator's reason
    asked: Stamp
    outcome: Outcome
    at: Stamp
    before: Value | None = None
    read: Value | None = None
    reason: Reason = Reason.NONE


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class AlarmState(StrEnum):
    """ISA-18.2 / IEC 62682 states (figure 2); shelved and suppressed come with their rules."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned_unacknowledged"
    LATCHED = "latched"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm as it stands. `id` is stable: `<rule>` or `<code>:<subject>`."""

    id: str
    code: str  # the message's key in the catalogue
    severity: Severity
    state: AlarmState
    raised: Stamp
    subject: str = ""  # point, device, lane or panel
    params: Mapping[str, Value] = field(default_factory=dict)
    by: str = ""  # who acknowledged


@dataclass(frozen=True, slots=True)
class AlarmChange:
    alarm: Alarm
    before: AlarmState
    at: Stamp
    by: str = ""


class FireStage(StrEnum):
    NORMAL = "normal"
    FIRE = "fire"  # a panel says fire; every barrier is held
    HELD = "held"  # no panel says fire any more; the barriers wait for an operator


@dataclass(frozen=True, slots=True)
class FireChange:
    before: FireStage
    after: FireStage
    at: Stamp
    panel: str = ""
    zone: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Keep:
    """A cell of the core's state changed; None: it is gone. The journal stores the newest of each key,
    and a `Core` that is built on them goes on from there (`cells.py`)."""

    key: str
    cell: object | None


Record = Decision | Passage | AlarmChange | FireChange | Operator | Write | Keep
"""What the journal stores. Everything a step returned of these is one transaction."""

Effect = Reading | LinkChanged | Command | Record
