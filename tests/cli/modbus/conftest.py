"""A bus with three units, and one unit behind every other kind of port, all served for real."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from sitewarden.drivers.modbus.points import Unit
from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, Parity, Port, SerialPort, TcpPort
from sitewarden.simulators.estate import Estate
from sitewarden.simulators.modbus_slave import SlaveUnit
from sitewarden.simulators.serve import Served, serve
from tests.scenarios import site
from tests.simulators.thing import PROFILE, Thing

SITE = """
site: {id: a, timezone: UTC}
links:
  line: {serial: line, baud: 19200, parity: even}
  desk: {serial: desk}
devices:
  box: {link: line, unit: 17, profile: relay-8in-8out}
  reader: {link: desk, driver: rdm6300}
"""

LINE = SerialPort("line", 19_200, Parity.EVEN)
PORTS: dict[str, tuple[Port, Framing, tuple[int, ...], bool]] = {
    "line": (LINE, Framing.RTU, (1, 2, 17), False),
    "ascii": (LINE, Framing.ASCII, (17,), False),
    "echo": (LINE, Framing.RTU, (17,), True),
    "network": (TcpPort("127.0.0.1", 0), Framing.TCP, (17,), False),
    "through": (TcpPort("127.0.0.1", 0, line_baud=19_200), Framing.RTU, (17,), False),
}


class Bench:
    """What is served. Its loop runs in a thread, so that a command may block as it does in a terminal."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._things = {name: Thing() for name in PORTS}
        for name, thing in self._things.items():
            self.unit(name).registers._source = thing  # values that a test knows, not an estate's

    def link(self, name: str) -> str:
        """As the command line has it."""
        port = self._served.ports[name]
        return port.path if isinstance(port, SerialPort) else f"tcp://{port.host}:{port.port}"

    def thing(self, name: str) -> Thing:
        """What unit 17 there shows."""
        return self._things[name]

    def unit(self, name: str, unit_id: int = 17) -> SlaveUnit:
        return self._served.estate.units[f"{name}-{unit_id}"]


@pytest.fixture
def bench(folder: Path) -> Iterator[Bench]:
    (folder / "site.yaml").write_text(SITE, "utf-8")
    links = [
        LinkPlan(
            name, port, BusPlan(framing, tuple(Unit(f"{name}-{unit}", unit, PROFILE) for unit in units), echo)
        )
        for name, (port, framing, units, echo) in PORTS.items()
    ]
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    estate = Estate(site.bare_plan(), links, (), seed=1, start=site.START)
    served = asyncio.run_coroutine_threadsafe(serve(estate, links, folder), loop).result(10)
    yield Bench(served)
    asyncio.run_coroutine_threadsafe(served.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
