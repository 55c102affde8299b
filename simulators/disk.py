"""The disk under the journal, as the virtual world has it: slow now and then, or refusing.

It keeps what a real journal would have after a crash: the records of whole transactions in the order of
their commits, and the newest text of every cell.
"""

from dataclasses import dataclass
from random import Random

from sitewarden.rules.ahead import Ticket
from sitewarden.rules.cells import dump, load
from sitewarden.rules.model import Keep, Record

USUAL = 0.002, 0.012  # s of a commit on the eMMC of a small box
STALL = 0.2, 2.0  # s when the flash cleans up


@dataclass(frozen=True, slots=True)
class Committed:
    """One transaction, and the instant from which it survives anything."""

    mono: float
    records: tuple[Record, ...]


class Disk:
    def __init__(self, chance: Random) -> None:
        self.stalls = 0.0  # probability of a commit to be slow
        self.failing = False
        self.committed: list[Committed] = []
        self._chance = chance
        self._cells: dict[str, str] = {}
        self._free_at = 0.0

    def begin(self, mono: float) -> float:
        """When a commit that begins at `mono` will be over: one after the other."""
        slow = self._chance.random() < self.stalls
        self._free_at = max(mono, self._free_at) + self._chance.uniform(*(STALL if slow else USUAL))
        return self._free_at

    def end(self, ticket: Ticket, mono: float) -> bool:
        """Whether the transaction is durable now; a failing disk keeps nothing of it."""
        if self.failing:
            return False
        self.committed.append(Committed(mono, ticket.records))
        for record in ticket.records:
            match record:
                case Keep(key, None):
                    self._cells.pop(key, None)
                case Keep(key, cell):
                    self._cells[key] = dump(cell)
        return True

    def cells(self) -> dict[str, object]:
        """What a core that starts now finds."""
        return {key: load(key, text) for key, text in self._cells.items()}
