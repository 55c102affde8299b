"""Which read is next: of all that are due, the one whose period ends first (earliest deadline first)."""

import heapq
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import Generic, TypeVar

Job = TypeVar("Job", bound=Hashable)


@dataclass(slots=True)
class Schedule(Generic[Job]):
    """Jobs with the instant they are due and the instant they should be done by (`Stamp.mono`).

    A job stands in it once: to add it again is to move it.
    """

    _entries: dict[Job, int] = field(default_factory=dict)  # the number of the entry that counts
    _later: list[tuple[float, int, float, Job]] = field(default_factory=list)  # by due
    _ready: list[tuple[float, int, Job]] = field(default_factory=list)  # by deadline
    _numbers: "count[int]" = field(default_factory=count)

    def add(self, job: Job, due: float, deadline: float) -> None:
        number = self._entries[job] = next(self._numbers)
        heapq.heappush(self._later, (due, number, deadline, job))

    def remove(self, job: Job) -> None:
        self._entries.pop(job, None)

    def pop(self, at: float) -> Job | None:
        """Takes out the most urgent of the jobs that are due."""
        while self._later and self._later[0][0] <= at:
            _, number, deadline, job = heapq.heappop(self._later)
            heapq.heappush(self._ready, (deadline, number, job))
        while self._ready:
            _, number, job = heapq.heappop(self._ready)
            if self._entries.get(job) == number:
                del self._entries[job]
                return job
        return None

    def next_due(self) -> float:
        """When the next job is due; minus infinity if `pop` has seen that one is, infinity: never."""
        while self._ready and self._entries.get(self._ready[0][2]) != self._ready[0][1]:
            heapq.heappop(self._ready)
        if self._ready:
            return -inf
        while self._later and self._entries.get(self._later[0][3]) != self._later[0][1]:
            heapq.heappop(self._later)
        return self._later[0][0] if self._later else inf
