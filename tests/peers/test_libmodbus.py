"""Our master against a slave made with libmodbus, and its master against our twins."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from sitewarden.drivers.modbus.points import Kind, Order, Point, Profile, Table, Unit
from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, Port, SerialPort, TcpPort
from sitewarden.rules.model import Outcome, Quality, Reading, Reason, Value
from tests.peers.master import Master, master, pty_pair
from tests.peers.twins import UNIT, WAYS, held, served
from tests.servers import free_port
from tests.simulators.thing import PROFILE

pytestmark = pytest.mark.server

HERE = Path(__file__).parent
LOW = Order.LOW_FIRST
TYPES: dict[str, tuple[Point, Value]] = {
    point.name: (point, value)
    for point, value in (
        (Point("u16", Table.INPUT, 9, Kind.U16), 1009.0),
        (Point("i32", Table.INPUT, 10, Kind.I32), -70_000.0),
        (Point("i64", Table.INPUT, 12, Kind.I64), -5e9),
        (Point("abcd", Table.INPUT, 16, Kind.F32), -2.5),
        (Point("cdab", Table.INPUT, 18, Kind.F32, word_order=LOW), -2.5),
        (Point("badc", Table.INPUT, 20, Kind.F32, byte_order=LOW), -2.5),
        (Point("dcba", Table.INPUT, 22, Kind.F32, word_order=LOW, byte_order=LOW), -2.5),
        *((Point(f"contact{n}", Table.DISCRETE, n, Kind.BOOL), n % 3 == 0) for n in range(20)),
        *((Point(f"coil{n}", Table.COIL, n, Kind.BOOL, writable=True), n % 3 == 0) for n in range(20)),
        (Point("holding", Table.HOLDING, 9, Kind.U16, writable=True), 1009.0),
        (Point("cdab_held", Table.HOLDING, 18, Kind.F32, word_order=LOW, writable=True), -2.5),
    )
}
REASONS = {  # by exception code; libmodbus has no word for 9
    1: Reason.ILLEGAL_FUNCTION,
    2: Reason.ILLEGAL_ADDRESS,
    3: Reason.ILLEGAL_VALUE,
    4: Reason.DEVICE_FAILURE,
    5: Reason.ACKNOWLEDGED,
    6: Reason.BUSY,
    7: Reason.NEGATIVE,
    8: Reason.MEMORY_PARITY,
    10: Reason.NO_PATH,
    11: Reason.NO_ANSWER,
}
BEYOND = Point("beyond", Table.INPUT, 200, Kind.U16)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the compiled programs."""
    if shutil.which("pkg-config") is None or shutil.which("cc") is None:
        pytest.skip("cc and pkg-config are not installed")
    found = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip("libmodbus-dev is not installed")
    folder = tmp_path_factory.mktemp("libmodbus")
    for name in ("libmodbus_server", "libmodbus_client"):
        source, flags = HERE / f"{name}.c", ["-Wall", "-Wextra", "-Werror", "-O1"]
        subprocess.run(["cc", *flags, "-o", folder / name, source, *found.stdout.split()], check=True)
    return folder


# -- our master, its slave -----------------------------------------------------------------------


