"""Whether a bus can keep all its intervals, and how old its values become at worst: reckoned beforehand.

The line is a processor, each read a periodic job that nothing interrupts, its deadline the end of its
period, and the earliest deadline goes first (`schedule.py`). How late a read is done at worst is known for
that: L. George, N. Rivierre, M. Spuri, "Preemptive and Non-Preemptive Real-Time Uni-Processor Scheduling",
INRIA RR-2966, 1996. It is so when the longest read that may be urgent later has just begun and all others
fall due at once, or some whole intervals after that; so the deadlines in that busy time are gone through.

What is reckoned with:

- Each device takes its profile's `turnaround`, and nothing goes wrong: no retries, no probes, no split reads.
- Commands come one at a time: a busy time has room for one, the longest write there is with its read-back.
- Of a line whose speed is not known nothing counts but the devices' own time.
- Whoever takes several requests at once works on them one after the other, as they came. That they may be out
  together does not say that they are worked on together; who does that is done no later.

Reads of one interval are given one response: that of the shortest, which waits for the others and begins
last. Whatever is urgent later than that waits with it, so it bounds the longer ones too. Where several
requests are out at once, or the search would take too long, the answer is a safe bound and not the least.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, groupby
from math import ceil, inf
from typing import TypeVar

from sitewarden.drivers.modbus.bus import BROADCAST_REST, EVERYONE
from sitewarden.drivers.modbus.codec import width
from sitewarden.drivers.modbus.outputs import MOST_COILS
from sitewarden.drivers.modbus.pace import Pace
from sitewarden.drivers.modbus.planner import Block, plan
from sitewarden.drivers.modbus.points import Table, Unit
from sitewarden.drivers.modbus.request import Request, read, write
from sitewarden.drivers.plan import BusPlan, Framing, Port, pace

Key = TypeVar("Key", bound=Hashable)

WORK = 500_000  # terms that are added up in all, until a bound is as good as the exact answer
NS = 1e9  # whole nanoseconds: three times 0.2 s are 0.6 s


@dataclass(frozen=True, slots=True)
class Poll:
    """One read of the plan, and what it asks of the line."""

    unit: Unit
    block: Block
    cost: float  # s of the line, each interval
    youngest: float  # s: the age of its values when they come

    @property
    def interval(self) -> float:
        return self.unit.scan[self.block.scan]

    @property
    def share(self) -> float:
        """Of the line's time."""
        return self.cost / self.interval


@dataclass(frozen=True, slots=True)
class Forecast:
    """`steady`, `commanded`: for each interval how many s after it is due a read is done at the latest, with
    no command and with one."""

    polls: tuple[Poll, ...]
    steady: Mapping[float, float]
    commanded: Mapping[float, float]

    @property
    def utilisation(self) -> float:
        """The part of the line's time that the reads take. From 1 on they cannot all be done."""
        return sum(poll.share for poll in self.polls)

    def shares(self, of: Callable[[Poll], Key]) -> dict[Key, float]:
        """The utilisation by whatever `of` names, the greatest first."""
        shares: defaultdict[Key, float] = defaultdict(float)
        for poll in self.polls:
            shares[of(poll)] += poll.share
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    @property
    def late(self) -> tuple[Poll, ...]:
        """What may not be done before it is due again, though nobody commands anything."""
        return tuple(poll for poll in self.polls if self.steady[poll.interval] > poll.interval)

    def oldest(self, poll: Poll) -> float:
        """s: the age of its values at worst. They are as old as their request, and the next may come a
        response after they are due, an interval later. A read that a command made late leaves a beat out."""
        response = self.commanded[poll.interval]
        return poll.interval + response + (poll.cost if response > poll.interval else 0.0)


def forecast(port: Port, bus: BusPlan) -> Forecast:
    line = pace(port, bus.framing)
    polls: list[Poll] = []
    writes = [0.0]
    for unit in bus.units:
        mine = [_poll(unit, block, line) for block in plan(unit, line)]
        if unit.unit_id == EVERYONE and bus.framing is not Framing.TCP:
            writes += (line.lasts(len(request.pdu)) + BROADCAST_REST for request, _ in _writes(unit, mine))
            continue
        polls += mine
        for request, back in _writes(unit, mine):
            writes.append(_exchange(unit, request, line) + sum(poll.cost for poll in back))
    steady, commanded = (_responses(polls, each, bus.outstanding) for each in (0.0, max(writes)))
    return Forecast(tuple(polls), steady, commanded)


# -- what is asked of the line -------------------------------------------------------------------


