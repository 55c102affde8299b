"""The field in the benchmark's own hands: a card reader and Modbus buses on pseudo-terminals.

A PTY has no baud rate and the slaves answer at once, so that what is measured is the gateway alone.
"""

import os
import tty
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from select import select
from time import perf_counter
from typing import NamedTuple

from sitewarden.config.site import Site
from sitewarden.drivers.cards.rdm6300 import frame
from sitewarden.drivers.plan import BusPlan, SerialPort
from sitewarden.rules.model import Stamp, Value
from sitewarden.simulators.modbus_slave import ModbusSlave, SlaveUnit

WRITE_COIL, WRITE_COILS, READ_INPUT = 5, 15, 4  # function codes
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = 5.0  # s until what was waited for is taken to have failed


class Pty:
    """Stands at `path` like a USB adapter; `far` is the end of the benchmark."""

    def __init__(self, path: Path) -> None:
        self.far, self._near = os.openpty()
        tty.setraw(self._near)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.ttyname(self._near))

    def close(self) -> None:
        os.close(self.far)
        os.close(self._near)


class Shown:
    """What a unit's points read: what was last written to them, by either side."""

    def __init__(self) -> None:
        self.now: dict[str, Value | None] = {}

    def values(self, at: Stamp) -> Mapping[str, Value | None]:
        return self.now

    def write(self, point: str, value: Value, at: Stamp) -> None:
        self.now[point] = value


def twins(site: Site) -> tuple[dict[str, ModbusSlave], dict[str, Shown]]:
    """The far side of each Modbus link by its name, and what each unit shows by its device."""
    shown: dict[str, Shown] = {}
    slaves: dict[str, ModbusSlave] = {}
    for link in site.links:
        if isinstance(link.wire, BusPlan):
            shown |= {unit.device: Shown() for unit in link.wire.units}
            units = [SlaveUnit(unit, shown[unit.device]) for unit in link.wire.units]
            slaves[link.name] = ModbusSlave(link.wire.framing, units)
    return slaves, shown


class Exchange(NamedTuple):
    link: str
    request: bytes
    heard: float  # `perf_counter` when the request had been read
    answered: float  # and just before the answer was written

    @property
    def switches_on(self) -> bool:
        function = self.request[1]
        return (function == WRITE_COIL and self.request[4] == 0xFF) or (
            function == WRITE_COILS and any(self.request[7:-2])
        )


class Field:
    """All the wires of a site that has none but serial ones. Nothing is answered but within a call."""

    def __init__(self, site: Site) -> None:
        slaves, self.shown = twins(site)
        self._ptys = {
            link.name: Pty(Path(link.port.path)) for link in site.links if isinstance(link.port, SerialPort)
        }
        self._slaves = {self._ptys[link].far: (link, slave) for link, slave in slaves.items()}

    def close(self) -> None:
        for pty in self._ptys.values():
            pty.close()

    def exchanges(self, seconds: float) -> Iterator[Exchange]:
        """Answers the buses for so long and tells of each request."""
        end = perf_counter() + seconds
        while (left := end - perf_counter()) > 0:
            for descriptor in select(list(self._slaves), [], [], left)[0]:
                request = os.read(descriptor, 512)
                heard = perf_counter()
                link, slave = self._slaves[descriptor]
                answers = slave.received(request, Stamp(EPOCH, heard))
                answered = perf_counter()
                os.write(descriptor, b"".join(answers))
                yield Exchange(link, request, heard, answered)

    def rest(self, seconds: float) -> None:
        for _ in self.exchanges(seconds):
            pass

    def show(self, link: str, card: str) -> float:
        """Holds a card at the reader of a link; returns the instant before its frame was written."""
        begun = perf_counter()
        os.write(self._ptys[link].far, frame(card))
        return begun

    def swipe(self, link: str, card: str) -> float:
        """s from the card's frame to the relay's command."""
        begun = self.show(link, card)
        for exchange in self.exchanges(PATIENCE):
            if exchange.switches_on:
                return exchange.heard - begun
        raise TimeoutError(f"no relay was switched on within {PATIENCE} s of the card {card}")

    def burn(self, device: str, point: str, ohms: float, relays: int) -> float:
        """s from the answer in which the line shows fire until so many requests have set relays."""
        self.shown[device].write(point, ohms, Stamp(EPOCH, 0.0))
        begun, left = 0.0, relays
        for exchange in self.exchanges(PATIENCE):
            if exchange.request[1] == READ_INPUT and not begun:
                begun = exchange.answered
            elif exchange.switches_on and begun:
                left -= 1
                if not left:
                    return exchange.heard - begun
        raise TimeoutError(f"{left} of {relays} relay commands did not come within {PATIENCE} s of the fire")
