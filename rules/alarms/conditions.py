"""A point beyond its limit: hysteresis, on-delay, off-delay; a bad value decides nothing."""

import math
from collections.abc import Iterable

from sitewarden.rules.alarms.book import AlarmBook
from sitewarden.rules.cells import Pending
from sitewarden.rules.model import Quality, Reading, Stamp, Value
from sitewarden.rules.plan import Condition, Test
from sitewarden.rules.state import State


class Conditions:
    def __init__(self, state: State, book: AlarmBook, plan: Iterable[Condition]) -> None:
        self._state, self._book = state, book
        self._plan = {condition.id: condition for condition in plan}

    def read(self, condition: Condition, reading: Reading) -> None:
        key = f"timer/{condition.id}"
        pending = self._state.get(key, Pending)
        standing = self._book.standing(condition.id)
        holds = _holds(condition, reading, standing or pending is not None)
        if reading.value is None or holds is None or holds is standing:
            self._state.put(key, None)
            return
        delay = condition.on_delay if holds else condition.off_delay
        until = pending.until if pending else reading.at.mono + delay
        if reading.at.mono >= until:
            self._turn(condition, reading.value, reading.at)
        elif pending is None:
            self._state.put(key, Pending(until))

    def due(self, rule: str, at: Stamp) -> None:
        """The delay is over. After a restart the value is not known yet: the next good one decides."""
        condition, key = self._plan[rule], f"timer/{rule}"
        last = self._state.get(f"good/{condition.point}", Reading)
        if last and last.value is not None:
            self._turn(condition, last.value, at)
        elif pending := self._state.get(key, Pending):
            self._state.put(key, Pending(pending.until, waits=False))

    def _turn(self, condition: Condition, value: Value, at: Stamp) -> None:
        self._state.put(f"timer/{condition.id}", None)
        if self._book.standing(condition.id):
            self._book.back(condition.id, at)
        else:
            params = {"test": condition.test.value, "limit": condition.limit, "value": value}
            self._book.raised(
                "condition",
                condition.point,
                at,
                params,
                severity=condition.severity,
                rule=condition.id,
            )


def _holds(condition: Condition, reading: Reading, before: bool) -> bool | None:
    """Whether the point is beyond the limit, once beyond also within the hysteresis. None: unknown."""
    value, limit = reading.value, condition.limit
    if reading.quality is not Quality.GOOD or value is None:
        return None
    if condition.test is Test.IS:
        return value == limit
    if isinstance(value, str) or isinstance(limit, str) or math.isnan(value):
        return None
    back = condition.hysteresis if before else 0.0
    return value > limit - back if condition.test is Test.ABOVE else value < limit + back
