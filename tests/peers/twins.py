"""One twin, served in every way, for masters that we did not write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sitewarden.drivers.modbus.points import Table, Unit
from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, Parity, SerialPort, TcpPort
from sitewarden.simulators.estate import Estate
from sitewarden.simulators.serve import Served, serve
from tests.scenarios import site
from tests.simulators.thing import PROFILE

UNIT = 17
WAYS = ("line", "network", "box")  # those that every master can go
PORTS = {
    "line": (SerialPort("line", 19_200, Parity.EVEN), Framing.RTU, False),
    "network": (TcpPort("127.0.0.1", 0), Framing.TCP, False),
    "box": (TcpPort("127.0.0.1", 0, line_baud=19_200), Framing.TCP, False),
    "ascii": (SerialPort("ascii", 19_200, Parity.EVEN, data_bits=7), Framing.ASCII, False),
    "echo": (SerialPort("echo", 19_200, Parity.EVEN), Framing.RTU, True),
    "through": (TcpPort("127.0.0.1", 0, line_baud=19_200), Framing.RTU, False),  # RTU over TCP
}


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    """The same unit on serial lines, on the network, and behind a box that stands between the two."""
    links = [
        LinkPlan(name, port, BusPlan(framing, (Unit(name, UNIT, PROFILE),), echo))
        for name, (port, framing, echo) in PORTS.items()
    ]
    running = await serve(Estate(site.bare_plan(), links, (), seed=1, start=site.START), links, folder)
    try:
        yield running
    finally:
        await running.stop()


def held(estate: Served, link: str, table: Table, first: int, count: int) -> dict[int, int]:
    """What the twin has at these addresses just now."""
    words = estate.estate.units[link].registers.read(table, first, count, estate.now())
    return dict(enumerate(words, first))
