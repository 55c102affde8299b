"""A lane from the swipe to the passage.

A swipe becomes a decision; a granted one a command and a grant. The car is through when the loop under
the arm becomes free again: that passage takes the oldest grant. A passage without one is a car that
nobody let through, and an alarm, unless fire holds the arm up: then it is a stranger's. A card of the
site that is swiped in a fire has a grant as well, so that its passage is its own.

While the loop cannot be seen a car may go through unseen: no passage is recorded, and once its grant has
lapsed nobody knows where the card is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from sitewarden.rules.alarms.book import AlarmBook
from sitewarden.rules.cells import Grant, LaneCell, Swipe
from sitewarden.rules.clock import SiteClock
from sitewarden.rules.model import (
    CardRead,
    Decision,
    Direction,
    Operator,
    Passage,
    Permit,
    PermitKind,
    Quality,
    Reading,
    Stamp,
    Verdict,
    Why,
)
from sitewarden.rules.parking.access import Question, judge
from sitewarden.rules.parking.barrier import Barriers
from sitewarden.rules.parking.occupancy import Occupancy
from sitewarden.rules.plan import Lane, Parking
from sitewarden.rules.state import State


class Lanes:
    def __init__(
        self,
        state: State,
        book: AlarmBook,
        barriers: Barriers,
        occupancy: Occupancy,
        clock: SiteClock,
        plan: Parking,
        permits: Mapping[str, Permit],
    ) -> None:
        self._state, self._book, self._clock = state, book, clock
        self._barriers, self._occupancy = barriers, occupancy
        self._places, self._permits = plan.places, permits
        self._lanes = {lane.id: lane for lane in plan.lanes}
        self._reads = {lane.reader: lane for lane in plan.lanes}

    # -- swipes ----------------------------------------------------------------------------------

    def swiped(self, event: CardRead) -> None:
        """A reader that is at no lane of the site decides nothing."""
        lane = self._reads.get(event.reader)
        if lane is None or self._repeated(lane, event):
            return
        permit = self._permits.get(event.card)
        verdict, why = self._judged(lane, event, permit)
        kind = permit.kind if permit else None
        self._state.emit(Decision(lane.id, event.card, verdict, why, event.at, lane.direction, kind))
        if permit and verdict is Verdict.GRANTED:
            left = self._withdraw(permit.card)
            self._grant(lane, event.at, permit)
            for other in left:
                self._lower(other)

    def operated(self, event: Operator) -> bool:
        """Opens by hand. Returns False without a reason or a lane: then nothing happens."""
        lane = self._lanes.get(event.target)
        if lane is None or not event.reason:
            return False
        decision = Decision(
            lane.id,
            "",
            Verdict.GRANTED,
            Why.OPERATOR,
            event.at,
            lane.direction,
            by=event.by,
            note=event.reason,
        )
        self._state.emit(decision)
        if not self._barriers.held(lane):
            self._grant(lane, event.at)
        return True

    def _repeated(self, lane: Lane, event: CardRead) -> bool:
        """A card that is held at the reader repeats: it is one swipe until it has been away."""
        key, now = f"swipe/{lane.id}", event.at.mono
        last = self._state.get(key, Swipe)
        self._state.put(key, Swipe(event.card, now + lane.repeat))
        return last is not None and last.card == event.card and now < last.until

    def _judged(self, lane: Lane, event: CardRead, permit: Permit | None) -> tuple[Verdict, Why]:
        if self._barriers.held(lane):
            return Verdict.GRANTED, Why.FIRE
        if permit is None:
            return Verdict.DENIED, Why.UNKNOWN_CARD
        inside = self._inside(permit.card)
        today = self._clock.today(event.at)
        question = Question(permit, lane, today, inside, self._space_taken(permit), self._full(permit))
        return judge(question)

    def _inside(self, card: str) -> bool | None:
        """A card whose car stands under an arm counts as through: handed back, it opens nothing. One whose
        car may have gone through unseen may be on either side."""
        for lane in self._lanes.values():
            cell = self._cell(lane)
            for grant in cell.grants:
                if grant.card == card and grant.unseen:
                    return None
                if grant.card == card and cell.under and grant is cell.next:
                    return lane.direction is Direction.IN
        return self._occupancy.inside(card)

    def _space_taken(self, permit: Permit) -> bool:
        """One space, one car: those inside count, and those already let in that are not yet through."""
        if permit.kind is not PermitKind.PRIVATE or not permit.space:
            return False
        coming = {grant.card for grant in self._coming() if grant.space == permit.space}
        return bool((self._occupancy.in_space(permit.space) | coming) - {permit.card})

    def _full(self, permit: Permit) -> bool:
        if permit.kind is not PermitKind.TEMPORARY or not self._places:
            return False
        shared = (PermitKind.MONTHLY, PermitKind.TEMPORARY)
        coming = sum(grant.kind in shared and grant.card != permit.card for grant in self._coming())
        return self._occupancy.count + coming >= self._places

    def _coming(self) -> Iterator[Grant]:
        """Grants of cars on their way in."""
        for lane in self._lanes.values():
            if lane.direction is Direction.IN:
                yield from self._cell(lane).grants

    # -- grants ----------------------------------------------------------------------------------

    def _grant(self, lane: Lane, at: Stamp, permit: Permit | None = None) -> None:
        """Without a permit it explains the passage, and says nothing of whose."""
        cell, lapses = self._cell(lane), at.mono + lane.grant_lapses
        grant = Grant(lapses, unseen=cell.blind)
        if permit:
            grant = replace(grant, card=permit.card, kind=permit.kind, space=permit.space)
        self._put(lane, replace(cell, grants=(*cell.grants, grant), raised=True))
        if not self._barriers.held(lane):
            self._barriers.open(lane, at, lapses)

    def _withdraw(self, card: str) -> list[Lane]:
        """One card, one grant: swiped again, here or at the next lane, only the newest one counts. Returns
        the lanes that had one."""
        left = []
        for lane in self._lanes.values():
            cell = self._cell(lane)
            others = tuple(grant for grant in cell.grants if grant.card != card)
            if others != cell.grants:
                self._unused(cell, others)
                self._put(lane, replace(cell, grants=others))
                left.append(lane)
        return left

    def _unused(self, cell: LaneCell, others: tuple[Grant, ...]) -> None:
        """These are left of the cell's grants, and no passage took the rest: not one that was seen."""
        for grant in cell.grants:
            if grant not in others and (grant.unseen or cell.under):
                self._occupancy.forgive(grant.card)

    def due(self, lane: str, at: Stamp) -> None:
        """Forgets the grants that nobody used, or that nobody saw used: then the car may be anywhere."""
        cell = self._cell(self._lanes[lane])
        rest = _without_lapsed(cell, at)
        self._unused(cell, rest.grants)
        self._put(self._lanes[lane], rest)
        self._lower(self._lanes[lane])

    # -- loops -----------------------------------------------------------------------------------

    def under(self, lane: Lane, reading: Reading) -> None:
        """The loop under the arm. What is not good makes no edge; what it really missed does."""
        cell = self._cell(lane)
        if reading.quality is not Quality.GOOD:
            self._put(lane, cell.unseeing)
            return
        under = bool(reading.value)
        self._put(lane, replace(cell, under=under, blind=False))
        if cell.under and not under:
            self._passed(lane, reading.at)
        self._lower(lane)

    def _passed(self, lane: Lane, at: Stamp) -> None:
        cell = self._cell(lane)
        grant = cell.next
        others = replace(cell, grants=tuple(other for other in cell.grants if other is not grant))
        rest = _without_lapsed(others, at)
        self._unused(others, rest.grants)
        self._put(lane, rest)
        card, kind = (grant.card, grant.kind) if grant else ("", None)
        self._state.emit(Passage(lane.id, card, lane.direction, at, kind))
        if grant and grant.card:
            self._occupancy.passed(grant, lane.direction, at)
        elif grant is None and self._barriers.held(lane):
            self._occupancy.stranger(lane.direction)
        elif grant is None:
            self._book.happened("unexplained_passage", lane.id, at)

    def released(self, lane: Lane, at: Stamp) -> None:
        """The arm is held no longer. A car that stands under it came while it was."""
        cell = replace(self._cell(lane), raised=True)
        if cell.under and not cell.grants:
            self._occupancy.stranger(lane.direction)
            cell = replace(cell, grants=(Grant(at.mono + lane.grant_lapses, unseen=cell.blind),))
        self._put(lane, cell)
        self._lower(lane)

    def _lower(self, lane: Lane) -> None:
        """The arm comes down where it does not by itself: never on a car, nor before one that may go."""
        cell = self._cell(lane)
        free = cell.under is False and not cell.blind and not cell.grants
        if cell.raised and free and not self._barriers.held(lane):
            self._put(lane, replace(cell, raised=False))
            self._barriers.close(lane)

    # -- after a start ---------------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        return all(self._barriers.known(lane) for lane in self._lanes.values())

    def settle(self, at: Stamp) -> None:
        """While nothing ran nobody saw the loops, a crash may have come before an arm was told to come
        down, and cards were withdrawn."""
        self._occupancy.forget_all_but(self._permits)
        for lane in self._lanes.values():
            if not self._barriers.known(lane):
                self._put(lane, replace(self._cell(lane).unseeing, raised=True))

    # -- cells -----------------------------------------------------------------------------------

    def _cell(self, lane: Lane) -> LaneCell:
        return self._state.get(f"lane/{lane.id}", LaneCell) or LaneCell()

    def _put(self, lane: Lane, cell: LaneCell) -> None:
        self._state.put(f"lane/{lane.id}", cell)


def _without_lapsed(cell: LaneCell, at: Stamp) -> LaneCell:
    return replace(cell, grants=tuple(grant for grant in cell.grants if cell.end(grant) > at.mono))
