"""The one place where the core's state changes: cells in, effects and timers out."""

from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush
from typing import TypeVar

from sitewarden.rules.cells import KEPT, kind_of
from sitewarden.rules.model import Effect, Keep

Cell = TypeVar("Cell")


class State:
    """Keyed frozen cells, the effects of the step under way, and a heap of the cells that wait.

    The heap is an index: entries whose cell waits for another instant by now are dropped on sight.
    """

    def __init__(self, cells: Mapping[str, object]) -> None:
        for key, cell in cells.items():
            if type(cell) is not kind_of(key):
                raise ValueError(f"{key} cannot hold a {type(cell).__name__}")
        self._cells = dict(cells)
        self._heap = [(due, key) for key, cell in cells.items() if (due := _due(cell)) is not None]
        heapify(self._heap)
        self._effects: list[Effect] = []
        self._keep: dict[str, object | None] = {}

    # -- cells -----------------------------------------------------------------------------------

    def get(self, key: str, kind: type[Cell]) -> Cell | None:
        cell = self._cells.get(key)
        return cell if isinstance(cell, kind) else None

    def put(self, key: str, cell: object | None) -> None:
        """Sets a cell or, with None, removes it; the journal hears of what must survive a crash."""
        old = self._cells.get(key)
        if cell == old:
            return
        if type(cell or old) in KEPT:
            self._keep[key] = cell
        self.note(key, cell)

    def note(self, key: str, cell: object | None) -> None:
        """As `put`, but what changed need not survive a crash."""
        old = self._cells.pop(key, None)
        if cell is None:
            return
        self._cells[key] = cell
        if (due := _due(cell)) is not None and due != _due(old):
            heappush(self._heap, (due, key))

    def of(self, prefix: str, kind: type[Cell]) -> Iterator[tuple[str, Cell]]:
        """All cells of one prefix, by what they are about. Walks everything: for starts and resets only."""
        for key, cell in list(self._cells.items()):
            head, _, about = key.partition("/")
            if head == prefix and isinstance(cell, kind):
                yield about, cell

    def save(self) -> dict[str, object]:
        return dict(self._cells)

    # -- timers ----------------------------------------------------------------------------------

    @property
    def wake_at(self) -> float | None:
        heap = self._heap
        while heap and _due(self._cells.get(heap[0][1])) != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else None

    def due(self, mono: float) -> list[str]:
        """The keys of the cells whose instant has come, the earliest first, each once.

        A cell that still waits for the same instant when it has been dealt with would never be heard
        of again, so whoever deals with it puts a new one.
        """
        keys: dict[str, None] = {}
        while (at := self.wake_at) is not None and at <= mono:
            keys[heappop(self._heap)[1]] = None
        return list(keys)

    def waited(self, key: str, mono: float) -> bool:
        """Whether the cell's instant has come."""
        due = _due(self._cells.get(key))
        return due is not None and due <= mono

    # -- effects ---------------------------------------------------------------------------------

    def emit(self, effect: Effect) -> None:
        self._effects.append(effect)

    def take(self) -> list[Effect]:
        """What the step did, then one Keep for each cell that it changed."""
        effects = self._effects
        effects += (Keep(key, cell) for key, cell in self._keep.items())
        self._effects, self._keep = [], {}
        return effects


def _due(cell: object) -> float | None:
    due: float | None = getattr(cell, "due", None)
    return due
