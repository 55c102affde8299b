"""What nothing could end any more: cells and alarms of what the site no longer has, or of another run."""

from collections.abc import Collection, Mapping

from sitewarden.rules.alarms.book import AlarmBook
from sitewarden.rules.alarms.lifecycle import STANDING
from sitewarden.rules.cells import Fire, Told
from sitewarden.rules.fire import FireRelease
from sitewarden.rules.model import Alarm, FireKind, FireSignal, Stamp
from sitewarden.rules.plan import SitePlan
from sitewarden.rules.state import State


class Leftovers:
    """Removes such cells, and ends such alarms and fires. What the gateway said of itself in an earlier run
    is over as well: whoever is still in trouble says so again."""

    def __init__(
        self, state: State, book: AlarmBook, fire: FireRelease, plan: SitePlan, watched: Collection[str]
    ) -> None:
        self._state, self._book, self._fire = state, book, fire
        lanes = {lane.id for lane in plan.parking.lanes}
        rules = {rule.id for rule in plan.conditions}
        stale = {rule.point for rule in plan.stale}
        lines = {line.panel for line in plan.fire}
        panels = lines | plan.devices  # a panel is a supervised line or a device of its own
        owners: Mapping[str, Collection[str]] = {
            "arm": lanes,
            "contact": plan.devices,
            "good": watched,
            "lane": lanes,
            "line": lines,
            "swipe": lanes,
            "timer": rules,
            "watch": stale,
        }
        subjects: Mapping[str, Collection[str]] = {
            "barrier_forced": lanes,
            "barrier_not_open": lanes,
            "barrier_stuck": lanes,
            "clock_untrusted": {""},
            "device_offline": plan.devices,
            "fire": panels,
            "fire_fault": panels,
            "point_stale": stale,
        }
        told = {alarm for alarm, _ in state.of("trouble", Told)}
        burning = state.get("fire", Fire)
        self._panels = [panel for panel in burning.panels if panel not in panels] if burning else []
        self._cells = [key for key in state.save() if _orphaned(key, owners)]
        self._alarms = [
            alarm.id
            for _, alarm in state.of("alarm", Alarm)
            if alarm.state in STANDING and not _can_end(alarm, rules, subjects, told)
        ]

    @property
    def settled(self) -> bool:
        return not (self._panels or self._cells or self._alarms)

    def settle(self, at: Stamp) -> None:
        for panel in self._panels:
            self._fire.told(FireSignal(panel, FireKind.NORMAL, at))
        for key in self._cells:
            self._state.put(key, None)
        for alarm in self._alarms:
            self._book.back(alarm, at)


def _orphaned(key: str, owners: Mapping[str, Collection[str]]) -> bool:
    prefix, _, about = key.partition("/")
    return prefix in owners and about not in owners[prefix]


def _can_end(
    alarm: Alarm, rules: Collection[str], subjects: Mapping[str, Collection[str]], told: Collection[str]
) -> bool:
    """`told`: the alarms of troubles that this run has told of; every code not of ours is one."""
    if alarm.code == "condition":
        return alarm.id in rules
    if alarm.code in subjects:
        return alarm.subject in subjects[alarm.code]
    return alarm.id in told
