"""Values that are written to points: who asked for what, and how each of them ended.

One write of a point is under way at a time. It ends as its driver says, or lapses: whatever becomes of the
driver, the link or the gateway itself meanwhile, each write has one end, and it is told.
"""

from collections.abc import Collection

from sitewarden.rules.alarms.book import AlarmBook
from sitewarden.rules.cells import Writing
from sitewarden.rules.model import Command, Do, Outcome, Stamp, Value, Write, WriteEnded
from sitewarden.rules.parking.barrier import Barriers
from sitewarden.rules.state import State

PATIENCE = 11.0  # s; a driver has given up before

ALARMS = {Outcome.UNVERIFIED: "write_unverified", Outcome.LAPSED: "write_lapsed"}
"""What a person must know of, who may not be the one that waits for the outcome."""


class Writes:
    def __init__(self, state: State, book: AlarmBook, barriers: Barriers, devices: Collection[str]) -> None:
        self._state, self._book, self._barriers, self._devices = state, book, barriers, devices

    def ask(self, point: str, value: Value, by: str, note: str, at: Stamp) -> bool:
        """`by`: an operator, or a rule's id. Returns False, and nothing happens, where the point is of no
        device, or is the barriers' own, or is being written."""
        device, _, output = point.partition(".")
        if device not in self._devices or not output or self._barriers.move(device, output):
            return False
        if self._state.get(_key(point), Writing):
            return False
        self._state.put(_key(point), Writing(value, by, note, at, at.mono + PATIENCE))
        self._state.emit(Command(device, output, Do.WRITE, value=value))
        return True

    def ended(self, event: WriteEnded) -> None:
        """One that nobody waits for any more has been told to have lapsed."""
        if writing := self._state.get(_key(event.point), Writing):
            self._end(writing, event)

    def due(self, point: str, at: Stamp) -> None:
        if writing := self._state.get(_key(point), Writing):
            self._end(writing, WriteEnded(point, Outcome.LAPSED, at))

    def _end(self, writing: Writing, event: WriteEnded) -> None:
        self._state.put(_key(event.point), None)
        self._state.emit(
            Write(
                event.point,
                writing.value,
                writing.by,
                writing.note,
                writing.asked,
                event.outcome,
                event.at,
                event.before,
                event.read,
                event.reason,
            )
        )
        if code := ALARMS.get(event.outcome):
            self._book.happened(code, event.point, event.at)


def _key(point: str) -> str:
    return f"write/{point}"
