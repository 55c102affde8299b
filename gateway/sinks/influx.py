"""The thread that carries the spool to InfluxDB.

A block is done when the server proved that it has it, or said which line it will never take; only then
the cursor moves. Everything else is tried again, for as long as it takes: the spool remembers.
"""

import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from threading import Event, Thread

from sitewarden.config.sinks import InfluxPlan
from sitewarden.gateway.blocks import Batch, Loss
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.hub import Report
from sitewarden.gateway.sinks.answers import Answer, Kind, unanswered
from sitewarden.gateway.sinks.base import Backoff, Lane, SinkStatus
from sitewarden.gateway.sinks.servers import Server, connect
from sitewarden.gateway.spool import Spool, SpoolFailed
from sitewarden.gateway.troubles import Troubles

FOREVER = sys.maxsize  # ns
IDLE = 0.25  # s between looks at an empty spool
HOLD = 10.0  # s between attempts while only a person can help
RETRY_AFTER_MOST = 300.0  # s
AWAY_AFTER = 5.0  # s of failures until it is a trouble
REJECTS_OVER = 60.0  # s without a reject until that trouble is over
STUBBORN = 5  # failures of one batch, with a server that says it is well, until the batch is suspected


class _Away(Exception):
    """Nothing can be delivered for now."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.words)
        self.answer = answer


class InfluxSink:
    """Troubles: `sink_away` (params: status, error) and `sink_rejects` (params: error)."""

    def __init__(
        self,
        plan: InfluxPlan,
        spool: Spool,
        report: Report,
        clock: Clock,
        connect: Callable[[InfluxPlan], Server] = connect,
    ) -> None:
        self.plan, self._spool, self._clock = plan, spool, clock
        self._connect = connect
        self.troubles = Troubles(report, clock)
        self._backoff = Backoff()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=f"sink {plan.name}", daemon=True)
        self._prepared = self._up = False
        self._sent = self._lost = 0
        self._failing_since: float | None = None
        self._rejected_at: float | None = None
        self._failures = 0  # of the present batch, in a row, by a server that answered
        self._suspected = False  # the present batch: a failure means the lines, not the server

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """A request that hangs is left to its time-out."""
        self._stopping.set()
        self._thread.join(timeout)

    def site_changed(self) -> None:
        """What is stored stays true of its time."""

    def status(self) -> SinkStatus:
        waiting = self._spool.seen.pending.get(self.plan.name, 0)
        return SinkStatus(self.plan.name, self._up, self._sent, waiting, self._lost)

    # -- the thread ------------------------------------------------------------------------------

    @cached_property
    def _server(self) -> Server:
        """Made when it is wanted first: what a client library will not have (a token, a URL) is a failure
        like any other."""
        return self._connect(self.plan)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause = self._step()
            except _Away as away:
                pause = self._failed(away.answer)
            except SpoolFailed:
                pause = self._backoff.pause()  # the spool's own thread reports it
            except Exception as error:  # noqa: BLE001 - whatever a client library raises, the spool waits
                pause = self._failed(unanswered(error))
            self._stopping.wait(pause)
        if "_server" in vars(self):
            self._server.close()

    def _step(self) -> float:
        """Delivers a batch; returns the pause until the next."""
        if not self._prepared:
            self._expect(self._server.prepare())
            self._prepared = True
        batch = self._next()
        if not batch:
            return IDLE
        self._suspected = self._suspected or self._suspicious()
        lines = [line for block in batch.blocks for line in block.lines]
        rejected: list[tuple[int, bytes, str]] = []
        for start in range(0, len(lines), self.plan.batch):
            rejected += self._deliver(lines[start : start + self.plan.batch])
        for count, sample, words in rejected:
            first, last = batch.blocks[0].first, batch.blocks[-1].last
            self._spool.lose(Loss("rejected", count, first, last, self.plan.name, sample, words))
        self._spool.done(self.plan.name, batch)
        self._delivered(
            len(lines), sum(count for count, _, _ in rejected), rejected[-1][2] if rejected else ""
        )
        return 0.0

    def _next(self) -> Batch | None:
        """What was left over first, then what is new."""
        lanes = (Lane.BACKLOG, Lane.LIVE)
        batches = (self._spool.read(self.plan.name, lane, self.plan.batch, FOREVER) for lane in lanes)
        return next((batch for batch in batches if batch), None)

    def _deliver(self, lines: Sequence[bytes]) -> list[tuple[int, bytes, str]]:
        """Sends the lines, halving as often as it takes. Returns what will never be taken: how many,
        one of them if it is known, and the server's words."""
        if self._stopping.is_set():
            raise _Away(Answer(Kind.LATER, words="stopping"))
        answer = self._server.write(lines)
        match answer.kind:
            case Kind.TAKEN:
                return []
            case Kind.PARTIAL:
                return [(answer.dropped, b"", answer.words)]
            case Kind.REFUSED:
                raise _Away(answer)
            case Kind.LATER if not (self._suspected and answer.status >= 500):
                raise _Away(answer)
        if len(lines) == 1:
            return [(1, lines[0], answer.words)]
        middle = len(lines) // 2
        return self._deliver(lines[:middle]) + self._deliver(lines[middle:])

    def _suspicious(self) -> bool:
        """Some servers answer 500 for points beyond their retention, for ever. If the batch failed again
        and again while the server is well and takes our newest line, it is the batch."""
        if self._failures < STUBBORN or not self._server.healthy():
            return False
        self._failures = 0
        newest = self._spool.read(self.plan.name, Lane.LIVE, sys.maxsize, FOREVER)
        return newest is not None and self._server.write(newest.blocks[-1].lines[-1:]).kind is Kind.TAKEN

    # -- what became of it -----------------------------------------------------------------------

    def _delivered(self, lines: int, rejects: int, words: str) -> None:
        now = self._clock.now().mono
        self._up, self._suspected = True, False
        self._sent += lines - rejects
        self._lost += rejects
        self._failures, self._failing_since = 0, None
        self._backoff.reset()
        self.troubles.off("sink_away", self.plan.name)
        if rejects:
            self._rejected_at = now
            self.troubles.on("sink_rejects", self.plan.name, {"error": words})
        elif self._rejected_at is not None and now - self._rejected_at > REJECTS_OVER:
            self.troubles.off("sink_rejects", self.plan.name)

    def _failed(self, answer: Answer) -> float:
        """Remembers the failure; returns the pause in s until the next attempt."""
        now = self._clock.now().mono
        self._up = False
        self._failures += answer.status >= 500
        refused = answer.kind is Kind.REFUSED
        if self._failing_since is None:
            self._failing_since = now
        if refused or now - self._failing_since >= AWAY_AFTER:
            self.troubles.on("sink_away", self.plan.name, {"status": answer.status, "error": answer.words})
        if refused:
            self._prepared = False  # the database may have been dropped
            return HOLD
        if answer.retry_after is not None:
            return min(answer.retry_after, RETRY_AFTER_MOST)
        return self._backoff.pause()

    def _expect(self, answer: Answer) -> None:
        if answer.kind is not Kind.TAKEN:
            raise _Away(answer)
