"""A small device with a point in every table, and what it shows."""

from collections.abc import Mapping

from sitewarden.drivers.modbus.points import Kind, Order, Point, Profile, Table, Unit
from sitewarden.rules.model import Stamp, Value
from sitewarden.simulators.modbus_slave import SlaveUnit

PROFILE = Profile(
    "test",
    (
        Point("run", Table.COIL, 0, Kind.BOOL, writable=True),
        Point("lamp", Table.COIL, 1, Kind.BOOL, writable=True),
        Point("door", Table.DISCRETE, 3, Kind.BOOL),
        Point("level", Table.INPUT, 0, Kind.I16, scale=0.1),
        Point("energy", Table.INPUT, 2, Kind.U32, word_order=Order.LOW_FIRST),
        Point(
            "setpoint", Table.HOLDING, 10, Kind.U16, scale=0.01, writable=True, write_low=0, write_high=100
        ),
        Point("total", Table.HOLDING, 11, Kind.U32, writable=True),
        Point("state", Table.HOLDING, 13, Kind.U16, absent=0xFFFF),
        Point("floor", Table.HOLDING, 14, Kind.U8H),
        Point("speed", Table.HOLDING, 14, Kind.U8L, scale=0.1),
        Point("fault", Table.HOLDING, 15, Kind.BIT, bit=11),
    ),
    title="Thing of two coils",
    source="Its maker's leaflet",
)


class Thing:
    def __init__(self) -> None:
        self.now: dict[str, Value | None] = {
            "run": False,
            "lamp": True,
            "door": True,
            "level": -1.5,
            "energy": 0x00012345,
            "setpoint": 50.0,
            "total": 7,
            "state": None,
            "floor": 3,
            "speed": 1.5,
            "fault": True,
        }

    def values(self, at: Stamp) -> Mapping[str, Value | None]:
        return self.now

    def write(self, point: str, value: Value, at: Stamp) -> None:
        self.now[point] = value


def unit(unit_id: int = 1) -> SlaveUnit:
    return SlaveUnit(Unit("thing", unit_id, PROFILE), Thing())
