"""A machine's wall clock and the seconds since its boot, as a test has them go."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sitewarden.gateway.clock import Clock
from sitewarden.rules.model import Stamp

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Machine:
    wall: datetime = NOON
    boot: float = 100.0

    def passes(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.boot += seconds

    def clock(self, last: Stamp | None = None) -> Clock:
        return Clock(last, lambda: self.wall, lambda: self.boot)
