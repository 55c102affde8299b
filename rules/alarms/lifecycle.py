"""The life of an alarm as a table (ISA-18.2-2016 / IEC 62682, figure 2)."""

from collections.abc import Mapping
from enum import StrEnum

from sitewarden.rules.model import AlarmState

NORMAL, UNACKNOWLEDGED, ACKNOWLEDGED, RETURNED, LATCHED = AlarmState


class Input(StrEnum):
    RAISE = "raise"  # the cause is there
    RETURN = "return"  # the cause is gone
    ACKNOWLEDGE = "acknowledge"  # somebody has seen it
    RESET = "reset"  # somebody says that a latched alarm is over; this acknowledges as well


_PLAIN: Mapping[tuple[AlarmState, Input], AlarmState] = {
    (NORMAL, Input.RAISE): UNACKNOWLEDGED,
    (UNACKNOWLEDGED, Input.ACKNOWLEDGE): ACKNOWLEDGED,
    (UNACKNOWLEDGED, Input.RETURN): RETURNED,
    (ACKNOWLEDGED, Input.RETURN): NORMAL,
    (RETURNED, Input.ACKNOWLEDGE): NORMAL,
    (RETURNED, Input.RAISE): UNACKNOWLEDGED,
    (LATCHED, Input.RESET): NORMAL,  # also where the rule latches no longer, or is gone
    (LATCHED, Input.RAISE): UNACKNOWLEDGED,
}

_LATCHING = {
    **_PLAIN,
    (ACKNOWLEDGED, Input.RETURN): LATCHED,
    (RETURNED, Input.ACKNOWLEDGE): LATCHED,
    (RETURNED, Input.RESET): NORMAL,
}

STANDING = frozenset({UNACKNOWLEDGED, ACKNOWLEDGED})
"""The states in which the cause is there."""


def following(state: AlarmState, what: Input, latching: bool) -> AlarmState:
    """The next state; the same one where the table has no arrow."""
    return (_LATCHING if latching else _PLAIN).get((state, what), state)
