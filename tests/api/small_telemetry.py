"""Telemetry without a spool: lists of what was lost and what was rejected, as somebody put them there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sitewarden.gateway.api.house import Sought
from sitewarden.gateway.journal import Page
from sitewarden.gateway.ledger.causes import Cause, cause_of
from sitewarden.gateway.spool.blocks import Letter, Loss, SpoolStats
from sitewarden.gateway.spool.spool import SpoolFailed
from sitewarden.gateway.telemetry import meets


@dataclass(slots=True)
class SmallTelemetry:
    stats: SpoolStats | None = None
    lost: list[Loss] = field(default_factory=list)  # the oldest first
    dead: list[Letter] = field(default_factory=list)  # the oldest first
    destinations: dict[str, bool] = field(default_factory=lambda: {"influx": False})  # whether it is drained
    broken: bool = False  # the disk

    def losses(self, sought: Sought, limit: int, after: int | None = None) -> Page[Loss]:
        self._touch()
        rows = [
            (number, loss)
            for number, loss in enumerate(self.lost, 1)
            if (after is None or number < after) and meets(loss, sought)
        ][::-1]
        return Page([loss for _, loss in rows[:limit]], rows[limit - 1][0] if len(rows) > limit else None)

    def missing(self) -> Mapping[Cause, int]:
        self._touch()
        return {cause: sum(it.count for it in self.lost if cause_of(it.why) is cause) for cause in Cause}

    def letters(self, limit: int, after: int | None = None) -> Page[Letter]:
        self._touch()
        rows = [letter for letter in reversed(self.dead) if after is None or letter.id < after]
        return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)

    def retry(self, ids: Sequence[int]) -> int:
        return self.discard(ids)

    def discard(self, ids: Sequence[int]) -> int:
        self._touch()
        before = len(self.dead)
        self.dead = [letter for letter in self.dead if letter.id not in ids]
        return before - len(self.dead)

    def drain(self, destination: str, on: bool) -> None:
        if destination not in self.destinations:
            raise KeyError(destination)
        self.destinations[destination] = on

    def _touch(self) -> None:
        if self.broken:
            raise SpoolFailed("disk I/O error")
