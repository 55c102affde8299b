"""A spool's writer on a machine whose clocks a test turns, and what it has written."""

from collections.abc import Iterable
from datetime import datetime

from sitewarden.gateway.clock import Clock
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.ledger.gaps import Intervals
from sitewarden.gateway.sinks.lines import WANTED, Lines
from sitewarden.gateway.sinks.parse import Record, parse
from sitewarden.gateway.spool.spool import Spool
from sitewarden.gateway.spool.writer import SpoolWriter
from sitewarden.gateway.troubles import Troubles
from sitewarden.rules.model import Effect, Reading, Stamp, Trouble
from tests.gateway.machine import Machine
from tests.gateway.spool_under_test import drain

TANK: Intervals = {"tank": {"tank.level": 1.0}}


class Stage:
    """One life of the gateway. `last`: the newest stamp of its journal."""

    def __init__(
        self,
        spool: Spool,
        machine: Machine,
        *,
        each: Intervals = TANK,
        last: Stamp | None = None,
        boot: str = "one",
        capacity: int = 100_000,
    ) -> None:
        self.machine, self.hub, self.troubles = machine, Hub(), list[Trouble]()
        self.clock: Clock = machine.clock(last)
        self.subscription = self.hub.subscribe("spool", capacity, WANTED)
        troubles = Troubles(self.troubles.append, self.clock)
        self.writer = SpoolWriter(
            spool, self.subscription, Lines("cuihu"), troubles, self.clock, each, boot=boot
        )

    def level(self, value: float) -> Reading:
        return Reading("tank.level", value, self.clock.now())

    def turn(self, effects: Iterable[Effect] = (), ends: bool = False) -> None:
        """What was published, and what the subscription still has."""
        self.hub.publish([*effects])
        self.writer.turn(self.subscription.take(0.0), ends)


def records(spool: Spool, measurement: str = "reading") -> list[Record]:
    """Takes them out of the spool."""
    found = [parse(line) for line in drain(spool, most=10_000)]
    return [record for record in found if record.measurement == measurement]


def ns(wall: datetime) -> int:
    return round(wall.timestamp() * 1000) * 1_000_000
