"""What a changed plan leaves behind: cells of lanes, rules and lines that the site no longer has."""

from collections.abc import Collection, Mapping

from sitewarden.rules.alarms.book import AlarmBook
from sitewarden.rules.alarms.lifecycle import STANDING
from sitewarden.rules.cells import LineCell
from sitewarden.rules.fire import FireRelease
from sitewarden.rules.model import Alarm, FireKind, FireSignal, Stamp
from sitewarden.rules.plan import SitePlan
from sitewarden.rules.state import State


class Leftovers:
    """Removes such cells, and ends their alarms: nothing could end them any more."""

    def __init__(
        self, state: State, book: AlarmBook, fire: FireRelease, plan: SitePlan, watched: Collection[str]
    ) -> None:
        self._state, self._book, self._fire = state, book, fire
        lanes = {lane.id for lane in plan.parking.lanes}
        rules = {rule.id for rule in plan.conditions}
        stale = {rule.point for rule in plan.stale}
        panels = {line.panel for line in plan.fire}
        owners: Mapping[str, Collection[str]] = {
            "arm": lanes,
            "away": plan.devices,
            "good": watched,
            "lane": lanes,
            "line": panels,
            "swipe": lanes,
            "timer": rules,
            "watch": stale,
        }
        subjects: Mapping[str, Collection[str]] = {
            "barrier_forced": lanes,
            "barrier_not_open": lanes,
            "barrier_stuck": lanes,
            "device_offline": plan.devices,
            "point_stale": stale,
        }
        self._cells = [key for key in state.save() if _orphaned(key, owners)]
        self._alarms = [
            alarm.id
            for _, alarm in state.of("alarm", Alarm)
            if alarm.state in STANDING
            and (alarm.id not in rules if alarm.code == "condition" else _is_left(alarm, subjects))
        ]

    @property
    def settled(self) -> bool:
        return not self._cells and not self._alarms

    def settle(self, at: Stamp) -> None:
        for key in self._cells:
            if self._state.get(key, LineCell):  # a line that is taken away burns no longer
                self._fire.told(FireSignal(key.partition("/")[2], FireKind.NORMAL, at))
            self._state.put(key, None)
        for alarm in self._alarms:
            self._book.back(alarm, at)


def _orphaned(key: str, owners: Mapping[str, Collection[str]]) -> bool:
    prefix, _, about = key.partition("/")
    return prefix in owners and about not in owners[prefix]


def _is_left(alarm: Alarm, subjects: Mapping[str, Collection[str]]) -> bool:
    return alarm.code in subjects and alarm.subject not in subjects[alarm.code]
