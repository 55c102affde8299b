"""Gaps in the records of points: what is missing, since when, and how many readings were due meanwhile."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sitewarden.drivers.modbus.bus import EVERYONE
from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan
from sitewarden.gateway.spool.blocks import Loss

FEW = 8  # gaps of one device for one reason that are told one by one within `BURST`
BURST = 600 * 10**9  # ns; the others of that time are told as one
NAMED = 5  # points that a gap of many names

Intervals = Mapping[str, Mapping[str, float]]
"""Device -> point ("pump-1.pressure") -> s between two reads."""


def intervals(links: Iterable[LinkPlan]) -> Intervals:
    return {device: points for link in links for device, points in _intervals(link).items()}


def _intervals(link: LinkPlan) -> Intervals:
    match link.wire:
        case BusPlan(framing, units):
            everyone = None if framing is Framing.TCP else EVERYONE  # who answers nothing is not read
            return {
                unit.device: {f"{unit.device}.{it.name}": unit.scan[it.scan] for it in unit.profile.points}
                if unit.unit_id != everyone
                else {}
                for unit in units
            }
    return {device: {} for device in link.devices}


def remade(before: Iterable[LinkPlan], after: Iterable[LinkPlan]) -> frozenset[str]:
    """Devices of links that are not what they were."""
    old = {link.name: link for link in before}
    new = {link.name: link for link in after}
    altered = [link for link in (*old.values(), *new.values()) if old.get(link.name) != new.get(link.name)]
    return frozenset(device for link in altered for device in link.devices)


@dataclass(slots=True, eq=False)
class Gap:
    """Points that went at one instant for one reason. Instants are ns since boot (`Clock.boot_ns`), those of
    an earlier boot are not positive.

    `device`: "" is the whole site. `whole`: it is the device that is away, whatever its points say.
    """

    device: str
    why: str
    since: int
    whole: bool = False
    over: int | None = None  # when its cause was; None while that lasts
    missing: dict[str, None] = field(default_factory=dict)  # points that are not back
    count: float = 0.0  # readings that were due of the points that are
    last: int | None = None  # when the newest of them came back
    before: int = 0  # ns that what was added to it began earlier
    late: float = 0.0  # reads a s of the points that went in an earlier boot and came back in this one
    points: int = 0  # that were ever in it
    named: list[str] = field(default_factory=list)  # the first of them
    gaps: int = 1  # that are told as one

    @property
    def key(self) -> tuple[str, str, int]:
        return self.device, self.why, self.since

    @property
    def first(self) -> int:
        return self.since - self.before

    @property
    def subject(self) -> str:
        return self.named[0] if self.points == 1 and not self.whole else self.device

    def join(self, point: str) -> None:
        self.missing[point] = None
        self.points += 1
        if len(self.named) < NAMED:
            self.named.append(point)

    def leave(self, point: str, rate: float, at: int) -> None:
        """`rate`: reads a s."""
        del self.missing[point]
        self.count += rate * (at - self.since) / 1e9
        self.last = at if self.last is None else max(self.last, at)
        if self.since <= 0 < at:
            self.late += rate

    def add(self, other: "Gap") -> None:
        """Tells another one, that is over, together with this one."""
        self.before = max(self.before, self.since - other.first)
        self.count += other.count
        self.late += other.late
        if other.last is not None:
            self.last = max(self.last or other.last, other.last)

    def shift(self, by: int) -> None:
        """What was in an earlier boot was so many ns later than was thought."""
        if self.since <= 0:
            self.since += by
            self.count -= self.late * by / 1e9
        if self.over is not None and self.over <= 0:
            self.over += by
        if self.last is not None and self.last <= 0:
            self.last += by

    def rebase(self, by: int) -> None:
        """Another boot counts from so many ns later."""
        self.since -= by
        self.late = 0.0
        self.last = None if self.last is None else self.last - by
        self.over = None if self.over is None else self.over - by

    def told(self, offset: int, lacking: float = 0.0) -> Loss:
        """`offset`: what makes an instant one since 1970, in ns; `lacking`: readings of the points that are
        not back. A gap that lasts has a `last` of 0."""
        count = round(self.count + lacking)
        last = 0 if self.last is None or self.missing else self.last + offset
        return Loss(
            self.why,
            max(count, 1) if self.points else 0,
            self.first + offset,
            last,
            note=self._note(),
            subject=self.subject,
        )

    def _note(self) -> str:
        more = [f"… ({self.points})"] if self.points > len(self.named) else []
        names = [] if self.whole or self.points < 2 else [it.partition(".")[2] for it in self.named] + more
        times = [f"× {self.gaps}"] if self.gaps > 1 else []
        return " ".join([*names, *times])


@dataclass(slots=True)
class _Told:
    since: int
    count: int = 0
    more: Gap | None = None  # those beyond `FEW`, as one


class Ended:
    """Gaps that are over and wait to be told, no more than a few of a kind: a point that comes and goes all
    the time is told of as such."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], _Told] = {}
        self._ready: list[Gap] = []

    def take(self, gap: Gap, at: int) -> None:
        kind = self._kinds.setdefault((gap.device, gap.why), _Told(at))
        kind.count += 1
        if kind.count <= FEW:
            self._ready.append(gap)
        elif kind.more is None:
            kind.more = gap
        else:
            kind.more.whole = True
            kind.more.add(gap)
            kind.more.gaps += 1

    def tell(self, at: int) -> list[Gap]:
        """Takes out what is to be told by now."""
        for key, kind in list(self._kinds.items()):
            if at - kind.since >= BURST:
                del self._kinds[key]
                self._ready += [kind.more] if kind.more else []
        ready, self._ready = self._ready, []
        return ready

    @property
    def waiting(self) -> list[Gap]:
        return [*self._ready, *(kind.more for kind in self._kinds.values() if kind.more)]
