"""A whole Modbus bus as one driver: which request is next, and what becomes of it.

Commands go before reads, at the next frame boundary. A request that is not answered in time is the affair
of its unit alone (`station.py`); what comes late is thrown away. Units that do not answer are probed when
nothing else is to do, within a bounded share of the line's time (`schedule.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from sitewarden.drivers.base import Output
from sitewarden.drivers.modbus.outputs import Write
from sitewarden.drivers.modbus.points import PROBES, Unit
from sitewarden.drivers.modbus.request import Request
from sitewarden.drivers.modbus.schedule import Schedule
from sitewarden.drivers.modbus.station import Poll, Station
from sitewarden.drivers.modbus.wire import Answer, Counters, Wire
from sitewarden.rules.model import Command, Reason, Stamp

PROBE_WAITS = 1.0  # s at most for a moment in which it is in nobody's way
EVERYONE = 0  # unit id on a serial line: all units do it, and none answers (V1.02, 2.2)
CHATTER = 0.2  # s; on a line that never rests we speak all the same, and tell what comes of it
QUEUED = 4  # requests at most, one after the other, that a gateway is thought to wait for in turn
AT_ONCE = 0.25  # s after a time-out; who answers what was asked then as quickly as ever waits for nobody
BROADCAST_REST = 0.1  # s in which all units do what was broadcast (V1.02, 2.4.1)


@dataclass(slots=True)
class _Asked:
    """A request that is out."""

    station: Station
    job: Poll | Write
    sent_at: float
    patience: float  # s that it is waited for once it is its turn
    deadline: float
    probe: bool  # a read of a unit that was thought to be away
    tells: bool  # whether the other end works in turn: it was sent just after a time-out


class Bus:
    """A `Driver`. `probes`: the part of the line's time, at most, that units may take that do not answer,
    while any does."""

    def __init__(self, link: str, wire: Wire, units: Sequence[Unit], probes: float = PROBES) -> None:
        self.link, self._share = link, probes
        self.devices = tuple(unit.device for unit in units)
        self._wire = wire
        self._reads: Schedule[Poll] = Schedule()
        self._probes: Schedule[Poll] = Schedule()
        self._stations = {
            unit.device: Station(
                unit,
                wire,
                self._reads,
                self._probes,
                broadcast=unit.unit_id == EVERYONE and not wire.numbered,
            )
            for unit in units
        }
        self._writers = [station for station in self._stations.values() if station.writes]
        self._asked: dict[Request, _Asked] = {}
        self._open = False
        self._free_at = 0.0  # the line rests until then
        self._rests_by = 0.0  # however much more is heard
        self._probe_from = 0.0  # no probe before
        self._busy_until = -inf  # a gateway may wait so long for the unit that did not answer us
        self._in_turn = True  # as a gateway to a serial line does; taken for granted until the contrary shows
        self._timed_out_at = -inf
        self._unheard = 0  # time-outs since the last answer

    @property
    def counters(self) -> Mapping[str, Counters]:
        """By device."""
        return {device: station.counters for device, station in self._stations.items()}

    @property
    def wake_at(self) -> float | None:
        if not self._open:
            return None
        first = self._oldest.deadline if self._oldest else inf
        if len(self._asked) < self._wire.window:
            first = min(first, max(self._next_due(), self._free_at))
        return None if first == inf else first

    def connected(self, at: Stamp) -> list[Output]:
        self._wire.reset()
        self._asked.clear()
        self._open, self._free_at, self._probe_from, self._busy_until = True, at.mono, at.mono, -inf
        self._in_turn, self._timed_out_at, self._unheard = True, -inf, 0
        outputs: list[Output] = []
        for station in self._stations.values():
            outputs += station.connected(at)
        return [*outputs, *self._send(at)]

    def lost(self, at: Stamp, reason: Reason) -> list[Output]:
        self._wire.reset()
        self._asked.clear()
        self._open = False
        return [event for station in self._stations.values() for event in station.lost(at, reason)]

    def received(self, data: bytes, at: Stamp) -> list[Output]:
        if at.mono >= self._free_at:
            self._rests_by = at.mono + CHATTER
        self._free_at = max(self._free_at, min(at.mono + self._wire.pace.silence, self._rests_by))
        outputs: list[Output] = []
        for answer in self._wire.take(data, at):
            if asked := self._asked.get(answer.request):
                outputs += self._answered(asked, answer, at)
        return [*outputs, *self._send(at)]

    def woken(self, at: Stamp) -> list[Output]:
        outputs: list[Output] = []
        while (asked := self._oldest) and at.mono >= asked.deadline:
            outputs += self._unanswered(asked, at)
        return [*outputs, *self._send(at)]

    def command(self, command: Command, at: Stamp) -> list[Output]:
        station = self._stations[command.device]
        station.outputs.command(command, at)
        station.commanded()
        return [*self._send(at)]

    # -- the end of a request --------------------------------------------------------------------

    @property
    def _oldest(self) -> _Asked | None:
        """The only request that can time out: who works in turn comes to the others after it."""
        return next(iter(self._asked.values()), None)

    def _answered(self, asked: _Asked, answer: Answer, at: Stamp) -> list[Output]:
        station, job = asked.station, asked.job
        if asked.tells:
            self._in_turn = at.mono - asked.sent_at > asked.patience
        self._busy_until, self._unheard = at.mono, 0
        self._ended(asked, at)
        if answer.broken:
            return self._garbled(asked, at)
        begun = asked.sent_at + self._lasts(job.request)
        outputs: list[Output] = []
        try:
            outputs.extend(station.answered(job, answer.pdu, begun, at))
        except Exception as error:
            if isinstance(job, Write):
                raise
            outputs += station.broken(job, error, at)  # one unit's strange answer is not the bus's affair
        return outputs

    def _garbled(self, asked: _Asked, at: Stamp) -> list[Output]:
        asked.station.counters.garbled += 1
        return [*asked.station.missed(asked.job, Reason.PROTOCOL, at)]

    def _unanswered(self, asked: _Asked, at: Stamp) -> list[Output]:
        """Nor will the unit's others be answered that are out: they came to it later."""
        station, request = asked.station, asked.job.request
        others = [other for other in self._asked.values() if other.station is station and other is not asked]
        self._timed_out_at, self._unheard = at.mono, self._unheard + 1
        if self._may_wait and self._unheard <= QUEUED:
            self._busy_until = at.mono + self._wire.late * min(1 + len(others), QUEUED)
        self._ended(asked, at)
        station.unanswered(request, asked.sent_at + self._lasts(request), at)
        if self._wire.give_up(request):
            outputs = self._garbled(asked, at)
        else:
            station.counters.timeouts += 1
            outputs = [*station.missed(asked.job, Reason.TIMEOUT, at)]
        for other in others:
            self._wire.give_up(other.job.request)
            self._ended(other, at)
            station.withdrawn(other.job, at)
        return outputs

    def _ended(self, asked: _Asked, at: Stamp) -> None:
        self._free_at = at.mono + self._wire.pace.silence
        was_oldest = self._oldest is asked
        del self._asked[asked.job.request]
        if was_oldest and (oldest := self._oldest):
            oldest.deadline = max(oldest.deadline, max(at.mono, self._busy_until) + oldest.patience)
        if asked.probe:  # what it took must first become a small share of the time, if that is any unit's
            alone = all(station.resting for station in self._stations.values())
            took = min(at.mono - asked.sent_at, asked.patience)
            if not alone:
                self._probe_from = at.mono + took * (1 / self._share - 1)
            elif self._may_wait:  # one that waits for each longer than we do must come to the end of it
                self._probe_from = asked.sent_at + 2 * self._wire.late
            else:
                self._probe_from = at.mono

    def _lasts(self, request: Request) -> float:
        """s that it and its answer are on the wire."""
        return self._wire.pace.lasts(len(request.pdu)) + self._wire.pace.lasts(request.length)

    # -- whose turn it is ------------------------------------------------------------------------

    def _send(self, at: Stamp) -> Iterable[Output]:
        while self._open and len(self._asked) < self._wire.window and at.mono >= self._free_at:
            if (turn := self._next(at)) is None:
                return
            station, job = turn
            station.counters.requests += 1
            if station.broadcast:
                self._free_at = at.mono + self._lasts(job.request) + BROADCAST_REST
            else:
                self._asked[job.request] = self._asking(station, job, at)
            yield self._wire.ask(job.request, station.counters)
            yield from station.sent(job, at)

    def _asking(self, station: Station, job: Poll | Write, at: Stamp) -> _Asked:
        probe = station.resting and isinstance(job, Poll)
        if probe:
            self._probe_from = inf  # one at a time
        patience = self._lasts(job.request) + station.wait(job)
        deadline = max(at.mono, self._busy_until) + patience
        tells = self._may_wait and at.mono - self._timed_out_at < AT_ONCE
        return _Asked(station, job, at.mono, patience, deadline, probe, tells)

    @property
    def _may_wait(self) -> bool:
        """Whether the other end may wait for a unit that does not answer, on a line that we cannot see."""
        return self._wire.numbered and self._in_turn

    def _next(self, at: Stamp) -> tuple[Station, Poll | Write] | None:
        return self._next_write(at) or self._next_probe(at) or self._next_read(at)

    def _next_write(self, at: Stamp) -> tuple[Station, Write] | None:
        for station in self._writers:
            if write := station.next_write(at):
                return station, write
        return None

    def _next_probe(self, at: Stamp) -> tuple[Station, Poll] | None:
        """In a moment in which no read comes late for it; such a moment is waited for, but not for ever."""
        poll = self._probes.pop(at.mono) if at.mono >= self._probe_from else None
        if poll is None or poll.out:
            return None
        next_read = self._reads.next_due()
        if next_read < at.mono + poll.station.wait(poll) and at.mono < poll.due + PROBE_WAITS:
            self._probes.add(poll, poll.due, poll.due)
            self._probe_from = max(next_read, at.mono)
            return None
        return poll.station, poll

    def _next_read(self, at: Stamp) -> tuple[Station, Poll] | None:
        while poll := self._reads.pop(at.mono):
            if poll.out:
                continue  # its end puts it back
            until = poll.station.free_at(poll.request, at)
            if until is None:
                return poll.station, poll
            self._reads.add(poll, until, until + poll.period)
        return None

    def _next_due(self) -> float:
        """When `_next` may have something."""
        writes = min((station.next_due() for station in self._writers), default=inf)
        return min(writes, self._reads.next_due(), max(self._probes.next_due(), self._probe_from))
