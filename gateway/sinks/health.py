"""How a destination is: what arrived, what was rejected, since when it is there, and what to tell of it."""

from datetime import datetime

from sitewarden.gateway.clock import Clock
from sitewarden.gateway.hub import Report
from sitewarden.gateway.sinks.answers import Answer, Kind
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.troubles import Troubles
from sitewarden.rules.model import Value

AWAY_AFTER = 5.0  # s of failures until it is a trouble
REJECTS_OVER = 60.0  # s without a reject until that trouble is over
LATE_AFTER = 60.0  # s that a server has been there, until live lines that come late are a trouble
LATE_OVER = 60.0  # s without such lines until that trouble is over
THERE = 60.0  # s after a live line was taken that a backlog which fails says nothing of the server
STUCK_AFTER = 120.0  # s that the backlog failed while there was a server, until that is a trouble
OLD_AFTER = 3600.0  # s that it has been there, until old lines that are still to be sent are one


class Health:
    """Troubles: `sink_away` (params: status, error), `sink_refused` (status, error), `sink_rejects` (error),
    `sink_lagging` (lane)."""

    def __init__(self, name: str, report: Report, clock: Clock) -> None:
        self._name, self._clock = name, clock
        self.troubles = Troubles(report, clock)
        self.up = False
        self.since = clock.now()  # of `up`
        self.sent = self.lost = 0
        self.error = ""
        self.error_at: datetime | None = None
        self._failing_since: float | None = None
        self._rejected_at: float | None = None
        self._late_at: float | None = None
        self._stuck_since: float | None = None
        self._live_at = float("-inf")  # a line of that lane was taken

    def taken(self, lines: int, lane: Lane) -> None:
        """0: there is nothing to send, and the server is there."""
        self.sent += lines
        if lane is Lane.BACKLOG:
            self._stuck_since = None
        elif lines:
            self._live_at = self._clock.mono()
        self._failing_since = None
        self._set_up(True)
        self.troubles.off("sink_away", self._name)
        self.troubles.off("sink_refused", self._name)

    def rejected(self, lines: int, words: str) -> None:
        self.lost += lines
        self._said(words)
        self._rejected_at = self._clock.mono()
        self.troubles.on("sink_rejects", self._name, {"error": words})

    def failed(self, answer: Answer, lane: Lane = Lane.LIVE) -> None:
        """A backlog that fails says nothing of a server that is there for what is live."""
        self._said(answer.words)
        now = self._clock.mono()
        if lane is Lane.BACKLOG and self.up and now - self._live_at < THERE:
            if self._stuck_since is None:
                self._stuck_since = now
            return
        self._set_up(False)
        if self._failing_since is None:
            self._failing_since = now
        params: dict[str, Value] = {"status": answer.status, "error": answer.words}
        if answer.kind is Kind.REFUSED:
            self.troubles.off("sink_away", self._name)
            self.troubles.on("sink_refused", self._name, params)
        elif now - self._failing_since >= AWAY_AFTER:
            self.troubles.on("sink_away", self._name, params)

    def late(self) -> None:
        """What is live did not get there in time; who has only just come back may need a while."""
        if self._there > LATE_AFTER:
            self._late_at = self._clock.mono()

    def watch(self, old: bool) -> None:
        """`old`: the backlog is of another day."""
        now = self._clock.mono()
        if self._rejected_at is not None and now - self._rejected_at > REJECTS_OVER:
            self._rejected_at = None
            self.troubles.off("sink_rejects", self._name)
        if self._there > LATE_AFTER:
            late = self._late_at is not None and now - self._late_at < LATE_OVER
            lane = Lane.LIVE if late else Lane.BACKLOG
            stuck = self._stuck_since is not None and now - self._stuck_since > STUCK_AFTER
            lagging = late or stuck or (old and self._there > OLD_AFTER)
            self.troubles.set("sink_lagging", self._name, lagging, {"lane": lane})

    @property
    def _there(self) -> float:
        """s."""
        return self._clock.mono() - self.since.mono if self.up else 0.0

    def _set_up(self, up: bool) -> None:
        if up is not self.up:
            self.up, self.since = up, self._clock.now()

    def _said(self, words: str) -> None:
        self.error, self.error_at = words, self._clock.now().wall
