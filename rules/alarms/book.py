"""The open alarms of the site: every room of the core raises and ends its alarms here."""

from collections.abc import Mapping
from dataclasses import replace

from sitewarden.rules.alarms.lifecycle import NORMAL, STANDING, Input, following
from sitewarden.rules.model import Alarm, AlarmChange, Severity, Stamp, Value
from sitewarden.rules.state import State

FIRE = "fire"

SEVERITY: Mapping[str, Severity] = {
    "access_set_aside": Severity.MEDIUM,
    "barrier_forced": Severity.HIGH,
    "barrier_not_open": Severity.CRITICAL,
    "barrier_stuck": Severity.HIGH,
    "clock_untrusted": Severity.HIGH,
    "device_offline": Severity.MEDIUM,
    "disk_full": Severity.HIGH,
    "driver_failed": Severity.HIGH,
    FIRE: Severity.CRITICAL,
    "fire_fault": Severity.HIGH,
    "journal_failed": Severity.CRITICAL,
    "journal_late": Severity.HIGH,
    "journal_set_aside": Severity.HIGH,
    "output_fails": Severity.HIGH,
    "page_down": Severity.HIGH,
    "read_split": Severity.LOW,
    "sink_away": Severity.LOW,
    "sink_lagging": Severity.LOW,
    "socket_down": Severity.HIGH,
    "unexplained_passage": Severity.MEDIUM,
}
"""By code; a code that is not here is of medium severity."""


class AlarmBook:
    def __init__(self, state: State, latching: frozenset[str]) -> None:
        """`latching`: the ids of alarms that stay until somebody resets them, besides fire."""
        self._state, self._latching = state, latching

    def standing(self, alarm: str) -> bool:
        """Whether the alarm's cause is there."""
        found = self._get(alarm)
        return found is not None and found.state in STANDING

    def params(self, alarm: str) -> Mapping[str, Value]:
        """Of the alarm as it was raised last; none if it is not there."""
        found = self._get(alarm)
        return found.params if found else {}

    def raised(
        self,
        code: str,
        subject: str,
        at: Stamp,
        params: Mapping[str, Value] | None = None,
        *,
        severity: Severity | None = None,
        rule: str = "",
    ) -> None:
        """The cause is there. The id is the rule's, else `code:subject` (`code` for the site itself)."""
        alarm = rule or alarm_id(code, subject)
        grave = severity or SEVERITY.get(code, Severity.MEDIUM)
        found = self._get(alarm) or Alarm(alarm, code, grave, NORMAL, at, subject)
        if found.state not in STANDING:
            self._move(replace(found, raised=at, severity=grave, params=params or {}, by=""), Input.RAISE, at)

    def back(self, alarm: str, at: Stamp) -> None:
        """The cause is gone."""
        if found := self._get(alarm):
            self._move(found, Input.RETURN, at)

    def happened(self, code: str, subject: str, at: Stamp) -> None:
        """An alarm whose cause is over at once: it waits only to be acknowledged."""
        self.raised(code, subject, at)
        self.back(alarm_id(code, subject), at)

    def acknowledge(self, alarm: str, by: str, at: Stamp) -> bool:
        """Returns whether there was anything to acknowledge."""
        found = self._get(alarm)
        return found is not None and self._move(replace(found, by=by), Input.ACKNOWLEDGE, at, by)

    def reset(self, alarm: str, by: str, at: Stamp) -> bool:
        """Returns whether there was a latch to reset. Fire has a reset of its own."""
        found = self._get(alarm)
        return found is not None and found.code != FIRE and self._reset(found, by, at)

    def reset_fire(self, by: str, at: Stamp) -> None:
        for _, found in self._state.of("alarm", Alarm):
            if found.code == FIRE:
                self._reset(found, by, at)

    def _reset(self, alarm: Alarm, by: str, at: Stamp) -> bool:
        return self._move(replace(alarm, by=by), Input.RESET, at, by)

    def _get(self, alarm: str) -> Alarm | None:
        return self._state.get(f"alarm/{alarm}", Alarm)

    def _move(self, alarm: Alarm, what: Input, at: Stamp, by: str = "") -> bool:
        before = alarm.state
        after = following(before, what, alarm.code == FIRE or alarm.id in self._latching)
        if after is before:
            return False
        moved = replace(alarm, state=after)
        self._state.put(f"alarm/{alarm.id}", None if after is NORMAL else moved)
        self._state.emit(AlarmChange(moved, before, at, by))
        return True


def alarm_id(code: str, subject: str) -> str:
    return f"{code}:{subject}" if subject else code
