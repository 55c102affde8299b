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
WAYS = ("line", "network", "box")


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    """The same unit on a serial line, on the network, and behind a box that stands between the two."""
    ports = {
        "line": (SerialPort("line", 19_200, Parity.EVEN), Framing.RTU),
        "network": (TcpPort("127.0.0.1", 0), Framing.TCP),
        "box": (TcpPort("127.0.0.1", 0, line_baud=19_200), Framing.TCP),
    }
    links = [
        LinkPlan(name, port, BusPlan(framing, (Unit(name, UNIT, PROFILE),)))
        for name, (port, framing) in ports.items()
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