@contextmanager
def slave(tools: Path, how: str, folder: Path) -> Iterator[tuple[Port, Framing]]:
    with ExitStack() as stack:
        port: Port
        if how == "tcp":
            port, framing = TcpPort("127.0.0.1", free_port()), Framing.TCP
            where = ("tcp", str(port.port))
        else:
            near, far = stack.enter_context(pty_pair(folder))
            port, framing = SerialPort(str(near), 115_200), Framing.RTU
            where = ("rtu", str(far), "115200")
        process = stack.enter_context(
            subprocess.Popen(
                [tools / "libmodbus_server", *where, str(UNIT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        )
        stack.callback(process.terminate)
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield port, framing


@asynccontextmanager
async def talking(
    tools: Path, how: str, folder: Path, *points: Point, others: tuple[Unit, ...] = ()
) -> AsyncIterator[Master]:
    """Our master with a unit of these points."""
    with slave(tools, how, folder) as (port, framing):
        unit = Unit("unit", UNIT, Profile("libmodbus", points), {"normal": 0.1})
        async with master(LinkPlan("bus", port, BusPlan(framing, (unit, *others)))) as one:
            yield one


HOW = pytest.mark.parametrize("how", ["rtu", "tcp"])


@HOW
def test_every_order_and_table_is_read_and_written(tools: Path, how: str, tmp_path: Path) -> None:
    points = [point for point, _ in TYPES.values()]
    written: dict[str, Value] = {"coil0": False, "coil1": True, "holding": 5, "cdab_held": 0.75}

    async def run() -> tuple[dict[str, Reading], dict[str, Reading]]:
        async with talking(tools, how, tmp_path, *points) as one:
            await one.read(*(f"unit.{name}" for name in TYPES))
            before = dict(one.readings)
            for name, value in written.items():
                one.write("unit", name, value)
            await one.until(lambda: len(one.written) == len(written))
            assert set(one.written.values()) == {Outcome.VERIFIED}
            return before, dict(one.readings)

    before, after = asyncio.run(run())
    shown = {name: value for name, (_, value) in TYPES.items()}
    assert {name: before[f"unit.{name}"].value for name in TYPES} == shown
    assert {name: after[f"unit.{name}"].value for name in TYPES} == shown | written
    assert all(after[f"unit.{name}"].quality is Quality.GOOD for name in TYPES)


@HOW
@pytest.mark.parametrize("code", REASONS)
def test_each_exception_has_its_reason(tools: Path, how: str, tmp_path: Path, code: int) -> None:
    async def run() -> tuple[Reading, bool]:
        async with talking(tools, how, tmp_path, Point("refused", Table.HOLDING, 60 + code, Kind.U16)) as one:
            await one.read("unit.refused")
            return one.readings["unit.refused"], one.up["unit"]

    reading, up = asyncio.run(run())
    assert reading.reason is REASONS[code]
    assert up is (code < 10), "10 and 11 are a gateway's, for a unit that is away"


def test_a_unit_that_is_not_there_hurts_nobody(tools: Path, tmp_path: Path) -> None:
    good = TYPES["i32"][0]
    silent = Unit("silent", UNIT + 1, Profile("silent", (good,)))

    async def run() -> tuple[dict[str, Reading], dict[str, bool]]:
        async with talking(tools, "rtu", tmp_path, good, BEYOND, others=(silent,)) as one:
            await one.until(lambda: one.up.keys() == {"unit", "silent"})
            await one.read("unit.i32", "unit.beyond")
            return dict(one.readings), dict(one.up)

    readings, up = asyncio.run(run())
    assert up == {"unit": True, "silent": False}
    assert readings["unit.i32"].value == -70_000.0
    assert readings["unit.beyond"].reason is Reason.ILLEGAL_ADDRESS
    assert readings["silent.i32"].reason is Reason.TIMEOUT


# -- its master, our twins -----------------------------------------------------------------------


async def call(tools: Path, port: Port, *arguments: str | int) -> str:
    where = ("tcp", port.port) if isinstance(port, TcpPort) else ("rtu", port.path, port.baud)
    process = await asyncio.create_subprocess_exec(
        tools / "libmodbus_client", *map(str, (*where, UNIT, *arguments)), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    return out.decode().strip()


@pytest.mark.parametrize("link", WAYS)
def test_its_master_reads_and_writes_our_twin(tools: Path, tmp_path: Path, link: str) -> None:
    async def run() -> None:
        async with served(tmp_path) as estate:
            port = estate.ports[link]
            for table in Table:
                first = min(point.address for point in PROFILE.points if point.table is table)
                words = await call(tools, port, table, first, 1)
                assert {first: int(words)} == held(estate, link, table, first, 1)
            assert await call(tools, port, "set_coil", 1, 1) == ""
            assert await call(tools, port, "coil", 1, 1) == "1"
            assert await call(tools, port, "set_register", 10, 0x12) == ""
            assert await call(tools, port, "mask", 10, 0xF2, 0x25) == "", "the example of V1.1b3, 6.16"
            assert await call(tools, port, "holding", 10, 1) == str(0x17)
            assert await call(tools, port, "both", 10, 3, 1, 2, 3) == "1 2 3"
            assert await call(tools, port, "both", 9, 3, 1, 2, 3) == "Illegal data address"
            assert await call(tools, port, "set_register", 10, 10_001) == "Illegal data value"
            assert await call(tools, port, "id") == " ".join(map(str, b"test\xff"))

    asyncio.run(run())
