"""The ledger of what is missing: for every gap in a point's record when, why and how many.

A gap begins when a device goes away, when a point is bad or stale, when the gateway ends, or when another
configuration makes a link anew. It ends for each of its points with the first good reading of that. A point
is in one gap at a time, and a gap has one reason: where that changes another one begins. So nothing is
counted twice, and nothing is left out.

Points that went at one instant for one reason have one gap: those of a device that is away, of a read that
is not answered, of a site whose gateway was off. Who is not back `GRACE` after the cause is over has a gap
of its own from there on.

What is counted are readings that were due: the time that is missing by the interval at which the point is
read. How many of them would have been worth a report nobody knows.

Time comes in as ns since boot (`Clock.boot_ns`), so that no step of the wall clock makes a gap longer.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sitewarden.gateway.ledger.causes import Gone
from sitewarden.gateway.ledger.gaps import Ended, Gap, Intervals
from sitewarden.gateway.spool.blocks import Loss
from sitewarden.rules.model import Effect, LinkChanged, Quality, Reading, Reason, Stamp

ENDING = 5 * 10**9  # ns that it takes to close all links
GRACE = 60 * 10**9  # ns in which what was away is back, and in which what goes bit by bit goes as one

COME = ""  # the reason of what is no gap: a point that is new, and not heard of yet
_SAYS_NOTHING = {COME, Gone.STOPPED, Gone.KILLED, Gone.ALTERED}  # of the device


@dataclass(frozen=True, slots=True)
class Kept:
    """What a restart needs to know of it."""

    boot: str  # its id: instants of the same boot go on
    alive: int  # up to when all is in the spool
    offset: int | None  # ns; what makes an instant one since 1970, if that was known
    earlier: int | None  # the same for instants of earlier boots, while it is not


class Ledger:
    """For one thread. `due` is to be called now and then, `tell` as soon as the clock is believed."""

    def __init__(self, each: Intervals) -> None:
        self._each, self._rates = each, _rates(each)
        self.changes = 0  # of what is to be kept
        self._gaps: dict[Gap, None] = {}  # that are open, as they began
        self._of: dict[str, Gap] = {}  # point -> the gap that it is in
        self._away: dict[str, Gap] = {}  # device -> its gap, while the cause lasts
        self._newest: Gap | None = None  # of points
        self._heard: set[str] = set()  # devices, since the start
        self._remade: dict[str, int] = {}  # device -> when its link was made anew
        self._ended = Ended()
        self._earlier: int | None = None

    # -- what happens ----------------------------------------------------------------------------

    def take(self, effects: Iterable[Effect], boot_ns: Callable[[Stamp], int]) -> None:
        """What was published, in order."""
        of = self._of
        for effect in effects:
            if type(effect) is Reading:
                if effect.quality is not Quality.GOOD:
                    self._bad(effect.point, effect.reason, boot_ns(effect.at))
                elif effect.point in of:
                    self._good(effect.point, boot_ns(effect.at))
            elif type(effect) is LinkChanged and effect.device in self._each:
                if effect.up:
                    self._came(effect.device, boot_ns(effect.at))
                else:
                    self._went(effect.device, effect.reason or Reason.LINK_DOWN, boot_ns(effect.at))

    def due(self, at: int) -> None:
        """Time has passed: whoever is not back by now is away for a reason of its own."""
        for gap in list(self._gaps):
            if gap.over is not None and at >= gap.over + GRACE:
                self._split(gap, gap.over)

    def adopt(self, each: Intervals, remade: Collection[str], at: int) -> None:
        """Another configuration. `remade`: devices whose links are made anew: that they go away for it is
        none of their own affairs."""
        before, rates = self._each, self._rates
        self._each, self._rates = each, {**rates, **_rates(each)}
        for device in sorted(before):
            if device in remade or device not in each:
                self._came(device, at)  # it is not waited for any more
                self._heard.discard(device)
        for device in sorted(before.keys() - each.keys()):
            self._ended.take(Gap(device, Gone.REMOVED, at, whole=True, last=at), at)
        for device in sorted(each.keys() - before.keys()):
            self._open(Gap(device, COME, at, whole=True, over=at), each[device])
        for device in sorted(each.keys() & before.keys() & set(remade)):
            self._remade[device] = at
            self._open(Gap(device, Gone.ALTERED, at, whole=True, over=at), each[device])
        self._rates = _rates(each)
        for point in [point for point in self._of if point not in self._rates]:
            self._leave(point, rates[point], at)

    # -- what becomes of it ----------------------------------------------------------------------

    def tell(self, offset: int, at: int) -> list[Loss]:
        """Takes out the gaps that are over. `offset`: what makes an instant one since 1970."""
        if self._earlier is not None:
            for gap in (*self._gaps, *self._ended.waiting):
                gap.shift(self._earlier - offset)
            self._earlier = None
        told = [gap.told(offset) for gap in self._ended.tell(at)]
        self.changes += len(told)
        return told

    def open(self, offset: int, at: int) -> list[Loss]:
        """Those that last, as far as they have come. `last` is 0."""
        return [
            gap.told(offset, sum(self._rates[point] for point in gap.missing) * (at - gap.since) / 1e9)
            for gap in self._gaps
            if gap.why != COME
        ]

    def stop(self, at: int) -> None:
        """The gateway ends in good order. That its links are closed for it is none of their own affairs."""
        off = Gap("", Gone.STOPPED, at, whole=True)
        for gap in [*self._gaps]:
            if gap.why == Reason.LINK_DOWN and gap.since > at - ENDING:
                self._swallow(gap, off)
        if others := [point for point in self._rates if point not in self._of]:
            self._open(off, others)

    def keep(self, boot: str, alive: int, offset: int | None) -> Kept:
        return Kept(boot, alive, offset, self._earlier)

    def gaps(self) -> list[dict[str, Any]]:
        """Those that are to be kept, as rows."""
        return [asdict(gap) for gap in (*self._gaps, *self._ended.waiting)]

    def begin(self, kept: Kept | None, rows: Iterable[dict[str, Any]], boot: str, at: int) -> None:
        """Once, at the start: goes on with what was kept; None: there was nothing before."""
        if kept is None:
            self._open(Gap("", COME, at, whole=True, over=at), self._rates)
            return
        alive = kept.alive
        self._earlier = kept.earlier
        gaps = [Gap(**row) for row in rows]
        if kept.boot != boot:  # as if it had been off for no time, until the clock says for how long
            known = kept.earlier if kept.offset is None else kept.offset
            self._earlier = None if known is None else known + alive
            for gap in gaps:
                gap.rebase(alive)
            alive = 0
        for gap in gaps:
            self._restore(gap, at)
        stopped = any(gap.why == Gone.STOPPED and gap.over == at for gap in gaps)
        others = [point for point in self._rates if point not in self._of]
        if stopped and others:  # they have only just come
            self._open(Gap("", COME, at, whole=True, over=at), others)
        elif others:
            self._open(Gap("", Gone.KILLED, alive, whole=True, over=at), others)

    def _restore(self, gap: Gap, at: int) -> None:
        if not gap.missing:
            self._ended.take(gap, at)
            return
        for point in [point for point in gap.missing if point not in self._rates]:
            del gap.missing[point]
        self._gaps[gap] = None
        self._of.update(dict.fromkeys(gap.missing, gap))
        if gap.why == Gone.STOPPED and gap.over is None:
            gap.over = at
        elif gap.whole and gap.over is None:
            self._away[gap.device] = gap

    # -- points and devices ----------------------------------------------------------------------

    def _good(self, point: str, at: int) -> None:
        self._heard.add(_device(point))
        self._remade.pop(_device(point), None)
        self._leave(point, self._rates[point], at)

    def _bad(self, point: str, why: str, at: int) -> None:
        device, gap = _device(point), self._of.get(point)
        if point not in self._rates or self._is_remaking(device, why, at):
            return
        if gap and (gap.why == why or gap is self._away.get(device)):
            return
        newest = self._newest
        if not newest or newest not in self._gaps or newest.key != (device, why, at):
            newest = self._newest = Gap(device, why, at)
        self._open(newest, [point])

    def _came(self, device: str, at: int) -> None:
        self._heard.add(device)
        self._remade.pop(device, None)
        if gap := self._away.pop(device, None):
            gap.over = at
            if not gap.missing:
                self._close(gap, at)

    def _went(self, device: str, why: str, at: int) -> None:
        before = self._away.get(device)
        if (before and before.why == why) or self._is_remaking(device, why, at):
            return
        if before:
            self._came(device, at)
        gap = self._away[device] = Gap(device, why, at, whole=True)
        for own in {self._of[point]: None for point in self._each[device] if point in self._of}:
            if own.device == device and own.why == why and not own.whole and own.since > at - GRACE:
                self._swallow(own, gap)
        self._open(gap, self._each[device])

    def _is_remaking(self, device: str, why: str, at: int) -> bool:
        return why == Reason.LINK_DOWN and device in self._remade and at < self._remade[device] + GRACE

    # -- gaps ------------------------------------------------------------------------------------

    def _open(self, gap: Gap, points: Iterable[str]) -> None:
        """These are in it from now on, whatever they were in before."""
        self.changes += 1
        self._gaps[gap] = None
        for point in points:
            if point in self._of:
                self._leave(point, self._rates[point], gap.since)
            gap.join(point)
            self._of[point] = gap

    def _leave(self, point: str, rate: float, at: int) -> None:
        self.changes += 1
        gap = self._of.pop(point)
        gap.leave(point, rate, at)
        if not gap.missing:
            self._close(gap, at)

    def _close(self, gap: Gap, at: int) -> None:
        self.changes += 1
        del self._gaps[gap]
        if self._away.get(gap.device) is gap:
            del self._away[gap.device]
        if gap.last is None:
            gap.last = at
        if gap.why != COME:
            self._ended.take(gap, at)

    def _swallow(self, own: Gap, gap: Gap) -> None:
        """It was the beginning of this one."""
        for point in list(own.missing):
            del self._of[point]
            own.leave(point, self._rates[point], gap.since)
        del self._gaps[own]
        if self._away.get(own.device) is own:
            del self._away[own.device]
        gap.add(own)

    def _split(self, gap: Gap, at: int) -> None:
        why = Gone.UNHEARD if gap.why in _SAYS_NOTHING else gap.why
        devices: dict[str, list[str]] = {}
        for point in gap.missing:
            devices.setdefault(_device(point), []).append(point)
        for device, points in devices.items():
            heard = device in self._heard
            rest = Gap(device, why, at, whole=not heard)
            if not heard:
                self._away[device] = rest
            self._open(rest, points)
        if not devices:
            self._close(gap, at)


def _device(point: str) -> str:
    return point.partition(".")[0]


def _rates(each: Intervals) -> dict[str, float]:
    """Reads a s of every point."""
    return {point: 1 / seconds for points in each.values() for point, seconds in points.items()}
