"""The only place that reads clocks."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sitewarden.rules.model import Stamp

EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)  # older than the software itself: a dead RTC boots in 1970
SLACK = 5.0  # s; a clock may be set back by as much and is still believed (GB 50396-2007 5.1.5)
LEAP = 366 * 86_400.0
"""s; a clock may be ahead by as much of what has passed since it was believed last: a box that was switched
off, or one without an RTC that NTP puts right an hour after the start. A broken RTC is decades away."""


def wall_now() -> datetime:
    return datetime.now(UTC)


def boot_seconds() -> float:
    """Seconds since boot, sleep included; NTP steps and an operator's `date` do not touch them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """Stamps, and whether the machine's wall clock can be believed.

    While it cannot, the wall of the stamps goes on from the last instant that was believed, by the seconds
    that pass: nothing is ever recorded in 2036, and the machine's clock is believed as soon as it is right.

    `mono` goes on from `last`, the newest stamp of the journal, across restarts and reboots, so that a timer
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
        self._offset = last.mono - mono() if last else 0.0
        # A wall before EARLIEST was the machine's own word: nothing had ever been believed.
        self._believed = last if last and last.wall >= EARLIEST else None
        now = wall()
        if self._believed and self._believable(now, self._believed.mono):
            self._offset += max((now - self._believed.wall).total_seconds(), 0.0)
        self._trusted = self._told = True
        self.now()

    @property
    def trusted(self) -> bool:
        """False while the wall clock stands before the newest instant already on record, or beyond all
        that can have passed since."""
        return self._trusted

    def now(self) -> Stamp:
        wall, mono = self._wall(), self.mono()
        believed = self._believed
        self._trusted = self._believable(wall, mono)
        if not self._trusted and believed:
            return Stamp(believed.wall + timedelta(seconds=mono - believed.mono), mono)
        now = Stamp(wall, mono)
        if self._trusted and (believed is None or wall > believed.wall):
            self._believed = now
        return now

    def mono(self) -> float:
        """`now().mono` alone."""
        return self._mono() + self._offset

    def trust_changed(self) -> bool:
        """True once after every change of `trusted`; a start with a wrong clock is a change too."""
        changed, self._told = self._trusted is not self._told, self._trusted
        return changed

    def _believable(self, wall: datetime, mono: float) -> bool:
        if self._believed is None:
            return wall >= EARLIEST
        on = (wall - self._believed.wall).total_seconds()
        return -SLACK <= on <= mono - self._believed.mono + LEAP
