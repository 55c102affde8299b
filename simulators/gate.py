"""One lane as it stands on the street: the arm, the loops before and under it, the queue of cars.

A visit is a script: a generator whose yields say in how many seconds its driver looks again.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from random import Random

from sitewarden.rules.model import Direction
from sitewarden.rules.plan import Lane
from sitewarden.simulators.card_reader import CardReaderTwin
from sitewarden.simulators.plant.arm import Arm

LOOKS_EVERY = 0.25  # s in which a waiting driver looks at the arm
PATIENCE, TRIES = 8.0, 2  # s from the swipe until the driver tries again or, at last, gives up
HURRIED_PATIENCE, HURRIED_TRIES = 3.0, 1
REACHES_ARM, UNDER_ARM = 0.7, 3.0  # s from the reader to the arm, and on the loop under it
GAP = 1.5  # s between a car and the one that follows on its bumper


@dataclass(frozen=True, slots=True)
class Car:
    card: str = ""  # "": its driver has none, and hopes
    tailgates: bool = False  # comes right behind the one before it
    hurries: bool = False  # its driver holds the card out at once, and gives up soon


@dataclass(frozen=True, slots=True)
class Visit:
    """How a visit ended: `through` the arm, or turned away."""

    mono: float
    lane: str
    direction: Direction
    car: Car
    through: bool


class Gate:
    def __init__(
        self, lane: Lane, reader: CardReaderTwin, chance: Random, mono: float, ended: Callable[[Visit], None]
    ) -> None:
        """`ended` hears of every visit when the car is gone."""
        self.lane, self.reader = lane, reader
        self.arm = Arm(mono)
        self.before = False  # the loop before the arm
        self.wake_at: float | None = None
        self._chance, self._ended, self._now = chance, ended, mono
        self._queue: deque[Car] = deque()
        self._script: Iterator[float] | None = None

    @property
    def cars(self) -> int:
        """The one at the arm and those that are behind it."""
        return len(self._queue) + (self.before or self.arm.under)

    def arrive(self, car: Car, mono: float) -> None:
        """A car joins the queue."""
        self._queue.append(car)
        if self._script is None:
            self._script, self.wake_at = self._visits(), mono

    def advance(self, mono: float) -> None:
        """Plays what the drivers do up to `mono`, each act at its own instant."""
        while self._script and self.wake_at is not None and self.wake_at <= mono:
            self._now = self.wake_at
            self.arm.advance(self._now)
            pause = next(self._script, None)
            if pause is None:
                self._script = self.wake_at = None
            else:
                self.wake_at = self._now + pause
        self.arm.advance(mono)

    def _visits(self) -> Iterator[float]:
        while self._queue:
            car = self._queue.popleft()
            through = yield from self._visit(car)
            self._ended(Visit(self._now, self.lane.id, self.lane.direction, car, through))
            follows = self._queue and (self._queue[0].tailgates or self._queue[0].hurries)
            yield GAP if follows else self._chance.uniform(5.0, 8.0)

    def _visit(self, car: Car) -> Generator[float, None, bool]:
        """Comes, asks to be let in, and goes: through the arm or back."""
        self.before = True
        through = car.tailgates and self.arm.opened
        patience, tries = (HURRIED_PATIENCE, HURRIED_TRIES) if car.hurries else (PATIENCE, TRIES)
        for _ in range(0 if through else tries):
            yield 0.0 if car.hurries else self._chance.uniform(1.2, 3.0)  # window down, hand out
            if car.card:
                self.reader.hold(car.card, self._now)
            if through := (yield from self._arm_opens(patience)):
                yield REACHES_ARM
                if through := self.arm.opened:
                    break
        if through:
            yield from self._drive_under()
        else:
            yield 3.0  # reverse gear
        self.before = False
        return through

    def _arm_opens(self, patience: float) -> Generator[float, None, bool]:
        patience_ends = self._now + patience
        while not self.arm.opened and self._now < patience_ends:
            yield LOOKS_EVERY
        return self.arm.opened

    def _drive_under(self) -> Iterator[float]:
        self.arm.car(True, self._now)
        yield UNDER_ARM / 3
        self.before = False
        yield UNDER_ARM * 2 / 3
        self.arm.car(False, self._now)