def _poll(unit: Unit, block: Block, line: Pace) -> Poll:
    request = read(unit.unit_id, block.table, block.first, block.count)
    youngest = unit.profile.turnaround + line.lasts(request.length)
    return Poll(unit, block, _exchange(unit, request, line), youngest)


def _writes(unit: Unit, polls: Sequence[Poll]) -> Iterator[tuple[Request, Sequence[Poll]]]:
    """The longest that there may be and what is read back after them: a value of a block, or all coils."""
    widths = [[width(point) for point in poll.block.points if point.writable] for poll in polls]
    outputs = [(poll, wide) for poll, wide in zip(polls, widths, strict=True) if wide]
    for poll, wide in outputs:
        if poll.block.table is Table.HOLDING:
            yield write(unit.unit_id, Table.HOLDING, 0, [bytes(2 * max(wide))]), [poll]
    coils = [(poll, len(wide)) for poll, wide in outputs if poll.block.table is Table.COIL]
    if coils:
        values = [bytes(1)] * min(sum(number for _, number in coils), MOST_COILS)
        yield write(unit.unit_id, Table.COIL, 0, values), [poll for poll, _ in coils]


def _exchange(unit: Unit, request: Request, line: Pace) -> float:
    return line.exchange(len(request.pdu), request.length, unit.profile.turnaround)


# -- what comes of it ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Group:
    """The reads of one interval; all in ns."""

    interval: int
    total: int
    longest: int
    shortest: int


@dataclass(frozen=True, slots=True)
class _Line:
    groups: Sequence[_Group]
    written: int  # ns that a command takes
    outstanding: int
    ahead: int  # ns of work that may be out at once

    def response(self, mine: _Group, most: int) -> float:
        """ns, of the reads of a group. After `most` deadlines the bound for the rest of them has to do."""
        spare = 1 - sum(group.total / group.interval for group in self.groups)
        if spare <= 0:
            return inf
        busy = self._busy(most)
        worst, start, waited = float(mine.longest), 0, inf
        for number, deadline in enumerate(self._deadlines(mine)):
            waits = self.written + self._held_up(deadline)
            due = deadline - mine.interval
            bound = waits + mine.shortest + mine.interval - spare * deadline  # from this one on
            if worst >= bound or due > busy:
                return worst
            if number == most:
                return bound
            start = self._start(mine, deadline, waits, start if waits == waited else 0)
            worst, waited = max(worst, start + mine.shortest - due), waits
        raise AssertionError("there is always one more deadline")

    def _start(self, mine: _Group, deadline: int, waits: int, start: int) -> int:
        """ns from the beginning of the busy time until the shortest read of the group begins that has this
        deadline, when all that is as urgent comes as early as it may. `start`: not before."""
        own = deadline // mine.interval * mine.total - mine.shortest
        others = [group for group in self.groups if group is not mine and group.interval <= deadline]
        while True:
            work = waits + own
            for group in others:
                work += min(1 + start // group.interval, deadline // group.interval) * group.total
            if work <= start:
                return start
            start = work

    def _held_up(self, deadline: int) -> int:
        """ns of work by what was sent before and is less urgent."""
        if self.outstanding > 1:
            return self.ahead
        return max((group.longest for group in self.groups if group.interval > deadline), default=0)

    def _busy(self, most: int) -> float:
        """ns that the line may be busy without a rest."""
        waits = self.written + self.ahead
        busy = 1
        for _ in range(most):
            work = waits + sum(-(-busy // group.interval) * group.total for group in self.groups)
            if work <= busy:
                return busy
            busy = work
        return inf

    def _deadlines(self, mine: _Group) -> Iterator[int]:
        """All that a read of the group or of another may have, from the group's first on."""
        each = (count(-(-mine.interval // g.interval) * g.interval, g.interval) for g in self.groups)
        return (deadline for deadline, _ in groupby(heapq.merge(*each)))


def _responses(polls: Sequence[Poll], written: float, outstanding: int) -> dict[float, float]:
    costs: defaultdict[float, list[int]] = defaultdict(list)
    for poll in polls:
        costs[poll.interval].append(ceil(poll.cost * NS))
    groups = {
        interval: _Group(round(interval * NS), sum(each), max(each), min(each))
        for interval, each in costs.items()
    }
    ahead = sum(heapq.nlargest(outstanding, (ceil(poll.cost * NS) for poll in polls)))
    line = _Line(tuple(groups.values()), ceil(written * NS), outstanding, ahead)
    most = WORK // max(len(groups), 1) ** 2
    return {interval: line.response(group, most) / NS for interval, group in groups.items()}
