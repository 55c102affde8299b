"""A whole Modbus bus as one driver."""

from collections.abc import Iterator, Sequence

from sitewarden.drivers.base import Output
from sitewarden.drivers.modbus.points import Unit
from sitewarden.rules.model import Command, Reason, Stamp


class Bus:
    def __init__(self, link: str, tcp: bool, units: Sequence[Unit], baud: int | None) -> None:
        self.link, self.tcp, self.units, self.baud = link, tcp, units, baud
        self.devices = tuple(unit.device for unit in units)
        self.wake_at: float | None = None

    def connected(self, at: Stamp) -> Iterator[Output]:
        yield from ()

    def received(self, data: bytes, at: Stamp) -> Iterator[Output]:
        yield from ()

    def woken(self, at: Stamp) -> Iterator[Output]:
        yield from ()

    def command(self, command: Command, at: Stamp) -> Iterator[Output]:
        yield from ()

    def lost(self, at: Stamp, reason: Reason) -> Iterator[Output]:
        yield from ()
