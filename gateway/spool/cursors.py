"""What each destination still has to get, and what is there to be had: sets of stretches of line numbers.

A set is a sorted tuple of stretches that have no line in common. The last stretch of each rank has no end
(it goes to `Rank.end`): it is the live lane, and what is below it is backlog. Nothing here knows of a disk.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sitewarden.gateway.spool.blocks import Rank, Stretch

Stretches = tuple[Stretch, ...]

_ENDS = {rank.end for rank in Rank}


def is_live(stretch: Stretch) -> bool:
    return stretch.upto in _ENDS


def subtract(stretches: Iterable[Stretch], gone: Iterable[Stretch]) -> Stretches:
    """What of the set is not in the other one."""
    left = list(stretches)
    for hole in gone:
        left = [piece for stretch in left for piece in _around(stretch, hole)]
    return tuple(left)


def intersect(one: Stretches, other: Stretches) -> Stretches:
    return subtract(one, subtract(one, other))


def union(*sets: Iterable[Stretch]) -> Stretches:
    """Backlog that touches becomes one stretch; a live one stays for itself."""
    joined: list[Stretch] = []
    for stretch in sorted(stretch for each in sets for stretch in each):
        if joined and _joins(joined[-1], stretch):
            joined[-1] = Stretch(joined[-1].after, max(joined[-1].upto, stretch.upto))
        else:
            joined.append(stretch)
    return tuple(joined)


def _joins(one: Stretch, later: Stretch) -> bool:
    touch = one.upto == later.after and not is_live(one) and not is_live(later)
    return later.after < one.upto or touch


def total(stretches: Iterable[Stretch]) -> int:
    return sum(stretch.count for stretch in stretches)


def _around(stretch: Stretch, hole: Stretch) -> Iterable[Stretch]:
    if hole.upto <= stretch.after or stretch.upto <= hole.after:
        yield stretch
        return
    if stretch.after < hole.after:
        yield Stretch(stretch.after, hole.after)
    if hole.upto < stretch.upto:
        yield Stretch(hole.upto, stretch.upto)


@dataclass(frozen=True, slots=True)
class Cursors:
    """All of them at one instant; what changes them returns others. `newest` are the numbers of the ranks'
    newest lines, `stored` what is in the file, `pending` what of it a destination lacks."""

    newest: Mapping[Rank, int]
    stored: Stretches
    pending: Mapping[str, Stretches]

    # -- what is ---------------------------------------------------------------------------------

    @property
    def appended(self) -> int:
        """Lines there ever were."""
        return sum(newest - rank.base for rank, newest in self.newest.items())

    def reached(self, stretches: Iterable[Stretch]) -> Stretches:
        """As far as there are lines yet."""
        bounded = (Stretch(it.after, min(it.upto, self.newest[Rank.of(it.upto)])) for it in stretches)
        return tuple(it for it in bounded if it.count > 0)

    def lane(self, destination: str, live: bool) -> Stretches:
        """What waits in it: events before readings, the oldest first in each."""
        stretches = self.pending.get(destination, ())
        return self.reached(it for it in stretches if is_live(it) is live)

    def waiting(self, destination: str) -> int:
        return total(self.reached(self.pending.get(destination, ())))

    def kept(self) -> Stretches:
        """What everybody has."""
        return subtract(self.reached(self.stored), self.lacking())

    def lacking(self) -> Stretches:
        """What somebody has not."""
        return self.reached(union(*self.pending.values()))

    # -- what becomes of it ----------------------------------------------------------------------

    def grown(self, rank: Rank, count: int) -> "Cursors":
        return replace(self, newest={**self.newest, rank: self.newest[rank] + count})

    def had(self, lines: Stretch) -> "Cursors":
        """Nobody lacks them."""
        pending = {name: subtract(stretches, (lines,)) for name, stretches in self.pending.items()}
        return replace(self, pending=pending)

    def serving(self, destinations: Sequence[str]) -> "Cursors":
        """These and no others. A new one gets all there is."""
        return replace(self, pending={name: self.pending.get(name, self.stored) for name in destinations})

    def without(self, gone: Stretches) -> "Cursors":
        """These lines are not to be had any more."""
        pending = {name: subtract(stretches, gone) for name, stretches in self.pending.items()}
        return replace(self, stored=subtract(self.stored, gone), pending=pending)

    def done(self, destination: str, taken: Stretch, held: Stretches = ()) -> "Cursors":
        """It has what it lacked of them, but for what was held: that is backlog from now on."""
        before = self.pending.get(destination, ())
        held = intersect(before, held)
        left = union(subtract(before, (taken,)), held)
        return replace(self, pending={**self.pending, destination: left}) if before else self

    def parted(self, destination: str, at: int) -> "Cursors":
        """Its live stretch as far as `at` is backlog from now on."""
        return self.done(destination, Stretch(at, at), ())

    def only(self, destination: str, lines: Stretch) -> "Cursors":
        """They are its backlog, and nobody else's."""
        pending = {name: subtract(stretches, (lines,)) for name, stretches in self.pending.items()}
        pending[destination] = union(pending[destination], (lines,))
        return replace(self, pending=pending)
