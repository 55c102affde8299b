"""The only place that reads clocks."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sitewarden.rules.model import Stamp

EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)  # older than the software itself: a dead RTC boots in 1970
SLACK = timedelta(seconds=5)  # a clock may be set back by as much and is still believed (GB 50396-2007 5.1.5)


def wall_now() -> datetime:
    return datetime.now(UTC)


def boot_seconds() -> float:
    """Seconds since boot, sleep included; NTP steps and an operator's `date` do not touch them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """Stamps, and whether their wall clock can be believed.

    `mono` goes on from the newest stamp of the journal, across restarts and reboots, so that a timer
    that was saved still counts. The time spent switched off is added when the wall clock is to be
    trusted; otherwise it counts as none. Any thread may ask.
    """

    def __init__(
        self,
        last: Stamp | None = None,
        wall: Callable[[], datetime] = wall_now,
        mono: Callable[[], float] = boot_seconds,
    ) -> None:
        self._wall, self._mono = wall, mono
        self._newest = max(last.wall, EARLIEST) if last else EARLIEST
        now = wall()
        away = max((now - last.wall).total_seconds(), 0.0) if last and self._believable(now) else 0.0
        self._offset = last.mono + away - mono() if last else 0.0
        self._trusted = self._told = True
        self.now()

    @classmethod
    def continuing(cls, last: Stamp | None) -> "Clock":
        """A clock whose `mono` goes on from `last`, the newest stamp of the journal."""
        return cls(last)

    @property
    def trusted(self) -> bool:
        """False while the wall clock stands before the newest instant already on record."""
        return self._trusted

    def now(self) -> Stamp:
        wall = self._wall()
        self._trusted = self._believable(wall)
        self._newest = max(self._newest, wall)
        return Stamp(wall, self._mono() + self._offset)

    def trust_changed(self) -> bool:
        """True once after every change of `trusted`; a start with a wrong clock is a change too."""
        changed, self._told = self._trusted is not self._told, self._trusted
        return changed

    def _believable(self, wall: datetime) -> bool:
        return wall >= self._newest - SLACK and wall >= EARLIEST
