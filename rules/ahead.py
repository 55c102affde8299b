"""Write ahead: a decision is a durable record before it is a movement.

`WriteAhead` takes what one step returned and says in which order it goes out: records to the journal
first, then the commands that wait for them. If the journal does not answer within `limit` seconds, the
commands go anyway and the lateness is an event of its own. Commands that are not `ahead` (fire) wait
for nothing, and what still waits for the same output is void: a barrier that was to be released is not
let down by the answer to an old commit when it burns again. It does no IO: whoever hosts it commits and
reports back with the ticket.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sitewarden.rules.model import Command, Effect, Record, Stamp, Trouble

LIMIT = 0.150  # s, GB 50396-2007 5.1.2 allows 2 s from reader to actuator


@dataclass(frozen=True, slots=True)
class Ticket:
    """One transaction: everything durable that one step returned."""

    number: int
    records: tuple[Record, ...]


@dataclass(slots=True)
class WriteAhead:
    limit: float = LIMIT
    _next: int = 0
    _waiting: OrderedDict[int, tuple[float, tuple[Command, ...]]] = field(default_factory=OrderedDict)
    _late: dict[int, float] = field(default_factory=dict)
    _refused: bool = False

    @property
    def wake_at(self) -> float | None:
        """When the oldest waiting command may wait no longer."""
        return next(iter(self._waiting.values()))[0] if self._waiting else None

    def submit(self, effects: Sequence[Effect], at: Stamp) -> tuple[Ticket | None, list[Command]]:
        """Returns the transaction to commit, if any, and the commands to send now."""
        records = tuple(effect for effect in effects if isinstance(effect, Record))
        commands = [effect for effect in effects if isinstance(effect, Command)]
        self._overtake(command for command in commands if not command.ahead)
        if not records:
            return None, commands
        ticket = Ticket(self._next, records)
        self._next += 1
        if waiting := tuple(command for command in commands if command.ahead):
            self._waiting[ticket.number] = (at.mono + self.limit, waiting)
        return ticket, [command for command in commands if not command.ahead]

    def _overtake(self, commands: Iterable[Command]) -> None:
        outputs = {(command.device, command.output) for command in commands}
        if not outputs:
            return
        for number, (deadline, waiting) in list(self._waiting.items()):
            left = tuple(command for command in waiting if (command.device, command.output) not in outputs)
            if left:
                self._waiting[number] = deadline, left
            else:
                del self._waiting[number]

    def committed(self, number: int, at: Stamp) -> tuple[list[Command], list[Trouble]]:
        """The journal has it. Commits may be reported in any order, late ones included."""
        commands, troubles = self._answered(number, at)
        if self._refused:
            self._refused = False
            troubles.append(Trouble("journal_failed", "journal", False, at))
        return commands, troubles

    def refused(self, number: int, at: Stamp) -> tuple[list[Command], list[Trouble]]:
        """The journal cannot have it (full or broken disk): the commands need not wait for it."""
        commands, troubles = self._answered(number, at)
        if not self._refused:
            self._refused = True
            troubles.append(Trouble("journal_failed", "journal", True, at))
        return commands, troubles

    def _answered(self, number: int, at: Stamp) -> tuple[list[Command], list[Trouble]]:
        """An answer of either kind ends a ticket's lateness."""
        _, commands = self._waiting.pop(number, (0.0, ()))
        over = self._late.pop(number, None) is not None and not self._late
        return list(commands), [Trouble("journal_late", "journal", False, at)] if over else []

    def overdue(self, at: Stamp) -> tuple[list[Command], list[Trouble]]:
        """What has waited long enough: the commands, and the trouble that this is."""
        commands: list[Command] = []
        fresh = not self._late
        for number, (deadline, waiting) in list(self._waiting.items()):
            if deadline > at.mono:
                break
            commands += waiting
            self._late[number] = deadline
            del self._waiting[number]
        troubles = [Trouble("journal_late", "journal", True, at, {"limit_ms": round(self.limit * 1000)})]
        return commands, troubles if commands and fresh else []
