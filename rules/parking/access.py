"""May this card pass here? An ordered table of refusals; the first that applies is the answer.

Validity runs from the first to the last of a permit's days, both included. It is asked of whoever wants
in. At an exit it is asked only of a card that is known to be outside: a car that stands inside, or may
stand there, is let out with an expired card, since refusing it would shut a car in. A blocked or
withdrawn card is refused everywhere; the guard opens for it by hand.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from sitewarden.rules.model import Direction, Permit, Verdict, Why
from sitewarden.rules.plan import AntiPassback, Lane


@dataclass(frozen=True, slots=True)
class Question:
    """A known card at a lane, and what the site knows about it."""

    permit: Permit
    lane: Lane
    today: date  # in the site's time zone
    inside: bool | None  # None: not known, it may go either way
    space_taken: bool  # another card of its private space is inside, or on its way in
    full: bool  # no place is left for temporary cards


def judge(question: Question) -> tuple[Verdict, Why]:
    for why, applies in _REFUSALS:
        if applies(question):
            return Verdict.DENIED, why
    if _passed_back(question):
        return Verdict.GRANTED, Why.EXEMPT
    return Verdict.GRANTED, Why.LET_OUT if _early(question) or _late(question) else Why.PERMIT


def _early(q: Question) -> bool:
    return q.today < q.permit.valid_from


def _late(q: Question) -> bool:
    return q.today > q.permit.valid_to


def _validity_counts(q: Question) -> bool:
    return _enters(q) or q.inside is False


def _enters(q: Question) -> bool:
    return q.lane.direction is Direction.IN


def _passed_back(q: Question) -> bool:
    return q.lane.anti_passback is not AntiPassback.OFF and q.inside is _enters(q)


def _refuses_passback(q: Question) -> bool:
    return q.lane.anti_passback is AntiPassback.HARD and _passed_back(q)


_REFUSALS: tuple[tuple[Why, Callable[[Question], bool]], ...] = (
    (Why.BLOCKED, lambda q: q.permit.blocked),
    (Why.NOT_YET_VALID, lambda q: _early(q) and _validity_counts(q)),
    (Why.EXPIRED, lambda q: _late(q) and _validity_counts(q)),
    (Why.WRONG_LANE, lambda q: bool(q.permit.lanes) and q.lane.id not in q.permit.lanes),
    (Why.ALREADY_INSIDE, lambda q: _enters(q) and _refuses_passback(q)),
    (Why.NOT_INSIDE, lambda q: not _enters(q) and _refuses_passback(q)),
    (Why.SPACE_TAKEN, lambda q: _enters(q) and q.space_taken),
    (Why.FULL, lambda q: _enters(q) and q.full),
)
