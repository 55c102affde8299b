"""Everything the core remembers, as keyed frozen cells, and how the journal writes a cell down.

A key is a prefix of `KINDS`, then a slash and whom the cell is about: `lane/north-in`, `inside/00A1B2`.
The site as a whole has the keys `clock`, `fire`, `outputs` and `strangers`. A cell that waits for an
instant says so in `due` (mono seconds): the timers of the core are nothing but its cells.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from sitewarden.rules.codec import decode, encode
from sitewarden.rules.model import Alarm, FireKind, FireStage, PermitKind, Reading, Reason, Stamp, Value


@dataclass(frozen=True, slots=True)
class Grant:
    """A car that may go through a lane. An operator's opening is a grant without a card."""

    lapses: float
    card: str = ""
    kind: PermitKind | None = None
    space: str = ""
    unseen: bool = False  # its car may have gone through while nobody could see the loop


STUCK = 600.0  # s a car may stand under an arm beyond its grant: one that broke down there is away by then


@dataclass(frozen=True, slots=True)
class LaneCell:
    """Who may still go through, oldest first, and the last good word of the loop under the arm."""

    grants: tuple[Grant, ...] = ()
    under: bool | None = None
    blind: bool = False  # what the loop says now is not good
    raised: bool = False  # the arm may be up, and was not told since to come down

    @property
    def due(self) -> float | None:
        return min((self.end(grant) for grant in self.grants), default=None)

    def end(self, grant: Grant) -> float:
        """No grant lapses while a car is seen under the arm: it may be the one that was granted. A loop
        that sees one for much longer is stuck."""
        return grant.lapses + (STUCK if self.under and not self.blind else 0.0)

    @property
    def next(self) -> Grant | None:
        """Whose passage the next one is: rather a car that must still be there than one that may be gone."""
        return min(self.grants, key=lambda grant: grant.unseen, default=None)

    @property
    def unseeing(self) -> "LaneCell":
        """The same while the loop cannot be seen."""
        return replace(self, blind=True, grants=tuple(replace(grant, unseen=True) for grant in self.grants))


@dataclass(frozen=True, slots=True)
class Arm:
    """One barrier: its limit switches (None: not known), and what was asked of it."""

    opened: bool | None = None
    closed: bool | None = None
    held: bool = False  # fire: the output is set
    rises_until: float = 0.0  # an arm that leaves `closed` later than this was forced
    due: float | None = None  # `opened` is expected by then


@dataclass(frozen=True, slots=True)
class Output:
    device: str
    name: str


@dataclass(frozen=True, slots=True)
class Outputs:
    """Every output that moves a barrier, or did: one that the plan has no longer may still be on."""

    known: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Swipe:
    """The last card at a lane's reader."""

    card: str
    until: float  # the same card is the same swipe until then


@dataclass(frozen=True, slots=True)
class Place:
    """Where a card's car is, after its last passage. No cell: not known."""

    inside: bool
    kind: PermitKind
    space: str
    at: Stamp
    strangers: int = 0  # that had passed by then: one more, and this place is a guess

    @property
    def shared(self) -> bool:
        """Whether the car stands on one of the places that monthly and temporary cards share."""
        return self.inside and self.kind is not PermitKind.PRIVATE


@dataclass(frozen=True, slots=True)
class Strangers:
    """Cars that went through held barriers and that nobody knows. No cell: none."""

    cars: int
    balance: int = 0  # how many more of them came in than went out, as far as nobody has found out since


@dataclass(frozen=True, slots=True)
class Pending:
    """A condition's on-delay, or its off-delay while its alarm stands."""

    until: float
    waits: bool = True  # False: the time is over, the next good value decides

    @property
    def due(self) -> float | None:
        return self.until if self.waits else None


@dataclass(frozen=True, slots=True)
class Watch:
    """When a point that reports nothing good becomes stale; None: it is."""

    due: float | None
    bad: bool = False  # what it reported last was not good


@dataclass(frozen=True, slots=True)
class Contact:
    """Whether a device can be reached. One that cannot, and has no `due` any more, has its alarm."""

    up: bool
    due: float | None = None
    reason: Reason = Reason.LINK_DOWN


@dataclass(frozen=True, slots=True)
class Fire:
    """The site is on fire, or its barriers still wait for an operator. No cell: all is well."""

    stage: FireStage
    panels: tuple[str, ...]  # that say fire now, the first one first
    due: float  # the outputs are set again


@dataclass(frozen=True, slots=True)
class Said:
    """What a supervised line means."""

    kind: FireKind
    zone: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class LineCell:
    """A supervised line: what holds, and what will once it has lasted until `due`."""

    now: Said | None = None
    then: Said | None = None
    due: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """The gateway has said in this run that it is in this trouble, and not yet that it is over."""


@dataclass(frozen=True, slots=True)
class Writing:
    """A value is being written to a point."""

    value: Value
    by: str
    note: str
    asked: Stamp
    due: float  # it lapses


@dataclass(frozen=True, slots=True)
class Clock:
    """Whether the wall clock is believed, and the last date in the site's zone on which it was."""

    trusted: bool
    today: date
    due: float | None  # the next local midnight


KINDS: Mapping[str, type] = {
    "alarm": Alarm,
    "arm": Arm,
    "clock": Clock,
    "contact": Contact,
    "fire": Fire,
    "good": Reading,  # the last good reading of a point that a rule watches
    "inside": Place,
    "lane": LaneCell,
    "line": LineCell,
    "outputs": Outputs,
    "strangers": Strangers,
    "swipe": Swipe,
    "timer": Pending,
    "trouble": Told,
    "watch": Watch,
    "write": Writing,
}

KEPT: frozenset[type] = frozenset({Alarm, Clock, Fire, LaneCell, Outputs, Pending, Place, Strangers, Writing})
"""What must survive a crash. The rest is learnt anew from the devices within seconds."""


def kind_of(key: str) -> type:
    """Raises ValueError for a key that no cell of ours has."""
    kind = KINDS.get(key.partition("/")[0])
    if kind is None:
        raise ValueError(f"no cell is called {key!r}")
    return kind


def dump(cell: object) -> str:
    return encode(cell)


def load(key: str, text: str) -> object:
    """Raises ValueError for an unknown key or a text that `dump` did not write for such a key."""
    cell: object = decode(kind_of(key), json.loads(text), key)
    return cell
