"""Our master against pymodbus's simulated devices: every type, every table, writes and refusals."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from sitewarden.drivers.modbus.points import Kind, Order, Point, Profile, Table, Unit
from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, Port, SerialPort, TcpPort
from sitewarden.rules.model import Outcome, Quality, Reading, Reason, Value
from tests.peers.master import Master, master, pty_pair
from tests.servers import free_port

pytestmark = pytest.mark.server

Server = ModbusTcpServer | ModbusSerialServer
FIRST = 100
WORDS = {"u32": 2, "i32": 2, "f32": 2, "low": 2, "u64": 4, "i64": 4, "f64": 4, "string": 4}
SHOWN: dict[str, tuple[DataType, int | float | str | list[int], Value]] = {
    # name: how pymodbus stores it, what it is told, what we read
    "u16": (DataType.UINT16, 40_000, 40_000.0),
    "i16": (DataType.INT16, -12_345, -12_345.0),
    "u32": (DataType.UINT32, 3_000_000_000, 3e9),
    "i32": (DataType.INT32, -2_000_000_000, -2e9),
    "u64": (DataType.UINT64, 2**53 - 1, 2.0**53 - 1),
    "i64": (DataType.INT64, 1 - 2**53, 1 - 2.0**53),
    "f32": (DataType.FLOAT32, 1.5, 1.5),
    "f64": (DataType.FLOAT64, -0.1, -0.1),
    "low": (DataType.REGISTERS, [0x5678, 0x1234], float(0x12345678)),
    "bcd": (DataType.REGISTERS, [0x1234], 1234.0),
    "string": (DataType.STRING, "Cuihu-01", "Cuihu-01"),
    "enum": (DataType.UINT16, 3, 3),
    "bits": (DataType.REGISTERS, [0x8001], 0x8001),
    "bit": (DataType.REGISTERS, [0x8000], True),
    "u8h": (DataType.REGISTERS, [0x07FF], 7.0),
    "u8l": (DataType.REGISTERS, [0xFF09], 9.0),
}
WRITTEN: dict[str, tuple[Value, bytes]] = {  # and the bytes that pymodbus must then hold
    "u16": (1, struct.pack(">H", 1)),
    "i16": (-2, struct.pack(">h", -2)),
    "u32": (70_000, struct.pack(">I", 70_000)),
    "i32": (-70_000, struct.pack(">i", -70_000)),
    "u64": (2**40, struct.pack(">Q", 2**40)),
    "i64": (-(2**40), struct.pack(">q", -(2**40))),
    "f32": (-2.25, struct.pack(">f", -2.25)),
    "f64": (0.3, struct.pack(">d", 0.3)),
    "low": (0x00010002, b"\0\2\0\1"),
    "bcd": (9876, b"\x98\x76"),
    "string": ("ab", b"ab\0\0\0\0\0\0"),
    "enum": (2, b"\0\2"),
    "bits": (0x4002, b"\x40\2"),
}
REFUSALS = {  # by function code
    1: ExcCodes.ILLEGAL_FUNCTION,
    2: ExcCodes.ILLEGAL_VALUE,
    3: ExcCodes.DEVICE_FAILURE,
    4: ExcCodes.DEVICE_BUSY,
}


def places() -> dict[str, int]:
    """The address of each value of `SHOWN`."""
    address, found = FIRST, dict[str, int]()
    for name in SHOWN:
        found[name] = address
        address += WORDS.get(name, 1)
    return found


PLACES = places()


def _point(name: str, table: Table) -> Point:
    kind = Kind.U32 if name == "low" else Kind(name)
    order = Order.LOW_FIRST if name == "low" else Order.HIGH_FIRST
    words, writable = WORDS.get(name, 1), table is Table.HOLDING and name in WRITTEN
    bit = 15 if kind is Kind.BIT else 0
    return Point(
        f"{table}_{name}", table, PLACES[name], kind, words, bit, order, scan="fast", writable=writable
    )


PROFILE = Profile(
    "shown",
    (
        *(_point(name, table) for table in (Table.HOLDING, Table.INPUT) for name in SHOWN),
        *(Point(f"coil{n}", Table.COIL, n, Kind.BOOL, scan="fast", writable=True) for n in range(3)),
        *(Point(f"contact{n}", Table.DISCRETE, n, Kind.BOOL, scan="fast") for n in range(3)),
        Point("missing", Table.HOLDING, 500, Kind.U16, scan="fast"),
    ),
)
SICK = Profile(
    "sick",
    tuple(Point(table, table, 0, Kind.BOOL if n < 2 else Kind.U16) for n, table in enumerate(Table)),
)


def devices() -> list[SimDevice]:
    async def refuse(function: int, *_: object) -> ExcCodes:
        return REFUSALS[function]

    words = [SimData(PLACES[name], values=value, datatype=kind) for name, (kind, value, _) in SHOWN.items()]
    bits = [SimData(0, values=[True, False, True], datatype=DataType.BITS)]
    one = [SimData(0, values=0, datatype=DataType.UINT16)]
    return [
        SimDevice(1, (bits, bits, words, words)),
        SimDevice(2, (bits, bits, one, one), action=refuse),
    ]


def bus(framing: Framing, outstanding: int = 1) -> BusPlan:
    units = (Unit("shown", 1, PROFILE), Unit("sick", 2, SICK))
    return BusPlan(framing, units, outstanding=outstanding)


@asynccontextmanager
async def peer(how: str, folder: Path) -> AsyncIterator[tuple[Server, Master]]:
    """pymodbus's server and our master, talking."""
    with ExitStack() as stack:
        server, port, framing = _server(how, folder, stack)
        await server.serve_forever(background=True)
        plan = LinkPlan("bus", port, bus(framing, outstanding=4 if how == "tcp, four at once" else 1))
        try:
            async with master(plan) as one:
                yield server, one
        finally:
            await server.shutdown()


