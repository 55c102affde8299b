"""What hangs off the fan-out past the decision: log, history, spool and sinks, by the configuration.

None of it can delay the main loop: each has a bounded subscription and a thread of its own.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from sitewarden.config.plan import Site
from sitewarden.config.sinks import InfluxPlan, MqttPlan, Payload, SinkPlan
from sitewarden.gateway.api.house import Status
from sitewarden.gateway.board import Board
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.eventlog import EventLog
from sitewarden.gateway.hub import Hub, Report
from sitewarden.gateway.ledger.gaps import intervals, remade
from sitewarden.gateway.sinks.base import Sink, Transport
from sitewarden.gateway.sinks.carrier import Carrier
from sitewarden.gateway.sinks.lines import WANTED, Lines
from sitewarden.gateway.spool.blocks import Loss
from sitewarden.gateway.spool.spool import Spool
from sitewarden.gateway.spool.writer import SpoolWriter, nothing
from sitewarden.gateway.telemetry import Telemetry
from sitewarden.gateway.trend.trend import Trend
from sitewarden.gateway.trend.writer import TrendWriter
from sitewarden.gateway.troubles import Troubles
from sitewarden.gateway.vitals import Own
from sitewarden.rules.model import AlarmChange, Effect, FireChange, Operator, Reading, Stamp

READINGS = 100_000  # effects that a stopped disk may hold up before the oldest are dropped and counted


Operate = Callable[[Operator], Future[Sequence[Effect]]]


class Outlets:
    def __init__(
        self,
        site: Site,
        hub: Hub,
        clock: Clock,
        report: Report,
        board: Callable[[], Board],
        operate: Operate,
        own: Callable[[float], Own] = nothing,
    ) -> None:
        """`operate`: how a destination may ask for something to be done, where the site allows it; `own`:
        what the gateway has to say of itself at an instant (`Stamp.mono`)."""
        self._site, self._hub, self._clock, self._report = site, hub, clock, report
        self._board, self._operate, self._own = board, operate, own
        self.trend = Trend(site.data / "trend.db", site.plan.tz)
        history = hub.subscribe("trend", READINGS, {Reading})
        self._events = EventLog(hub)
        self._history = TrendWriter(self.trend, history, report, clock)
        self.spool = Spool(site.data / "spool.db", _names(site.sinks), site.spool.most, site.spool.keep)
        self.lines = Lines(site.id)
        self._writer: SpoolWriter | None = None
        self.sinks: dict[str, Sink] = {}
        self._plans: dict[str, SinkPlan] = {}
        self.telemetry = Telemetry(self.spool, lambda: self.sinks, self._lasting)

    def start(self) -> None:
        self._events.start()
        self._history.start()
        self.adopt(self._site)

    def adopt(self, site: Site) -> list[str]:
        """Goes on with another configuration's sinks; equal ones do not notice. Returns the others.

        What may fail for want of a disk comes first, and changes nothing then. Others look at `sinks`
        meanwhile: it is replaced, never altered. A sink that does not start is none, and is tried again
        with the next configuration."""
        new = {plan.name: plan for plan in site.sinks}
        kept = {name: sink for name, sink in self.sinks.items() if new.get(name) == self._plans[name]}
        gone, come = self.sinks.keys() - kept, new.keys() - kept
        if gone or come:
            self.spool.serve(_names(site.sinks))
        for name in gone:
            self.sinks[name].stop()
            self.sinks[name].troubles.all_off()  # with the sink goes the memory of what it has told
        self._write_spool(site)
        self._site, self._plans, self.sinks = site, new, kept
        for name in sorted(come):
            sink = self._sink(new[name])
            sink.start()
            self.sinks = {**self.sinks, name: sink}
        return sorted(gone | come)

    def site_changed(self) -> None:
        """The board is that of the adopted site: what it lacks is no more."""
        for sink in self.sinks.values():
            sink.site_changed()

    def stop(self) -> None:
        self._end_spool()
        for sink in self.sinks.values():
            sink.stop()
        self._history.stop()
        self._events.stop()
        self.spool.close()

    def status(self, started: Stamp, clock_trusted: bool) -> Status:
        """Any thread may ask: it waits for no disk and no network."""
        spool = self.spool.seen
        sinks = tuple(sink.status() for sink in self.sinks.values())
        limit = self.spool.most if self._writer else 0
        return Status(started, clock_trusted, sinks, round(spool.fill * self.spool.most), limit)

    def _sink(self, plan: SinkPlan) -> Sink:
        connect = partial(self._transport, plan)
        if isinstance(plan, MqttPlan) and plan.payload is Payload.JSON:
            # It looks now at what it may have to take back: a reload that is under way removes it.
            transport = connect()
            return Carrier(plan, self.spool, self._report, self._clock, lambda: transport)
        return Carrier(plan, self.spool, self._report, self._clock, connect)

    def _transport(self, plan: SinkPlan) -> Transport:
        """What each needs is imported for those alone who have such a server."""
        match plan:
            case InfluxPlan():
                from sitewarden.gateway.sinks.servers import connect  # noqa: PLC0415

                return connect(plan)
            case MqttPlan(payload=Payload.SPARKPLUG):
                from sitewarden.gateway.sinks.sparkplug.transport import SparkplugTransport  # noqa: PLC0415

                site, data = self._site.id, self._site.data
                return SparkplugTransport(plan, site, data, self._board, self._present, self._clock)
            case MqttPlan():
                from sitewarden.gateway.sinks.mqtt.transport import JsonTransport  # noqa: PLC0415

                return JsonTransport(
                    plan, lambda: self._site, self._board, self._present, self._clock, self._operate
                )

    def _lasting(self) -> Sequence[Loss] | None:
        return self._writer.gaps if self._writer else None

    def _present(self) -> list[Effect]:
        return present(self._board(), self._clock.now())

    def _write_spool(self, site: Site) -> None:
        """Telemetry is spooled where there is somebody to send it to, or something to keep it for."""
        each = intervals(site.links)
        if not (site.sinks or site.spool.keep):
            self._end_spool()
        elif self._writer:
            self._writer.adopt(each, remade(self._site.links, site.links))
        else:
            effects = self._hub.subscribe("spool", READINGS, WANTED)
            troubles = Troubles(self._report, self._clock)
            self._writer = SpoolWriter(
                self.spool, effects, self.lines, troubles, self._clock, each, self._own
            )
            self._writer.start()

    def _end_spool(self) -> None:
        if self._writer:
            self._writer.stop()
            self._writer = None


def present(board: Board, at: Stamp) -> list[Effect]:
    """All that stands, for whoever knows nothing yet. Not on the board: when an alarm last changed (told
    as `raised`), and since when there is no fire (told as `at`)."""
    fire = board.fire
    return [
        *(reading for reading in board.latest.values() if reading),
        *(link for link in board.devices.values() if link),
        *(AlarmChange(alarm, alarm.state, alarm.raised) for alarm in board.alarms.values()),
        FireChange(fire.stage, fire.stage, fire.since or at, fire.panel, fire.zone),
    ]


def _names(plans: Sequence[SinkPlan]) -> list[str]:
    return [plan.name for plan in plans]
