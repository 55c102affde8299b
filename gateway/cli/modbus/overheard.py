"""What passes on a line as a list that one can read: an entry for each frame and each thing that is wrong."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median

from sitewarden.drivers.modbus.sniff import (
    REFUSAL,
    Fault,
    Frame,
    Heard,
    Said,
    Side,
    Spoilt,
    Talk,
    Unanswered,
)
from sitewarden.gateway.cli.modbus.telling import asked, told
from sitewarden.rules.model import Stamp

Passing = tuple[Heard, Side | None] | None
"""What was heard, and who said it where that is known; None: the line rests for so long that nobody waits for
an answer any more."""


class Kind(StrEnum):
    REQUEST = "request"
    ANSWER = "answer"
    REFUSAL = "refusal"
    UNANSWERED = "unanswered"
    CHECK = "check"  # no frame: the check is wrong
    GLITCH = "glitch"  # no frame: too short for one


MARKS: Mapping[Kind, str] = {Kind.REQUEST: "→", Kind.ANSWER: "←"}  # of all others "!"
SPOILT: Mapping[Fault, tuple[Kind, str]] = {
    Fault.CHECK: (Kind.CHECK, "no frame: the check is wrong"),
    Fault.GLITCH: (Kind.GLITCH, "no frame: too short for one"),
}
TOLERANCE = 0.8  # of the silence: no clock is exact


@dataclass(frozen=True, slots=True)
class Entry:
    at: Stamp
    kind: Kind
    what: str  # in words
    raw: bytes = b""
    unit_id: int | None = None
    gap: float | None = None  # s of silence before it
    seconds: float | None = None  # of an answer: since its request
    hurried: bool = False  # the silence before it was too short

    @property
    def mark(self) -> str:
        return MARKS.get(self.kind, "!")


def entries(passing: Iterable[Passing], silence: float = 0.0) -> Iterator[Entry]:
    """`silence`: s that have to be between two frames; 0: that is not looked at."""
    talk = Talk()
    for one in passing:
        match one:
            case None:
                yield from map(_lost, talk.over())
            case Spoilt() as spoilt, _:
                kind, what = SPOILT[spoilt.fault]
                yield Entry(spoilt.at, kind, what, spoilt.raw)
            case Frame() as frame, side:
                for item in talk.heard(frame, side):
                    yield _lost(item) if isinstance(item, Unanswered) else _said(item, silence)


def _said(said: Said, silence: float) -> Entry:
    frame = said.frame
    kind = Kind.REQUEST if said.side is Side.MASTER else Kind.ANSWER
    if kind is Kind.ANSWER and frame.pdu[0] & REFUSAL:
        kind = Kind.REFUSAL
    hurried = frame.gap is not None and frame.gap < silence * TOLERANCE
    seconds = frame.at.mono - said.asked.at.mono if said.asked else None
    return Entry(frame.at, kind, told(said), frame.raw, frame.unit_id, frame.gap, seconds, hurried)


def _lost(lost: Unanswered) -> Entry:
    frame = lost.asked
    return Entry(frame.at, Kind.UNANSWERED, f"no answer to: {asked(frame.pdu)}", unit_id=frame.unit_id)


@dataclass(slots=True)
class Counts:
    """Of everything that was heard, or of one unit."""

    kinds: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    hurried: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        self.kinds[entry.kind] += 1
        self.hurried += entry.hurried
        if entry.seconds is not None:
            self.seconds.append(entry.seconds)

    @property
    def median(self) -> float | None:
        """s from a request to its answer."""
        return median(self.seconds) if self.seconds else None
