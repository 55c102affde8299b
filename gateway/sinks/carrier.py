"""The thread that moves telemetry from the spool through a transport to its server.

Each turn serves the live lane first, then sends one request of the backlog. What is live and older than
`FRESH`, after an outage or because the server is slow, is parted off to the backlog: what is measured now
does not wait for it.

| answer | what becomes of the lines |
|---|---|
| taken | the next ones |
| partial | the next ones; the rejected are dead letters, found by halving if it does not name them |
| malformed | halved until the bad one is alone: a dead letter |
| too large | fewer at once |
| refused | all waits, with `sink_refused`: a person has to act |
| later, live | all waits: as long as the server says, or a growing pause of at most 5 s |
| later, backlog | the backlog alone waits as long, if the server is there |
| later, again and again | fewer at once; a line that fails alone while others are taken is a dead letter |

All pauses are measured on the monotonic clock.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Event, Thread

from sitewarden.config.sinks import InfluxPlan, SinkPlan
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.hub import Report
from sitewarden.gateway.records import micros
from sitewarden.gateway.sinks.answers import Answer, Kind, unanswered
from sitewarden.gateway.sinks.base import Backoff, Lane, SinkStatus, Transport
from sitewarden.gateway.sinks.health import Health
from sitewarden.gateway.sinks.load import Load, Whole
from sitewarden.gateway.sinks.pace import Rate, Size, Throttle
from sitewarden.gateway.sinks.sieve import Sieve
from sitewarden.gateway.spool.blocks import Batch
from sitewarden.gateway.spool.spool import Spool, SpoolFailed
from sitewarden.rules.model import Stamp

IDLE = 0.25  # s between turns when there is nothing to send; something new ends it
HOLD = 10.0  # s between attempts while only a person can help
RETRY_AFTER_MOST = 300.0  # s
TOO_MANY = 429  # requests
STUBBORN = 5  # failures of the same lines until they are suspected
STRANGERS = 10  # lines rejected in a row, each alone, until it may be that no line is ever taken
FRESH = timedelta(seconds=30)  # what is older goes to the backlog
AHEAD = timedelta(minutes=10)  # what is stamped later than that waits
OLD = timedelta(days=1)  # that there is such a backlog should not last
BATCH = 1000  # lines at once to a destination whose plan does not say


class _Away(Exception):
    """Nothing can be delivered for now."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.words)
        self.answer = answer


class _Way:
    """One lane to this destination, and what is on it."""

    def __init__(self, lane: Lane, most: int, limit: int = 0) -> None:
        self.lane = lane
        self.size = Size(most)
        self.load: Load | None = None
        self.throttle = Throttle(limit)
        self.rate = Rate()
        self.backoff = Backoff()
        self.rests_until = 0.0
        self.first: int | None = None  # ns; what is on it began there, None: it is empty

    def pause(self, now: float) -> float:
        return max(self.rests_until - now, self.throttle.pause(now), 0.0)


