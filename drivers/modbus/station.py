"""One unit of a bus: what is read of it, whether it answers, and what that says about its points.

A unit that stops answering is left alone but for one short probe, ever more seldom (a circuit breaker), so
that its time-outs do not eat the time of the others. A read that fails while the unit answers others marks
its own points only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from sitewarden.drivers.modbus.late import Late
from sitewarden.drivers.modbus.outputs import Output, Outputs, Write
from sitewarden.drivers.modbus.patience import Patience
from sitewarden.drivers.modbus.planner import Block, halves, plan
from sitewarden.drivers.modbus.points import Unit
from sitewarden.drivers.modbus.request import READ, Request, read, refusal
from sitewarden.drivers.modbus.schedule import Schedule
from sitewarden.drivers.modbus.unread import Unread
from sitewarden.drivers.modbus.watch import Watch, part
from sitewarden.drivers.modbus.wire import Counters, Wire
from sitewarden.rules.model import Event, LinkChanged, Reason, Stamp, Trouble, Value

PROBE_FIRST, PROBE_MOST = 1.0, 30.0  # s between probes of a unit that does not answer, doubling
PROBE_EAGER = 2.0  # s at most while something is to be written to it as soon as it is back
LATE_MOST = 5.0  # s after a time-out in which the answer of a unit may still come that never was prompt
REJOIN = 10.0  # s until a unit that refuses everything is read by its plan again
SPEAKS_FOR = frozenset({Reason.NO_PATH, Reason.NO_ANSWER})  # a gateway, for a unit that it cannot reach
SPLITS = frozenset({Reason.ILLEGAL_ADDRESS, Reason.ILLEGAL_VALUE})  # the latter: too many registers


@dataclass(slots=True, eq=False)
class Poll:
    """A block and when it is read."""

    station: "Station"
    block: Block
    request: Request
    watch: Watch
    outputs: tuple[Output, ...]  # of its points
    period: float
    due: float = 0.0
    misses: int = 0  # in a row
    refused: bool = False  # the last answer
    broken: bool = False  # what came of it made our own code fail
    out: bool = False  # its request is
    overtaken: bool = False  # what it reads may be older than a write that was confirmed meanwhile


class Station:
    """`reads` and `probes` are the bus's; the station keeps its own polls in them."""

    def __init__(
        self, unit: Unit, wire: Wire, reads: Schedule[Poll], probes: Schedule[Poll], broadcast: bool
    ) -> None:
        """`broadcast`: the unit is all units at once, which do and never answer."""
        self.unit, self.broadcast = unit, broadcast
        self._wire, self._reads, self._probes = wire, reads, probes
        self.counters = Counters()
        self.outputs = Outputs(unit)
        self.writes = any(point.writable for point in unit.profile.points)
        self.resting = False  # the breaker is open: the unit is probed, and asked nothing else
        self._plan = () if broadcast else plan(unit, wire.pace)
        self._polls = [self._poll(block, []) for block in self._plan]
        self._unread = Unread(unit.device, len(unit.profile.points))
        self._patience = Patience(unit.timeout)
        self._up: bool | None = None  # None: not known yet
        self._suspect = False  # a read or a write failed for good; the next read decides
        self._misses = 0  # unanswered requests in a row
        self._pause = PROBE_FIRST
        self._probe_at = -inf  # when it is probed, while it rests
        self._write_at = -inf  # no write before
        self._hold_until = -inf  # no read before
        self._writing = False  # one is out
        self._late = Late()
        self._split = False  # the plan had to be split, and that was said

    # -- what is next ----------------------------------------------------------------------------

    def connected(self, at: Stamp) -> Iterator[Event]:
        self.resting = self._suspect = self._writing = False
        self._misses, self._pause = 0, PROBE_FIRST
        self._write_at = self._hold_until = -inf
        if self._is_split:
            self._join()
        self._resume(at)
        self.outputs.returned()
        if self.broadcast:  # the line is there; whether anybody listens nobody can know
            self._up = True
            yield LinkChanged(self.unit.device, True, at)

    def lost(self, at: Stamp, reason: Reason) -> Iterator[Event]:
        for poll in self._polls:
            poll.out = poll.overtaken = False
            self._reads.remove(poll)
            self._probes.remove(poll)
        yield from self._gone(reason, at)

    def next_write(self, at: Stamp) -> Write | None:
        return self.outputs.due(at) if at.mono >= self._write_at and not self._writing else None

    def next_due(self) -> float:
        """When `next_write` has something; the polls stand in the schedules."""
        due = None if self._writing else self.outputs.next_due()
        return inf if due is None else max(due, self._write_at)

    def commanded(self) -> None:
        """A command does not wait for the pause after the last one that failed."""
        self._write_at = -inf

    def sent(self, job: Poll | Write, at: Stamp) -> Iterator[Event]:
        if isinstance(job, Poll):
            job.out = True
            return
        for output in job.outputs:
            output.sent()
        if self.broadcast:
            yield from self.outputs.broadcast(job, at)
        else:
            self._writing = True

    def wait(self, job: Poll | Write) -> float:
        """s until its request counts as unanswered, without its time on the wire. A write may take a unit
        much longer than a read."""
        return self.unit.timeout if isinstance(job, Write) else self._patience.wait(self._misses > 0)

    def free_at(self, request: Request, at: Stamp) -> float | None:
        """When `request` may be sent; None: now."""
        if (self._misses or not self._up) and any(poll.out for poll in self._polls):
            return at.mono + self.unit.timeout  # while it is in doubt it is asked one thing at a time
        free_at = max(self._hold_until, self._late.free_at(request))
        return free_at if at.mono < free_at else None

    # -- what came -------------------------------------------------------------------------------

    def answered(self, job: Poll | Write, pdu: bytes, since: float, at: Stamp) -> Iterator[Event]:
        """`pdu` fits the request of `job`, or refuses it, and was waited for `since` then (`Stamp.mono`)."""
        refused = refusal(pdu)
        if refused in SPEAKS_FOR:
            self.counters.exceptions += 1
            yield from self.missed(job, refused, at)
            return
        self.counters.answers += 1
        self._misses, self._suspect = 0, False
        if isinstance(job, Poll):
            job.out = False
        ambiguous = at.mono < self._late.free_at(job.request)
        since = self._late.answered(job.request, since, at, self._may_be_late, self._alike(job.request))
        if isinstance(job, Poll):  # from the first try on: else a slow unit looked like a quick one
            self._patience.answered(max(at.mono - since, 0.0))
        yield from self._came(at)
        match job:
            case Write():
                self._writing = False
                if refused and ambiguous:
                    yield from self.missed(job, Reason.PROTOCOL, at)
                elif refused:
                    self.counters.exceptions += 1
                    yield from self.outputs.refused(job, refused, at)
                else:
                    job.confirmed(at)
                    self._read_back(job, at)
            case Poll() if refused:
                yield from self._read_refused(job, refused, at)
            case Poll():
                yield from self._read(job, pdu[2:], at)

    def missed(self, job: Poll | Write, reason: Reason, at: Stamp) -> Iterator[Event]:
        """No answer, or a garbled one."""
        self._misses += 1
        if isinstance(job, Poll):
            job.misses += 1
            job.out = job.overtaken = False
        else:
            self._writing = False
            yield from self.outputs.missed(job, at)
        if self.resting:
            if isinstance(job, Write):
                self._write_at = at.mono + PROBE_EAGER
            elif at.mono >= self._probe_at:  # else it was out when the unit was given up
                self._rest(at)
        elif isinstance(job, Write):
            if self._misses > self.unit.retries and not self._suspect:
                self._suspects(self._polls, reason, at)
        elif self._suspect:
            yield from self._down(reason, at)
        elif job.misses <= self.unit.retries:
            self._reads.add(job, self._next_try(reason, at), -inf)
        else:
            yield from self._failed(job, reason, at)

    def withdrawn(self, job: Poll | Write, at: Stamp) -> None:
        """Its answer is not waited for any more: the unit did not answer what it was asked before."""
        if isinstance(job, Write):
            self._writing = False
            return
        job.out = job.overtaken = False
        if not self.resting:
            self._reads.add(job, max(at.mono, self._hold_until), job.due + job.period)

    def unanswered(self, request: Request, since: float, at: Stamp) -> None:
        """The answer to `request` may still come, late."""
        if not self._wire.numbered:
            self._late.unanswered(request, since, at, self._may_be_late)

    def _alike(self, request: Request) -> bool:
        """Whether the unit may be asked anything else with this function."""
        return request.function not in READ.values() or any(
            poll.request is not request and poll.request.function == request.function for poll in self._polls
        )

    @property
    def _may_be_late(self) -> float:
        """s after a time-out in which an answer may still come."""
        return self._wire.late if self._patience.learned else LATE_MOST

    def broken(self, poll: Poll, error: Exception, at: Stamp) -> Iterator[Event]:
        """Our own code raised over an answer: these points are bad, the others go on."""
        if not poll.broken:
            yield Trouble("driver_failed", self.unit.device, True, at, {"error": type(error).__name__})
        poll.broken = True
        poll.misses += 1
        yield from poll.watch.failed(Reason.DRIVER, at)
        self._later(poll, at)

    # -- reads -----------------------------------------------------------------------------------

    def _read(self, poll: Poll, raw: bytes, at: Stamp) -> Iterator[Event]:
        if poll.overtaken:
            poll.overtaken = False
            self._due(poll, at.mono)
            return
        yield from poll.watch.answered(raw, at)
        for output in poll.outputs:
            yield from self.outputs.seen(output, part(poll.block, output.point, raw), at)
        if poll.broken:
            yield Trouble("driver_failed", self.unit.device, False, at)
        poll.misses, poll.broken, poll.refused = 0, False, False
        self._unread.good(poll)
        yield from self._unread.news(at)
        self._again(poll, at)

    def _next_try(self, reason: Reason, at: Stamp) -> float:
        """At once on a line of our own. Whoever numbers its answers has lost nothing on the way: it is
        busy, or a gateway still waits for the unit; others come first."""
        if self._wire.numbered and reason is not Reason.PROTOCOL:
            self._hold_until = at.mono + self._wire.late
        return max(at.mono, self._hold_until)

    def _read_refused(self, poll: Poll, reason: Reason, at: Stamp) -> Iterator[Event]:
        self.counters.exceptions += 1
        two = halves(poll.block, self.unit.scan) if reason in SPLITS else None
        if two is None:
            poll.misses, poll.refused = 0, True
            yield from self._not_read(poll, reason, at)
            self._again(poll, at)
            if self._is_split and all(poll.refused for poll in self._polls):
                self._join_later(at)
            return
        if not self._split:
            self._split = True
            table, first, last = str(poll.block.table), poll.block.first, poll.block.end - 1
            params: dict[str, Value] = {"table": table, "first": first, "last": last}
            yield Trouble("read_split", self.unit.device, True, at, params, lasts=False)
        self._polls.remove(poll)
        self._unread.good(poll)
        for block in two:
            half = self._poll(block, [poll.watch])
            self._polls.append(half)
            self._due(half, at.mono)

    def _read_back(self, job: Write, at: Stamp) -> None:
        for poll in self._polls:
            if not any(output in job.outputs for output in poll.outputs):
                continue
            if poll.out:
                poll.overtaken = True
            else:
                poll.due = at.mono
                self._reads.add(poll, at.mono, at.mono)

    def _again(self, poll: Poll, at: Stamp) -> None:
        """On the next beat of its period; beats that have passed are counted, never caught up."""
        poll.due += poll.period
        if (behind := at.mono - poll.due) >= 0:
            beats = int(behind / poll.period) + 1
            self.counters.skipped += beats
            poll.due += beats * poll.period
        self._due(poll, poll.due)

    def _later(self, poll: Poll, at: Stamp) -> None:
        """After a pause that grows with its misses."""
        pause = min(poll.period * 2.0 ** min(poll.misses, 10), max(poll.period, PROBE_MOST))
        self._due(poll, at.mono + pause)

    def _due(self, poll: Poll, due: float) -> None:
        poll.due = due
        self._reads.add(poll, due, due + poll.period)

    @property
    def _is_split(self) -> bool:
        return len(self._polls) > len(self._plan)

    def _join_later(self, at: Stamp) -> None:
        """The unit refuses for another reason than its addresses: it starts, say. It is left in peace, and
        read by its plan then. While a read is out, its end is waited for."""
        self._hold_until = at.mono + REJOIN
        if any(poll.out for poll in self._polls):
            return
        self._join()
        for poll in self._polls:
            self._due(poll, self._hold_until)

    def _join(self) -> None:
        """The plan again. No read may be out: its answer would come to a poll that is no more."""
        watches = [poll.watch for poll in self._polls]
        for poll in self._polls:
            self._unread.good(poll)
            self._reads.remove(poll)
            self._probes.remove(poll)
        self._polls = [self._poll(block, watches) for block in self._plan]

    def _poll(self, block: Block, before: Sequence[Watch]) -> Poll:
        """`before`: what watched its points until now."""
        watch = Watch(self.unit.device, block, self.unit.heartbeat)
        if before:
            watch.resume(before)
        request = read(self.unit.unit_id, block.table, block.first, block.count)
        outputs = self.outputs.among(block.points)
        return Poll(self, block, request, watch, outputs, self.unit.scan[block.scan])

    # -- answering or not ------------------------------------------------------------------------

    def _came(self, at: Stamp) -> Iterator[Event]:
        if self.resting:
            self.resting, self._pause, self._write_at = False, PROBE_FIRST, -inf
            self.outputs.returned()
            self._resume(at)
        if not self._up:
            self._up = True
            yield LinkChanged(self.unit.device, True, at)

    def _failed(self, poll: Poll, reason: Reason, at: Stamp) -> Iterator[Event]:
        """A read went unanswered in spite of its retries. Is it the read or the unit?"""
        others = [other for other in self._polls if other is not poll and not other.misses]
        if self._misses > self.unit.retries and not others:
            yield from self._down(reason, at)
            return
        yield from self._not_read(poll, reason, at)
        self._later(poll, at)
        if self._misses > self.unit.retries:
            self._suspects(others, reason, at)

    def _not_read(self, poll: Poll, reason: Reason, at: Stamp) -> Iterator[Event]:
        """The unit is there, and these points are bad."""
        yield from poll.watch.failed(reason, at)
        self._unread.failed(poll, len(poll.block.points), at)
        yield from self._unread.news(at)

    def _suspects(self, polls: Sequence[Poll], reason: Reason, at: Stamp) -> None:
        """The shortest read shall tell whether the unit is there."""
        self._suspect = True
        self._reads.add(min(polls, key=_size), self._next_try(reason, at), -inf)

    def _down(self, reason: Reason, at: Stamp) -> Iterator[Event]:
        self.resting, self._suspect = True, False
        yield from self._gone(reason, at)
        self._rest(at)

    def _rest(self, at: Stamp) -> None:
        """One probe after a pause, the shortest read. What waits to be written goes at a pace of its own."""
        pause = min(self._pause, PROBE_EAGER) if self.outputs.eager else self._pause
        self._pause = min(self._pause * 2, PROBE_MOST)
        for poll in self._polls:
            self._reads.remove(poll)
        probe = min(self._polls, key=_size)
        probe.due = max(at.mono + pause, self.free_at(probe.request, at) or 0.0)
        self._probe_at = self._write_at = probe.due
        self._probes.add(probe, probe.due, probe.due)

    def _resume(self, at: Stamp) -> None:
        for poll in self._polls:
            poll.misses = 0
            self._probes.remove(poll)
            self._due(poll, at.mono)

    def _gone(self, reason: Reason, at: Stamp) -> Iterator[Event]:
        if self._up is not False:
            self._up = False
            yield LinkChanged(self.unit.device, False, at, reason)
        self._unread.clear()
        yield from self._unread.news(at)
        for poll in self._polls:
            yield from poll.watch.failed(reason, at)


def _size(poll: Poll) -> int:
    return poll.request.length
