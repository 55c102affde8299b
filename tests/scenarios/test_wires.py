"""The same device read in virtual time over every kind of wire, and what each costs."""

from itertools import pairwise

import pytest

from sitewarden.drivers.modbus.points import Unit
from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, Parity, Port, SerialPort, TcpPort
from sitewarden.rules.model import Reading, Reason
from sitewarden.simulators.world import World
from tests.scenarios import site
from tests.simulators.thing import PROFILE

LINE = SerialPort("line", 9600, Parity.EVEN)
WAYS: dict[str, tuple[Port, Framing, bool]] = {
    "rtu": (LINE, Framing.RTU, False),
    "ascii": (SerialPort("line", 9600, Parity.EVEN, data_bits=7), Framing.ASCII, False),
    "rtu with echo": (LINE, Framing.RTU, True),
    "ascii with echo": (LINE, Framing.ASCII, True),
    "rtu over tcp": (TcpPort("127.0.0.1", 502, line_baud=9600), Framing.RTU, False),
    "tcp": (TcpPort("127.0.0.1", 502), Framing.TCP, False),
    "tcp to a box": (TcpPort("127.0.0.1", 502, line_baud=9600), Framing.TCP, False),
}


def lived(way: str, outstanding: int = 1) -> World:
    """A minute with two of the device and one that is not there."""
    port, framing, echo = WAYS[way]
    units = tuple(
        Unit(name, number, PROFILE, {"normal": 1.0}, heartbeat=1.0)
        for number, name in enumerate(("one", "two", "gone"), 1)
    )
    link = LinkPlan("bus", port, BusPlan(framing, units, echo, outstanding))
    world = World(site.bare_plan(), [link], (), seed=1, start=site.START)
    world.press("device_fault", "gone/deaf")
    world.run(site.START.mono + 60)
    return world


@pytest.mark.parametrize(
    ("way", "outstanding"), [*((way, 1) for way in WAYS), ("tcp", 4), ("tcp to a box", 4)]
)
def test_what_is_there_is_read_and_the_rest_is_told(way: str, outstanding: int) -> None:
    world = lived(way, outstanding)
    readings = [effect for _, effect in world.effects if isinstance(effect, Reading)]
    there = [reading for reading in readings if not reading.point.startswith("gone.")]
    bad = {reading.point: reading.reason for reading in there if reading.reason is not Reason.NONE}
    assert {reading.point for reading in there} == {
        f"{unit}.{point.name}" for unit in ("one", "two") for point in PROFILE.points
    }
    assert bad == {}
    assert {reading.reason for reading in readings if reading.point.startswith("gone.")} == {Reason.TIMEOUT}
    level = [mono for mono, e in world.effects if isinstance(e, Reading) and e.point == "one.level"]
    assert max(after - before for before, after in pairwise(level)) < 2.0
    assert world.failures == []
