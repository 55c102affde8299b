"""A whole Modbus bus as one driver: one request at a time, and whose turn it is.

Commands go before reads, at the next frame boundary. A request that is not answered in time is the affair
of its unit alone (`station.py`); what comes late is thrown away.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sitewarden.drivers.base import Output, ProtocolError
from sitewarden.drivers.modbus.outputs import Write
from sitewarden.drivers.modbus.points import Unit
from sitewarden.drivers.modbus.schedule import Schedule
from sitewarden.drivers.modbus.station import Poll, Station
from sitewarden.drivers.modbus.wire import Counters, Rtu, Tcp, Wire
from sitewarden.rules.model import Command, Reason, Stamp, Value


@dataclass(slots=True)
class _Asked:
    """The request that is out."""

    station: Station
    job: Poll | Write
    deadline: float


class Bus:
    """A `Driver`. `baud`: of the serial line; None when there is none (TCP, or RTU through TCP)."""

    def __init__(self, link: str, tcp: bool, units: Sequence[Unit], baud: int | None) -> None:
        self.link = link
        self.devices = tuple(unit.device for unit in units)
        self._wire: Wire = Tcp() if tcp else Rtu(baud)
        self._schedule: Schedule[Poll] = Schedule()
        self._stations = {unit.device: Station(unit, self._schedule) for unit in units}
        self._asked: _Asked | None = None
        self._open = False
        self._free_at = 0.0  # the line rests until then

    @property
    def counters(self) -> Mapping[str, Counters]:
        """By device."""
        return {device: station.counters for device, station in self._stations.items()}

    @property
    def wake_at(self) -> float | None:
        if not self._open:
            return None
        if self._asked:
            return self._asked.deadline
        due = [self._schedule.next_due(), *(station.next_due() for station in self._stations.values())]
        first = min((at for at in due if at is not None), default=None)
        return None if first is None else max(first, self._free_at)

    def connected(self, at: Stamp) -> list[Output]:
        self._wire.reset()
        self._asked, self._open, self._free_at = None, True, at.mono
        for station in self._stations.values():
            station.connected(at)
        return [*self._send(at)]

    def lost(self, at: Stamp, reason: Reason) -> list[Output]:
        self._wire.reset()
        self._asked, self._open = None, False
        return [event for station in self._stations.values() for event in station.lost(at, reason)]

    def received(self, data: bytes, at: Stamp) -> list[Output]:
        self._free_at = at.mono + self._wire.silence
        asked = self._asked
        try:
            pdu = self._wire.take(data, at)
        except ProtocolError:
            pdu = b""
        if asked is None or pdu is None:
            return []
        self._asked = None
        ended = self._answered(asked, pdu, at) if pdu else self._garbled(asked, at)
        return [*ended, *self._send(at)]

    def woken(self, at: Stamp) -> list[Output]:
        outputs: list[Output] = []
        if (asked := self._asked) and at.mono >= asked.deadline:
            self._asked = None
            outputs += self._unanswered(asked, at)
        return [*outputs, *self._send(at)]

    def command(self, command: Command, at: Stamp) -> list[Output]:
        station = self._stations[command.device]
        station.outputs.command(command, at)
        station.commanded()
        return [*self._send(at)]

    def write(self, device: str, output: str, value: Value, at: Stamp) -> list[Output]:
        """An engineer's write of a value; ValueError if the point does not take it."""
        station = self._stations[device]
        station.outputs.write(output, value, at)
        station.commanded()
        return [*self._send(at)]

    # -- the end of a request --------------------------------------------------------------------

    def _answered(self, asked: _Asked, pdu: bytes, at: Stamp) -> list[Output]:
        station, job = asked.station, asked.job
        outputs: list[Output] = []
        try:
            outputs.extend(station.answered(job, pdu, at))
        except Exception as error:
            if isinstance(job, Write):
                raise
            outputs += station.broken(job, error, at)  # one unit's strange answer is not the bus's affair
        return outputs

    def _garbled(self, asked: _Asked, at: Stamp) -> Iterable[Output]:
        asked.station.counters.garbled += 1
        return asked.station.missed(asked.job, Reason.PROTOCOL, at)

    def _unanswered(self, asked: _Asked, at: Stamp) -> Iterable[Output]:
        if not self._wire.numbered:
            asked.station.unanswered(asked.job.request, at)
        heard = self._wire.garbled
        self._wire.reset()
        if heard:
            return self._garbled(asked, at)
        asked.station.counters.timeouts += 1
        return asked.station.missed(asked.job, Reason.TIMEOUT, at)

    # -- whose turn it is ------------------------------------------------------------------------

    def _send(self, at: Stamp) -> Iterable[bytes]:
        if not self._open or self._asked or at.mono < self._free_at:
            return
        if (turn := self._next_write(at) or self._next_read(at)) is None:
            return
        station, job = turn
        station.counters.requests += 1
        patience = self._wire.lasts(job.request) + station.unit.timeout
        self._asked = _Asked(station, job, at.mono + patience)
        if isinstance(job, Write):
            for output in job.outputs:
                output.sent()
        yield self._wire.ask(job.request, station.counters)

    def _next_write(self, at: Stamp) -> tuple[Station, Write] | None:
        for station in self._stations.values():
            if write := station.next_write(at):
                return station, write
        return None

    def _next_read(self, at: Stamp) -> tuple[Station, Poll] | None:
        while poll := self._schedule.pop(at.mono):
            until = poll.station.free_at(poll.request, at)
            if until is None:
                return poll.station, poll
            self._schedule.add(poll, until, until + poll.period)
        return None
