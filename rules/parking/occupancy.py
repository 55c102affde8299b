"""Who is inside: by card, by private space, and how many."""

from collections import defaultdict

from sitewarden.rules.cells import Grant, Place, Strangers
from sitewarden.rules.model import Direction, PermitKind, Stamp
from sitewarden.rules.state import State


class Occupancy:
    """The cells `inside/<card>` and an index of them. Cars that no card explains are not counted."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._spaces: defaultdict[str, set[str]] = defaultdict(set)  # private space -> cards inside
        self._public: set[str] = set()  # cards inside on places that belong to nobody
        for card, place in state.of("inside", Place):
            self._index(card, place)

    @property
    def count(self) -> int:
        """Cars on the places that monthly and temporary cards share."""
        return len(self._public)

    def inside(self, card: str) -> bool | None:
        """None: not known."""
        place = self._state.get(f"inside/{card}", Place)
        return None if place is None else place.inside

    def in_space(self, space: str) -> set[str]:
        """The cards inside that belong to a private space."""
        return self._spaces.get(space, set())

    def passed(self, grant: Grant, direction: Direction, at: Stamp) -> None:
        if grant.card and grant.kind:
            self._put(grant.card, Place(direction is Direction.IN, grant.kind, grant.space, at))

    def forgive(self, card: str) -> bool:
        """From now on nobody knows where the card's car is. Returns whether somebody did before."""
        known = self.inside(card) is not None
        self._put(card, None)
        return known

    def stranger(self) -> None:
        """A car went through a held barrier, and nobody knows which."""
        met = self._state.get("strangers", Strangers) or Strangers(0)
        self._state.put("strangers", Strangers(met.cars + 1))

    def forgive_after_strangers(self) -> None:
        """The barriers close again: where strangers passed, nobody can tell who is still inside."""
        if self._state.get("strangers", Strangers):
            self._state.put("strangers", None)
            for card, _ in self._state.of("inside", Place):
                self.forgive(card)

    def _put(self, card: str, place: Place | None) -> None:
        if old := self._state.get(f"inside/{card}", Place):
            self._public.discard(card)
            self._spaces[old.space].discard(card)
        self._state.put(f"inside/{card}", place)
        if place:
            self._index(card, place)

    def _index(self, card: str, place: Place) -> None:
        if not place.inside:
            return
        if place.kind is PermitKind.PRIVATE:
            self._spaces[place.space].add(card)
        else:
            self._public.add(card)
