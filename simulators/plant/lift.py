"""A passenger lift: calls come, it travels, its doors open, people get in and out; it can trap one.

A table says how each phase goes on, and the position between two floors is a formula, so the lift is
exact at any instant and wakes only when a phase ends.
"""

from enum import StrEnum
from math import inf
from random import Random

FLOOR_HEIGHT = 3.0  # m
CRUISE = 1.5  # m/s mean over a trip; the peak of the smooth curve is half as much again
DOOR_MOVES, DOOR_STAYS = 2.4, 4.5  # s
TRAPPED_AFTER = 10.0  # s between two floors with a person in the cabin, until it is called a trap
ASTRAY_AFTER = 45.0  # s between two floors at all, until that is a fault of its own
HOURLY_CALLS = (2, 1, 1, 1, 2, 8, 25, 45, 38, 22, 18, 20, 24, 20, 17, 18, 24, 38, 44, 38, 28, 18, 10, 4)


class Phase(StrEnum):
    WAITING = "waiting"
    TRAVELLING = "travelling"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    STUCK = "stuck"


class Lift:
    def __init__(
        self, chance: Random, mono: float, lowest: int = 1, highest: int = 10, doors: int = 0
    ) -> None:
        """`doors`: how often they opened before."""
        self.lowest, self.highest = lowest, highest
        self.phase = Phase.WAITING
        self.person = False
        self.doors, self.floors_run = doors, 3 * doors  # door openings and floors travelled since installed
        self.position = 1.0  # in floors
        self.speed = 0.0  # m/s, positive upwards
        self.trip_seconds, self.trip_metres = 0.0, 0.0  # of the last trip
        self.due = mono  # the end of the phase
        self._chance, self._at, self._begun = chance, mono, mono
        self._route: list[int] = []
        self._from, self._to = 1, 1

    @property
    def levelled(self) -> bool:
        return abs(self.position - round(self.position)) < 0.01 and not self.speed

    @property
    def acceleration(self) -> float:
        """m/s², the highest of the last trip, at its start and at its stop."""
        return 6.0 * self.trip_metres / self.trip_seconds**2 if self.trip_seconds else 0.0

    @property
    def door_open(self) -> bool:
        return self.phase in (Phase.OPENING, Phase.OPEN, Phase.CLOSING)

    def stuck_for(self, mono: float) -> float:
        """s"""
        return mono - self._begun if self.phase is Phase.STUCK else 0.0

    def advance(self, mono: float, hour: int) -> None:
        """Brings the lift to `mono`; `hour` (0 to 23, local) says how busy the house is."""
        while self.due <= mono:
            self._at = self.due
            self._next_phase(hour)
        self._at = mono
        self._move()

    def trap(self, mono: float) -> None:
        """A passenger is in the cabin and it stops between two floors."""
        self._move()
        if self.phase is Phase.STUCK:
            return
        if self.levelled:
            self._from = round(self.position)
            self._to = self._from + (1 if self._from < self.highest else -1)
        self.position = self._from + 0.4 * (self._to - self._from)
        self.person, self.speed = True, 0.0
        self._enter(Phase.STUCK, mono, inf)

    def free(self, mono: float) -> None:
        """The rescuers bring the cabin to the next floor and open its door."""
        if self.phase is Phase.STUCK:
            self.position = float(round(self.position))
            self._route = []
            self._from = self._to = int(self.position)
            self._open(mono)

    # -- phases ----------------------------------------------------------------------------------

    def _next_phase(self, hour: int) -> None:
        now = self._at
        match self.phase:
            case Phase.WAITING:
                self._called(now)
            case Phase.TRAVELLING:
                self.position, self.speed = float(self._to), 0.0
                self.floors_run += abs(self._to - self._from)
                self._open(now)
            case Phase.OPENING:
                self._enter(Phase.OPEN, now, DOOR_STAYS)
                self.person = bool(self._route)
            case Phase.OPEN:
                self._enter(Phase.CLOSING, now, DOOR_MOVES)
            case Phase.CLOSING if self._route:
                self._travel(now, self._route.pop(0))
            case Phase.CLOSING:
                self._rest(now, hour)

    def _called(self, now: float) -> None:
        start, goal = self._chance.sample(range(self.lowest, self.highest + 1), 2)
        self._route = [goal]
        if start == round(self.position):
            self._open(now)
        else:
            self._travel(now, start)

    def _rest(self, now: float, hour: int) -> None:
        self._enter(Phase.WAITING, now, self._chance.expovariate(HOURLY_CALLS[hour] / 3600.0))

    def _open(self, now: float) -> None:
        self.doors += 1
        self._enter(Phase.OPENING, now, DOOR_MOVES)

    def _travel(self, now: float, floor: int) -> None:
        self._from, self._to = round(self.position), floor
        self.trip_metres = abs(self._to - self._from) * FLOOR_HEIGHT
        self.trip_seconds = 1.5 + self.trip_metres / CRUISE
        self._enter(Phase.TRAVELLING, now, self.trip_seconds)

    def _enter(self, phase: Phase, now: float, lasts: float) -> None:
        self.phase, self._begun, self.due = phase, now, now + lasts

    def _move(self) -> None:
        """Smooth start and stop: 3u² - 2u³ of the way."""
        if self.phase is not Phase.TRAVELLING:
            return
        whole = self.due - self._begun
        part = (self._at - self._begun) / whole
        way = self._to - self._from
        self.position = self._from + way * part * part * (3.0 - 2.0 * part)
        self.speed = way * FLOOR_HEIGHT * 6.0 * part * (1.0 - part) / whole
