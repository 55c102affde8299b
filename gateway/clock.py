"""The only place that reads clocks."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from threading import Lock

from sitewarden.gateway.records import micros
from sitewarden.rules.model import Stamp

EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)  # older than the software itself: a dead RTC boots in 1970
SLACK = 5.0  # s; a clock may be set back by as much and is still believed (GB 50396-2007 5.1.5)
LEAP = 366 * 86_400.0
"""s; a clock may be ahead by as much of what has passed since it was believed last: a box that was switched
off, or one without an RTC that NTP puts right an hour after the start. A broken RTC is decades away."""
SETTLE = 600.0
"""s that a running clock must stay where a step forward put it until records follow it: a slip of the hand
is put right within that time."""
SPANS = 64  # of doubt that are remembered; a stamp is asked about within seconds


def wall_now() -> datetime:
    return datetime.now(UTC)


def boot_seconds() -> float:
    """Seconds since boot, sleep included; NTP steps and an operator's `date` do not touch them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Of this boot, as no other has it (Linux, proc(5))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A span of `mono` in which the wall may be wrong."""

    since: float
    until: float = inf


class Clock:
    """Stamps, and whether the machine's wall clock can be believed.

    While it cannot, the wall of the stamps goes on from the last instant that was believed, by the seconds
    that pass: nothing is ever recorded in 2036, and the machine's clock is believed as soon as it is right.

    Records are more careful: the wall of a stamp is `doubted` as well while a step forward has not stood for
    `SETTLE` s. What is doubted has its `boot_ns`, and comes right with `offset_ns` once there is no doubt.

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
        self._known = False  # what time it is, once since the start; before, any time to be trusted will do
        self._step: tuple[float, float] | None = None  # forward: its mono, and by how many s
        self._doubts: tuple[_Doubt, ...] = ()  # replaced, never altered: others look
        self._lock = Lock()
        self.now()

    @property
    def trusted(self) -> bool:
        """False while the wall clock stands before the newest instant already on record, or beyond all
        that can have passed since."""
        return self._trusted

    def now(self) -> Stamp:
        with self._lock:
            return self._now()

    def mono(self) -> float:
        """`now().mono` alone."""
        return self._mono() + self._offset

    def trust_changed(self) -> bool:
        """True once after every change of `trusted`; a start with a wrong clock is a change too."""
        changed, self._told = self._trusted is not self._told, self._trusted
        return changed

    # -- for records -----------------------------------------------------------------------------

    def doubted(self, at: Stamp) -> bool:
        """Whether the wall of a stamp, one of this process, may be wrong."""
        return any(doubt.since <= at.mono < doubt.until for doubt in self._doubts)

    def boot_ns(self, at: Stamp) -> int:
        """ns since boot. Of a stamp of this process, but for another in the same boot they mean the same."""
        return round((at.mono - self._offset) * 1e9)

    def offset_ns(self) -> int | None:
        """What makes a `boot_ns` an instant since 1970; None while that is in doubt."""
        now = self.now()
        return None if self.doubted(now) else micros(now.wall) * 1000 - self.boot_ns(now)

    def present_ns(self) -> int:
        """What may be sent as not being of the future, ns since 1970: no step of the clock leads it on before
        that has settled, and one that was ahead holds it back as soon as it is put right."""
        with self._lock:
            stamp, machine, believed = self._now(), self._wall(), self._believed
        line = believed.wall + timedelta(seconds=stamp.mono - believed.mono) if believed else machine
        return micros(min(line, machine) if machine >= EARLIEST else line) * 1000

    # -- judging ---------------------------------------------------------------------------------

    def _now(self) -> Stamp:
        wall, mono = self._wall(), self.mono()
        self._trusted = self._believable(wall, mono)
        sure = self._trusted and (not self._known or self._settled(wall, mono))
        self._known |= sure
        self._remember(sure, mono)
        believed = self._believed
        if not self._trusted and believed:
            return Stamp(believed.wall + timedelta(seconds=mono - believed.mono), mono)
        now = Stamp(wall, mono)
        if sure and (believed is None or wall > believed.wall):
            self._believed = now
        return now

    def _believable(self, wall: datetime, mono: float) -> bool:
        if self._believed is None:
            return wall >= EARLIEST
        on = (wall - self._believed.wall).total_seconds()
        return -SLACK <= on <= mono - self._believed.mono + LEAP

    def _settled(self, wall: datetime, mono: float) -> bool:
        """Whether the wall went on as the seconds did, or has stayed where a step put it."""
        believed = self._believed
        ahead = (wall - believed.wall).total_seconds() - (mono - believed.mono) if believed else 0.0
        if ahead <= SLACK:
            self._step = None
        elif self._step is None or abs(ahead - self._step[1]) > SLACK:
            self._step = mono, ahead
        return self._step is None or mono >= self._step[0] + SETTLE

    def _remember(self, sure: bool, mono: float) -> None:
        *settled, newest = self._doubts or (_Doubt(-inf, -inf),)
        if newest.until == inf and sure:
            self._doubts = (*settled, replace(newest, until=mono))
        elif newest.until < inf and not sure:
            self._doubts = (*self._doubts[-SPANS:], _Doubt(mono))
