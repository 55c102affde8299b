"""Who comes to which lane, and when: residents by the hour of the day, strangers now and then.

Arrivals are a Poisson process whose rate follows the hour (thinning, Lewis and Shedler 1979). While as many
cars are at home as the hour wants, one half of them leaves and the other comes. The more stand on the wrong
side, the more of them go, and nobody goes who is not there: whatever kept the cars in or out, the number
inside comes back to the curve of the day, and a side that nobody has left goes quiet.

Every permit is one car that is at home or away. Where it is changes when it went under an arm, or goes a way
that has no lane.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from sitewarden.rules.model import Direction, Permit
from sitewarden.rules.plan import Lane
from sitewarden.simulators.gate import Car, Visit

# By the hour: of a day's trips, per mille, and of all cars, those that are to be at home, in per cent.
TRIPS = (6, 3, 2, 1, 2, 10, 38, 95, 90, 52, 43, 48, 52, 48, 43, 43, 55, 92, 102, 70, 45, 30, 19, 11)
AT_HOME = (93, 93, 93, 93, 93, 85, 70, 40, 28, 30, 38, 42, 43, 42, 42, 43, 50, 66, 80, 86, 90, 92, 93, 93)
TRIPS_A_DAY = 2.8  # of a car, out and in
STRANGERS, CARDLESS, TAILGATERS = 0.03, 0.01, 0.02  # of all who come to a lane
STAYS = 300.0  # s at least on the side that a car went to
GIVES_UP = 3600.0, 10_800.0  # s until one who was turned away tries again


@dataclass(frozen=True, slots=True)
class Arrival:
    lane: str
    cars: tuple[Car, ...]


class Traffic:
    def __init__(
        self,
        lanes: Sequence[Lane],
        permits: Sequence[Permit],
        chance: Random,
        hour: int,
        at_least: float | None = 0.0,
    ) -> None:
        """`hour`: at the start; `at_least`: cars an hour at the quietest time of the day; None: nobody."""
        self._lanes = {way: [lane.id for lane in lanes if lane.direction is way] for way in Direction}
        self._chance, self._at_least = chance, at_least
        self._cards = [permit.card for permit in permits]
        self._home = self._at_start(permits, hour)
        self._on_the_way: set[str] = set()
        self._rests_until: dict[str, float] = {}
        self._busiest = max(self._rate(hour) for hour in range(24))

    def next_after(self, mono: float, second_of_day: float) -> float | None:
        """The instant of the next arrival; `second_of_day` is the site's time at `mono`."""
        if self._busiest <= 0.0:
            return None
        when = 0.0
        while True:
            when += self._chance.expovariate(self._busiest / 3600.0)
            if self._chance.random() * self._busiest <= self._rate(int((second_of_day + when) // 3600) % 24):
                return mono + when

    def arrival(self, mono: float, hour: int) -> Arrival | None:
        """Who it is; None: nobody who would go is there, or he goes a way that has no lane, unseen."""
        luck = self._chance.random()
        if luck < STRANGERS + CARDLESS:
            return self._comes(Direction.IN, self._unknown_card() if luck < STRANGERS else "")
        resident = self._resident(mono, hour)
        if resident is None:
            return None
        way, card = resident
        if not self._lanes[way]:
            self._moved(card, way)
        return self._comes(way, card)

    def ended(self, visit: Visit) -> None:
        """A car that went through is on the other side now, and stays a while; one that did not gives up."""
        card = visit.car.card
        self._on_the_way.discard(card)
        if card not in self._cards:
            return
        pause = STAYS if visit.through else self._chance.uniform(*GIVES_UP)
        self._rests_until[card] = visit.mono + pause
        if visit.through:
            self._moved(card, visit.direction)

    def sets_out(self, car: Car) -> None:
        """A car is on its way to a lane, whoever sent it."""
        self._on_the_way.add(car.card)

    def at_home(self, card: str) -> bool:
        return card in self._home

    def may_go(self, card: str, way: Direction) -> bool:
        """Whether the card's car stands on the side from which it could go that way."""
        return card not in self._on_the_way and self.at_home(card) is (way is Direction.OUT)

    def _comes(self, way: Direction, card: str) -> Arrival | None:
        if not self._lanes[way]:
            return None
        followed = self._chance.random() < TAILGATERS
        cars = (Car(card), Car(tailgates=True)) if followed else (Car(card),)
        return Arrival(self._chance.choice(self._lanes[way]), cars)

    def _moved(self, card: str, way: Direction) -> None:
        if way is Direction.OUT:
            self._home.discard(card)
        else:
            self._home.add(card)

    def _resident(self, mono: float, hour: int) -> tuple[Direction, str] | None:
        """A way and the card of who takes it, both by how many wait on which side."""
        rested = [card for card in self._cards if self._rests_until.get(card, mono) <= mono]
        if not rested:
            return None
        home = len(self._cards) * AT_HOME[hour] / 100
        leavers = [card for card in rested if self.may_go(card, Direction.OUT)]
        comers = [card for card in rested if self.may_go(card, Direction.IN)]
        leaving, coming = len(leavers) / home, len(comers) / (len(self._cards) - home)  # 1: as usual
        luck = self._chance.random() * max(2.0, leaving + coming)
        if luck < leaving:
            return Direction.OUT, self._chance.choice(leavers)
        if luck < leaving + coming:
            return Direction.IN, self._chance.choice(comers)
        return None

    def _unknown_card(self) -> str:
        return f"{self._chance.randrange(1 << 40):010X}"

    def _rate(self, hour: int) -> float:
        """Cars an hour at all lanes."""
        if self._at_least is None:
            return 0.0
        return max(self._at_least, TRIPS_A_DAY * len(self._cards) * TRIPS[hour] / sum(TRIPS))

    def _at_start(self, permits: Sequence[Permit], hour: int) -> set[str]:
        """Of those who share a space, one at most."""
        home: set[str] = set()
        taken: set[str] = set()
        for permit in permits:
            if permit.space not in taken and self._chance.random() * 100 < AT_HOME[hour]:
                home.add(permit.card)
                taken |= {permit.space} - {""}
        return home
