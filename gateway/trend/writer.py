"""The thread between the readings and trend.db."""

import sqlite3
from collections.abc import Iterator, Sequence
from threading import Thread

from sitewarden.gateway.clock import Clock
from sitewarden.gateway.hub import Report, Subscription
from sitewarden.gateway.records import micros
from sitewarden.gateway.trend.trend import Trend
from sitewarden.gateway.troubles import Troubles
from sitewarden.rules.model import Effect, Reading

TAKE = 3.0  # s
AHEAD = 600_000_000  # µs that a reading may be ahead of the clock that is believed


class TrendWriter:
    """The thread between a subscription to readings and the file.

    Troubles: `trend_failed`, the disk refuses; `trend_set_aside`, the file was broken.
    """

    def __init__(self, trend: Trend, subscription: Subscription, report: Report, clock: Clock) -> None:
        self._trend, self._subscription, self._clock = trend, subscription, clock
        self._troubles = Troubles(report, clock)
        self._thread = Thread(target=self._run, name="trend", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Writes what is there and closes the file."""
        self._subscription.close()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._subscription.closed or self._subscription.depth:
            effects = self._subscription.take(TAKE, at_least=self._subscription.capacity // 2)
            self._trend.add(self._timely(effects))
            if self._trend.due:
                self._flush()
        self._flush()
        self._trend.close()

    def _timely(self, effects: Sequence[Effect]) -> Iterator[Reading]:
        """Without those of a clock that leapt ahead: the charts would forget the year before it."""
        horizon = self._clock.present_ns() // 1000 + AHEAD
        return (it for it in effects if isinstance(it, Reading) and micros(it.at.wall) <= horizon)

    def _flush(self) -> None:
        try:
            self._trend.flush()
        except (sqlite3.Error, OSError) as error:
            self._troubles.on("trend_failed", "trend", {"error": str(error)})
        else:
            self._troubles.off("trend_failed", "trend")
        if aside := self._trend.set_aside:
            self._troubles.on("trend_set_aside", "trend", {"file": aside.name}, lasts=False)
