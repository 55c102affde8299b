"""What a twin's registers show of a point, as the gateway would decode it."""

from sitewarden.drivers.modbus.codec import BIT_TABLES, Decoded, decode, width
from sitewarden.drivers.modbus.points import Point
from sitewarden.rules.model import Stamp
from sitewarden.simulators.registers import Registers


def read(registers: Registers, point: Point, at: Stamp) -> Decoded:
    cells = registers.read(point.table, point.address, width(point), at)
    if point.table in BIT_TABLES:
        return decode(point, bytes(cells))
    return decode(point, b"".join(word.to_bytes(2, "big") for word in cells))
