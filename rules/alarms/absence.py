"""What should be there and is not: good readings of a point, answers of a device."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from sitewarden.rules.alarms.book import AlarmBook, alarm_id
from sitewarden.rules.cells import Contact, Watch
from sitewarden.rules.model import LinkChanged, Quality, Reading, Reason, Stamp
from sitewarden.rules.plan import Stale
from sitewarden.rules.state import State


class StalePoints:
    """`point_stale`: no good reading for so long; before the first one, since the start. A value that was
    good when it was last heard of is told once more as what it is now: stale."""

    def __init__(self, state: State, book: AlarmBook, plan: Iterable[Stale]) -> None:
        self._state, self._book = state, book
        self._plan = {stale.point: stale for stale in plan}

    @property
    def settled(self) -> bool:
        return all(self._watch(point) for point in self._plan)

    def settle(self, at: Stamp) -> None:
        for point, stale in self._plan.items():
            if not self._watch(point):
                self._put(point, Watch(at.mono + stale.after))

    def read(self, stale: Stale, reading: Reading) -> None:
        """Ends an alarm; what has come meanwhile, `due` looks for itself."""
        good = reading.quality is Quality.GOOD
        watch = self._watch(stale.point)
        if good and self._book.standing(alarm_id("point_stale", stale.point)):
            self._book.back(alarm_id("point_stale", stale.point), reading.at)
            self._put(stale.point, Watch(reading.at.mono + stale.after))
        elif watch and watch.bad is good:
            self._put(stale.point, replace(watch, bad=not good))

    def due(self, point: str, at: Stamp) -> None:
        stale, watch = self._plan[point], self._watch(point)
        bad = watch is not None and watch.bad
        last = self._state.get(f"good/{point}", Reading)
        until = last.at.mono + stale.after if last else at.mono
        if until > at.mono:
            self._put(point, Watch(until, bad))
        else:
            self._put(point, Watch(None, bad))
            if last and not bad:
                self._state.emit(replace(last, at=at, quality=Quality.STALE, reason=Reason.OLD))
            params = {"after": stale.after}
            self._book.raised("point_stale", point, at, params, severity=stale.severity)

    def _watch(self, point: str) -> Watch | None:
        return self._state.get(f"watch/{point}", Watch)

    def _put(self, point: str, watch: Watch) -> None:
        self._state.put(f"watch/{point}", watch)


class AwayDevices:
    """`device_offline`: a device that has not answered for `after` s; before its first answer, since the
    start, for one whose port is not there at all reports nothing."""

    def __init__(self, state: State, book: AlarmBook, devices: Collection[str], after: float) -> None:
        self._state, self._book, self._devices, self._after = state, book, devices, after

    @property
    def settled(self) -> bool:
        return all(self._state.get(_key(device), Contact) for device in self._devices)

    def settle(self, at: Stamp) -> None:
        for device in self._devices:
            if not self._state.get(_key(device), Contact):
                self._state.put(_key(device), Contact(False, at.mono + self._after))

    def changed(self, event: LinkChanged) -> None:
        key, reason = _key(event.device), event.reason or Reason.LINK_DOWN
        known = self._state.get(key, Contact)
        if event.up:
            self._state.put(key, Contact(True))
            self._book.back(alarm_id("device_offline", event.device), event.at)
        elif known and not known.up:
            self._state.put(key, replace(known, reason=reason))
        else:
            self._state.put(key, Contact(False, event.at.mono + self._after, reason))

    def due(self, device: str, at: Stamp) -> None:
        if away := self._state.get(_key(device), Contact):
            self._state.put(_key(device), replace(away, due=None))
            self._book.raised("device_offline", device, at, {"reason": away.reason.value})


def _key(device: str) -> str:
    return f"contact/{device}"