def _server(how: str, folder: Path, stack: ExitStack) -> tuple[Server, Port, Framing]:
    if how.startswith("tcp"):
        port = free_port()
        server = ModbusTcpServer(devices(), address=("127.0.0.1", port))
        return server, TcpPort("127.0.0.1", port), Framing.TCP
    near, far = stack.enter_context(pty_pair(folder))
    serial = ModbusSerialServer(devices(), port=str(far), baudrate=115_200, framer=FramerType(how))
    return serial, SerialPort(str(near), 115_200), Framing(how)


# pymodbus answers only the newest of the requests that come together: the others are asked once more.
HOW = pytest.mark.parametrize("how", ["rtu", "ascii", "tcp", "tcp, four at once"])


@HOW
def test_every_type_of_every_table_is_read(how: str, tmp_path: Path) -> None:
    async def run() -> dict[str, Value | None]:
        async with peer(how, tmp_path) as (_, one):
            await one.read(*(f"shown.{point.name}" for point in PROFILE.points))
            return {
                name.removeprefix("shown."): reading.value if reading.quality is Quality.GOOD else None
                for name, reading in one.readings.items()
                if name.startswith("shown.")
            }

    read = asyncio.run(run())
    expected = {f"{table}_{name}": SHOWN[name][2] for table in ("holding", "input") for name in SHOWN}
    bits = {f"{name}{n}": n != 1 for name in ("coil", "contact") for n in range(3)}
    assert read == expected | bits | {"missing": None}


@HOW
def test_what_is_written_is_what_the_peer_holds(how: str, tmp_path: Path) -> None:
    async def run() -> tuple[dict[str, bytes], list[bool]]:
        async with peer(how, tmp_path) as (server, one):
            await one.until(lambda: one.up.get("shown"))
            for name, (value, _) in WRITTEN.items():
                one.write("shown", f"holding_{name}", value)
            for n, state in enumerate((False, True, True)):
                one.write("shown", f"coil{n}", state)
            await one.until(lambda: len(one.written) == len(WRITTEN) + 3)
            assert set(one.written.values()) == {Outcome.VERIFIED}
            assert [one.readings[f"shown.coil{n}"].value for n in range(3)] == [False, True, True]
            assert all(_shows(one, f"holding_{name}", value) for name, (value, _) in WRITTEN.items())
            held = {name: await _held(server, name) for name in WRITTEN}
            return held, [bool(bit) for bit in await server.async_getValues(1, 1, 0, 3)]

    held, coils = asyncio.run(run())
    assert held == {name: raw for name, (_, raw) in WRITTEN.items()}
    assert coils == [False, True, True]


@HOW
def test_a_refusal_has_its_reason_and_costs_only_itself(how: str, tmp_path: Path) -> None:
    async def run() -> tuple[dict[str, Reading], dict[str, bool]]:
        async with peer(how, tmp_path) as (_, one):
            await one.read("shown.missing", "shown.coil0", *(f"sick.{table}" for table in Table))
            return dict(one.readings), dict(one.up)

    readings, up = asyncio.run(run())
    assert readings["shown.missing"].reason is Reason.ILLEGAL_ADDRESS
    assert {table: readings[f"sick.{table}"].reason for table in Table} == {
        Table.COIL: Reason.ILLEGAL_FUNCTION,
        Table.DISCRETE: Reason.ILLEGAL_VALUE,
        Table.HOLDING: Reason.DEVICE_FAILURE,
        Table.INPUT: Reason.BUSY,
    }
    assert readings["shown.coil0"].quality is Quality.GOOD
    assert up == {"shown": True, "sick": True}


def _shows(one: Master, name: str, value: Value) -> bool:
    reading = one.readings.get(f"shown.{name}")
    return reading is not None and reading.value == value


async def _held(server: Server, name: str) -> bytes:
    words = await server.async_getValues(1, 3, PLACES[name], WORDS.get(name, 1))
    return b"".join(int(word).to_bytes(2, "big") for word in words)
