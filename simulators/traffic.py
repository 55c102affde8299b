"""Who comes to which lane, and when: residents by the hour of the day, strangers now and then.

Arrivals are a Poisson process whose rate follows the hour (thinning, Lewis and Shedler 1979). Every
permit is one car that is at home or away; where it is changes only when it went under the arm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from sitewarden.rules.model import Direction, Permit
from sitewarden.rules.plan import Lane
from sitewarden.simulators.gate import Car, Visit

LEAVING = (4, 2, 1, 1, 3, 15, 65, 165, 150, 70, 45, 40, 45, 50, 45, 40, 45, 55, 50, 40, 30, 20, 12, 7)
COMING = (8, 4, 2, 1, 1, 4, 12, 25, 30, 35, 40, 55, 60, 45, 40, 45, 65, 130, 155, 100, 60, 40, 27, 16)
TRIPS_A_DAY = 1.4  # a car
STRANGERS, CARDLESS, TAILGATERS = 0.03, 0.01, 0.02  # of all who come to a lane


@dataclass(frozen=True, slots=True)
class Arrival:
    lane: str
    cars: tuple[Car, ...]


class Traffic:
    def __init__(
        self, lanes: Sequence[Lane], permits: Sequence[Permit], chance: Random, at_least: float = 0.0
    ) -> None:
        """`at_least`: cars an hour at the quietest time of the day."""
        self._lanes = {
            direction: [lane.id for lane in lanes if lane.direction is direction] for direction in Direction
        }
        self._chance, self._at_least = chance, at_least
        self._cards = [permit.card for permit in permits]
        self._home = self._at_start(permits)
        self._on_the_way: set[str] = set()
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

    def arrival(self, hour: int) -> Arrival | None:
        """Who it is; None: he thought better of it."""
        chance = self._chance
        out_share = LEAVING[hour] / (LEAVING[hour] + COMING[hour])
        direction = Direction.OUT if chance.random() < out_share else Direction.IN
        lanes = self._lanes[direction] or self._lanes[Direction.IN] or self._lanes[Direction.OUT]
        car = self._who(direction)
        if car is None:
            return None
        followed = chance.random() < TAILGATERS
        return Arrival(chance.choice(lanes), (car, Car(tailgates=True)) if followed else (car,))

    def ended(self, visit: Visit) -> None:
        """A car that went through is on the other side now."""
        self._on_the_way.discard(visit.car.card)
        if visit.through and visit.car.card in self._cards:
            if visit.direction is Direction.IN:
                self._home.add(visit.car.card)
            else:
                self._home.discard(visit.car.card)

    def sets_out(self, car: Car) -> None:
        """A car is on its way to a lane, whoever sent it."""
        self._on_the_way.add(car.card)

    def may_go(self, card: str, direction: Direction) -> bool:
        """Whether the card's car stands on the side from which it could go that way."""
        return card not in self._on_the_way and (card in self._home) is (direction is Direction.OUT)

    def _who(self, direction: Direction) -> Car | None:
        luck = self._chance.random()
        if luck < STRANGERS:
            return Car(f"{self._chance.randrange(1 << 40):010X}")
        if luck < STRANGERS + CARDLESS:
            return Car()
        cards = [card for card in self._cards if self.may_go(card, direction)]
        return Car(self._chance.choice(cards)) if cards else None

    def _rate(self, hour: int) -> float:
        """Cars an hour at all lanes."""
        share = (LEAVING[hour] + COMING[hour]) / (sum(LEAVING) + sum(COMING))
        return max(self._at_least, 2 * TRIPS_A_DAY * len(self._cards) * share)

    def _at_start(self, permits: Sequence[Permit]) -> set[str]:
        """At first most are at home; of those who share a space, one."""
        home: set[str] = set()
        taken: set[str] = set()
        for permit in permits:
            if permit.space not in taken and self._chance.random() < 0.7:
                home.add(permit.card)
                taken |= {permit.space} - {""}
        return home
