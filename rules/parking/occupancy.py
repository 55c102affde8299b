"""Who is inside: by card, by private space, and how many.

A car that passes a held barrier unknown moves the count by its direction, and makes every card's place a
guess: whose car it was, nobody can tell. A guess refuses nobody. The card's next passage makes its place
certain again; one that contradicts the guess shows that the stranger was this car, and corrects the count.
"""

from collections import defaultdict
from collections.abc import Container
from dataclasses import replace

from sitewarden.rules.cells import Grant, Place, Strangers
from sitewarden.rules.model import Direction, Stamp
from sitewarden.rules.state import State


def cars_inside(cards: int, strangers: Strangers) -> int:
    """From the cards whose car is on a shared place, as far as anybody knows."""
    return max(0, cards + strangers.balance)


class Occupancy:
    """The cells `inside/<card>` and `strangers`, and an index of them."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._spaces: defaultdict[str, set[str]] = defaultdict(set)  # private space -> cards inside
        self._shared: set[str] = set()  # cards inside on places that belong to nobody
        for card, place in state.of("inside", Place):
            self._index(card, place)

    @property
    def count(self) -> int:
        """Cars on the places that monthly and temporary cards share."""
        return cars_inside(len(self._shared), self._strangers)

    def inside(self, card: str) -> bool | None:
        """None: not known, or a guess."""
        place = self._state.get(f"inside/{card}", Place)
        return place.inside if place and self._certain(place) else None

    def in_space(self, space: str) -> set[str]:
        """The cards that are certainly inside and belong to a private space."""
        return {card for card in self._spaces.get(space, ()) if self.inside(card)}

    def passed(self, grant: Grant, direction: Direction, at: Stamp) -> None:
        if not grant.card or not grant.kind:
            return
        enters, met = direction is Direction.IN, self._strangers
        guess = self._state.get(f"inside/{grant.card}", Place)
        if guess and not self._certain(guess) and guess.inside is enters:
            self._state.put("strangers", replace(met, balance=met.balance + (1 if enters else -1)))
        self._put(grant.card, Place(enters, grant.kind, grant.space, at, met.cars))

    def forgive(self, card: str) -> bool:
        """From now on nobody knows where the card's car is. Returns whether somebody did before."""
        known = self._state.get(f"inside/{card}", Place) is not None
        self._put(card, None)
        return known

    def forget_all_but(self, cards: Container[str]) -> None:
        """A card that is none any more would never be swiped out."""
        for card, _ in self._state.of("inside", Place):
            if card not in cards:
                self.forgive(card)

    def stranger(self, direction: Direction) -> None:
        """A car went through a held barrier, and nobody knows which."""
        met, step = self._strangers, 1 if direction is Direction.IN else -1
        self._state.put("strangers", Strangers(met.cars + 1, met.balance + step))

    @property
    def _strangers(self) -> Strangers:
        return self._state.get("strangers", Strangers) or Strangers(0)

    def _certain(self, place: Place) -> bool:
        return place.strangers == self._strangers.cars

    def _put(self, card: str, place: Place | None) -> None:
        if old := self._state.get(f"inside/{card}", Place):
            self._shared.discard(card)
            self._spaces[old.space].discard(card)
        self._state.put(f"inside/{card}", place)
        if place:
            self._index(card, place)

    def _index(self, card: str, place: Place) -> None:
        if place.shared:
            self._shared.add(card)
        elif place.inside:
            self._spaces[place.space].add(card)
