"""The alarm history as people read it: one row for each time that an alarm came."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sitewarden.rules.alarms.lifecycle import STANDING
from sitewarden.rules.model import Alarm, AlarmChange, AlarmState


@dataclass(frozen=True, slots=True)
class Sought:
    """What somebody wants to see of a history, of alarms or of gaps; empty: all of it."""

    about: str = ""  # a device, a lane, a panel, a part of the gateway
    severity: str = ""
    only_open: bool = False
    cause: str = ""

    def meets(self, row: "Occurrence") -> bool:
        return (
            self.about in ("", row.about)
            and self.severity in ("", row.alarm.severity)
            and (row.open or not self.only_open)
        )


ALL: Final = Sought()


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An alarm came, went, and was acknowledged or reset by somebody."""

    alarm: Alarm  # as it was after the last change
    went: datetime | None
    handled: tuple[AlarmChange, ...]  # by somebody, the oldest first
    open: bool

    @property
    def about(self) -> str:
        return self.alarm.subject.partition(".")[0]


def occurrences(changes: Iterable[AlarmChange]) -> list[Occurrence]:
    """`changes` as the journal has them, the newest first; so are the rows, by the instant they came."""
    told: dict[tuple[str, datetime], list[AlarmChange]] = {}
    for change in changes:
        told.setdefault((change.alarm.id, change.alarm.raised.wall), []).append(change)
    newest: dict[str, datetime] = {}
    for alarm, raised in told:
        newest.setdefault(alarm, raised)  # one that came again before it was settled is open once
    rows = [_occurrence(those, newest[alarm] == raised) for (alarm, raised), those in told.items()]
    return sorted(rows, key=lambda row: row.alarm.raised.wall, reverse=True)


def _occurrence(changes: list[AlarmChange], newest: bool) -> Occurrence:
    """`changes` of one occurrence, the newest first."""
    last = changes[0].alarm
    went = (
        change.at.wall
        for change in changes
        if change.before in STANDING and change.alarm.state not in STANDING
    )
    handled = tuple(change for change in reversed(changes) if change.by)
    return Occurrence(last, next(went, None), handled, newest and last.state is not AlarmState.NORMAL)
