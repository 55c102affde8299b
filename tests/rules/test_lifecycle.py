"""The life of an alarm: every cell of the table."""

import itertools

import pytest

from sitewarden.rules.alarms.lifecycle import Input, following
from sitewarden.rules.model import AlarmState

N, U, A, R, L = AlarmState
STATES, INPUTS = tuple(AlarmState), tuple(Input)

PLAIN = """
                raise  return  acknowledge  reset
normal            U      N          N         N
unacknowledged    U      R          A         U
acknowledged      A      N          A         A
returned          U      R          N         R
latched           U      L          L         N
"""

LATCHING = """
                raise  return  acknowledge  reset
normal            U      N          N         N
unacknowledged    U      R          A         U
acknowledged      A      L          A         A
returned          U      R          L         N
latched           U      L          L         N
"""


def rows(table: str) -> list[tuple[AlarmState, Input, AlarmState]]:
    letters = dict(zip("NUARL", STATES, strict=True))
    cells = [letters[letter] for line in table.strip().splitlines()[1:] for letter in line.split()[1:]]
    return [
        (state, what, after)
        for (state, what), after in zip(itertools.product(STATES, INPUTS), cells, strict=True)
    ]


@pytest.mark.parametrize(("state", "what", "after"), rows(PLAIN))
def test_an_alarm_that_does_not_latch(state: AlarmState, what: Input, after: AlarmState) -> None:
    assert following(state, what, latching=False) is after


@pytest.mark.parametrize(("state", "what", "after"), rows(LATCHING))
def test_an_alarm_that_latches(state: AlarmState, what: Input, after: AlarmState) -> None:
    assert following(state, what, latching=True) is after