class Carrier:
    """A sink, whatever the protocol of its server. Its troubles are those of `Health`."""

    def __init__(
        self, plan: SinkPlan, spool: Spool, report: Report, clock: Clock, connect: Callable[[], Transport]
    ) -> None:
        self.plan, self._spool, self._clock, self._connect = plan, spool, clock, connect
        self._health = Health(plan.name, report, clock)
        self.troubles = self._health.troubles
        most = plan.batch if isinstance(plan, InfluxPlan) else BATCH
        self._live, self._backlog = _Way(Lane.LIVE, most), _Way(Lane.BACKLOG, most, plan.backlog)
        self._sieve = Sieve(plan.only)
        self._backoff = Backoff()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=f"sink {plan.name}", daemon=True)
        self._prepared = False
        self._newest = 0  # block
        self._taken_at = float("-inf")
        self._strangers = 0  # lines that were rejected alone since one was taken

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """A request that hangs is left to its time-out, and nothing is told of it."""
        self._stopping.set()
        self.troubles.hush()
        self._thread.join(timeout)

    def site_changed(self) -> None:
        if "_transport" in vars(self):
            self._transport.site_changed()

    def drain(self, on: bool) -> None:
        """The backlog as fast as the server takes it, whatever the plan's limit, until there is none."""
        self._backlog.throttle = Throttle(0 if on else self.plan.backlog)

    def status(self) -> SinkStatus:
        """Any thread may ask: it waits for no disk and no network."""
        health, seen, name = self._health, self._spool.seen, self.plan.name
        now, waiting = self._clock.now(), seen.pending.get(name, 0)
        backlog, oldest = seen.backlog.get(name, 0), seen.since.get(name)
        speed = self._backlog.rate.at(now.mono)
        return SinkStatus(
            name,
            health.up,
            health.sent,
            waiting,
            health.lost,
            health.since.wall,
            health.error,
            health.error_at,
            lag=self._lag(now, waiting),
            backlog=backlog,
            oldest=_wall(oldest) if backlog and oldest is not None else None,
            rate=speed + self._live.rate.at(now.mono),
            batch=(self._backlog if backlog else self._live).size.lines,
            drained_in=backlog / speed if health.up and backlog and speed >= 1.0 else None,
            draining=self.plan.backlog > 0 and self._backlog.throttle.rate == 0,
            dead_letters=seen.letters.get(name, 0),
        )

    def _lag(self, now: Stamp, waiting: int) -> float:
        first = self._live.first
        if waiting and not self._health.up:
            seen, name = self._spool.seen, self.plan.name
            if seen.backlog.get(name) or name not in seen.since:
                return now.mono - self._health.since.mono
            first = seen.since[name]  # from before a restart, it may be
        return (now.wall - _wall(first)).total_seconds() if first is not None else 0.0

    # -- the thread ------------------------------------------------------------------------------

    @cached_property
    def _transport(self) -> Transport:
        """Made when it is wanted first: what a client library will not have (a token, a URL, a file) is a
        failure like any other."""
        return self._connect()

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause = self.step()
            if self._health.up:
                self._newest = self._spool.wait(self._newest, pause)
            else:
                self._stopping.wait(pause)
        if "_transport" in vars(self):
            self._transport.close()

    def step(self) -> float:
        """One turn; returns the pause in s until the next, which something new in the spool may end."""
        try:
            return self._turn()
        except _Away as away:
            return self._failed(away.answer)
        except SpoolFailed:
            return self._backoff.pause()  # the spool's own thread reports it
        except Exception as error:  # noqa: BLE001 - whatever a client library raises, the spool waits
            return self._failed(unanswered(error))

    def _turn(self) -> float:
        if not self._prepared:
            self._expect(self._transport.prepare())
            self._prepared = True
        self._expect(self._transport.tend())
        self._watch()
        full = self._live.size.lines
        live = self._serve(self._live)
        if live >= full or self._live.load:
            return 0.0
        if pause := self._backlog.pause(self._clock.mono()):
            return min(pause, IDLE)
        if self._serve(self._backlog):
            return 0.0
        self.drain(False)
        if not live:
            self._health.taken(0, Lane.BACKLOG)
        return IDLE

    def _serve(self, way: _Way) -> int:
        """One request of it at most. Returns the lines of the batch that it is of; 0: there is none."""
        load = way.load = way.load or self._next(way)
        if load is None:
            return 0
        if load.left:
            self._send(way, load)
        if not load.left:
            self._spool.done(self.plan.name, load.batch)
            way.load = None
        return load.batch.count

    def _next(self, way: _Way) -> Load | None:
        now = _wall(self._clock.present_ns())
        batch = self._read(way, now)
        if batch and way is self._live and batch.blocks[0].last < _ns(now - FRESH):
            self._health.late()
            self._spool.part(self.plan.name, _ns(now - FRESH))
            batch = self._read(way, now)
        way.first = batch.blocks[0].first if batch else None
        return Load(batch, self._sieve.sift(Whole(batch))) if batch else None

    def _read(self, way: _Way, now: datetime) -> Batch | None:
        return self._spool.read(self.plan.name, way.lane, way.size.lines, _ns(now + AHEAD))

    # -- what becomes of a request ---------------------------------------------------------------

    def _send(self, way: _Way, load: Load) -> None:
        lines = load.next(way.throttle.share(way.size.lines))
        to_blame = len(lines) == 1 and self._is_to_blame(load)
        begun = self._clock.mono()
        answer = self._ask(lines, way.lane)
        now = self._clock.mono()
        way.size.answered(len(lines), answer, now - begun)
        way.throttle.sent(len(lines), now)
        match answer.kind:
            case Kind.TAKEN:
                load.passed(len(lines))
                self._taken(way, len(lines), now)
            case Kind.PARTIAL:
                self._partly(way, load, lines, answer, now)
            case Kind.MALFORMED | Kind.TOO_LARGE:
                self._narrow(load, lines, answer)
            case Kind.LATER:
                if to_blame and not _is_busy(answer):
                    self._bury(load, lines[0], answer)
                self._later(way, load, lines, answer, now)
            case _:
                raise _Away(answer)

    def _ask(self, lines: Sequence[bytes], lane: Lane) -> Answer:
        try:
            return self._transport.send(lines, lane)
        except Exception as error:  # noqa: BLE001 - whatever a client library raises, it may be the lines
            return unanswered(error)

    def _taken(self, way: _Way, lines: int, now: float) -> None:
        self._taken_at, self._strangers = now, 0
        self._backoff.reset()
        way.backoff.reset()
        way.rate.add(lines, now)
        self._health.taken(lines, way.lane)

    def _partly(self, way: _Way, load: Load, lines: Sequence[bytes], answer: Answer, now: float) -> None:
        """The other lines of it are stored. Which were not the server may not say: then halves tell, and a
        line that is stored already is written over itself."""
        letters = answer.letters
        if answer.dropped >= len(lines):
            letters = tuple((line, answer.words) for line in lines)
        elif answer.dropped > len(letters):
            load.bad(len(lines))
            return
        if letters:
            self._spool.bury(self.plan.name, letters)
            self._health.rejected(len(letters), answer.words)
        load.passed(len(lines))
        self._taken(way, len(lines) - len(letters), now)

    def _narrow(self, load: Load, lines: Sequence[bytes], answer: Answer) -> None:
        """Nothing of it is stored, and some line is why."""
        if len(lines) > 1:
            if answer.kind is not Kind.TOO_LARGE:
                load.bad(len(lines))
            return
        self._bury(load, lines[0], answer)

    def _bury(self, load: Load, line: bytes, answer: Answer) -> None:
        self._spool.bury(self.plan.name, [(line, answer.words)])
        self._health.rejected(1, answer.words)
        load.gave_up()
        self._strangers += 1
        if self._strangers >= STRANGERS:
            # It may be a proxy that says so to whatever comes: slowly from here, and with an alarm.
            raise _Away(replace(answer, kind=Kind.REFUSED))

    def _later(self, way: _Way, load: Load, lines: Sequence[bytes], answer: Answer, now: float) -> None:
        """Some servers answer 500 for points beyond their retention, for ever; some brokers hang up on what
        is larger than they like."""
        self._prepared = False
        if not _is_busy(answer):
            load.failed(len(lines), now, others=self._taken_at > load.failed_at)
        if way is self._live:
            if load.failures >= STUBBORN:  # what is newer will show whether it is the lines
                self._spool.part(self.plan.name, load.batch.blocks[-1].last + 1)
                way.load = None
            raise _Away(answer)
        if load.failures >= STUBBORN:
            way.size.too_large(len(lines))
        way.rests_until = now + _pause(way.backoff, answer)
        self._health.failed(answer, way.lane)

    def _is_to_blame(self, load: Load) -> bool:
        """The next line of it, if that fails once more: others were taken after each of its failures, and
        the server is well. It is asked before, for a broker that hangs up is not there after."""
        return load.alone >= STUBBORN and self._taken_at > load.failed_at and self._transport.healthy()

    def _expect(self, answer: Answer) -> None:
        if answer.kind is not Kind.TAKEN:
            raise _Away(answer)

    def _failed(self, answer: Answer) -> float:
        """Returns the pause in s until the next attempt."""
        self._prepared = False
        for way in (self._live, self._backlog):
            way.size.afresh()
        self._health.failed(answer)
        return HOLD if answer.kind is Kind.REFUSED else _pause(self._backoff, answer)

    def _watch(self) -> None:
        first = self._backlog.first
        self._health.watch(old=first is not None and first < _ns(self._clock.now().wall - OLD))


def _is_busy(answer: Answer) -> bool:
    """Who says when to come again, or how often not to, does not complain of the lines."""
    return answer.retry_after is not None or answer.status == TOO_MANY


def _pause(backoff: Backoff, answer: Answer) -> float:
    return min(max(answer.retry_after or 0.0, backoff.pause()), RETRY_AFTER_MOST)


def _ns(instant: datetime) -> int:
    return micros(instant) * 1000


def _wall(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9, UTC)
