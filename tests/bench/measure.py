"""What a benchmark says: a figure beside a baseline that was measured in the same run."""

import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` in `unit` beside `baseline`, another measurement of the same run (None: there is none).

    `target` is what `ratio` (or, without a baseline, `value`) should be at most (`best` "low") or at
    least ("high"); None: it is only told.
    """

    name: str  # "gate.swipe_to_relay_p50"
    value: float
    unit: str
    baseline: float | None = None
    target: float | None = None
    best: str = "low"
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.baseline if self.baseline else None

    @property
    def holds(self) -> bool | None:
        if self.target is None:
            return None
        measured = self.value if self.ratio is None else self.ratio
        return measured <= self.target if self.best == "low" else measured >= self.target

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "baseline": self.baseline,
            "ratio": self.ratio,
            "target": self.target,
            "holds": self.holds,
            "note": self.note,
        }


def quantile(sorted_values: Sequence[float], share: float) -> float:
    """The nearest-rank quantile of ascending values."""
    return sorted_values[min(len(sorted_values) - 1, math.ceil(share * len(sorted_values)) - 1)]


def seconds(work: Callable[[], object], least: float = 0.2) -> float:
    """Wall seconds of one `work`, the best of as many as fit into `least` seconds (at least three)."""
    best, spent, runs = math.inf, 0.0, 0
    gc.collect()
    while runs < 3 or spent < least:
        begun = time.perf_counter()
        work()
        took = time.perf_counter() - begun
        best, spent, runs = min(best, took), spent + took, runs + 1
    return best


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process for one `work`."""
    gc.collect()
    begun = time.process_time()
    work()
    return time.process_time() - begun
