"""Served twins, read and written by a stranger: mbpoll is a Modbus master of its own making."""

import asyncio
import shutil
from pathlib import Path

import pytest

from sitewarden.drivers.modbus.points import Table
from sitewarden.drivers.plan import SerialPort
from sitewarden.simulators.estate import Estate
from sitewarden.simulators.serve import Served, serve
from tests.peers.twins import UNIT, WAYS, held, served
from tests.scenarios import site

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(shutil.which("mbpoll") is None, reason="mbpoll is not installed"),
]
HOW = pytest.mark.parametrize("link", WAYS)


async def mbpoll(
    estate: Served, link: str, table: str, address: int, *arguments: str, unit: int = UNIT
) -> str:
    """What it prints. `table` as it names them: 0 coils, 1 contacts, 3 input, 4 holding registers."""
    port = estate.ports[link]
    if isinstance(port, SerialPort):
        where, end = ["-m", "rtu", "-b", str(port.baud), "-P", "none"], port.path
    else:
        where, end = ["-m", "tcp", "-p", str(port.port)], port.host
    options = [argument for argument in arguments if argument.startswith("-")]
    told = [argument for argument in arguments if not argument.startswith("-")]
    asked = ["-a", str(unit), "-t", table, "-r", str(address), *options, end, *told]
    process = await asyncio.create_subprocess_exec(
        *("mbpoll", "-1", "-q", "-0", *where, *asked),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    return out.decode()


def values(printed: str) -> dict[int, int]:
    """By address."""
    lines = (line.partition("]:") for line in printed.splitlines() if line.startswith("["))
    return {int(head[1:]): int(value.split()[0]) for head, _, value in lines}


@HOW
def test_it_reads_the_four_tables(link: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path) as estate:
            coils = await mbpoll(estate, link, "0", 0, "-c2")
            contact = await mbpoll(estate, link, "1", 3)
            level = await mbpoll(estate, link, "3", 0, "-c4")
            registers = await mbpoll(estate, link, "4", 10, "-c6")
            assert values(coils) == held(estate, link, Table.COIL, 0, 2)
            assert values(contact) == held(estate, link, Table.DISCRETE, 3, 1)
            assert values(level) == held(estate, link, Table.INPUT, 0, 4)
            assert values(registers) == held(estate, link, Table.HOLDING, 10, 6)

    asyncio.run(run())


@HOW
def test_it_writes_one_and_several(link: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path) as estate:
            await mbpoll(estate, link, "0", 0, "1", "0")
            assert held(estate, link, Table.COIL, 0, 2) == {0: 1, 1: 0}
            await mbpoll(estate, link, "0", 1, "1")
            assert values(await mbpoll(estate, link, "0", 0, "-c2")) == {0: 1, 1: 1}
            await mbpoll(estate, link, "4", 10, "1234")
            await mbpoll(estate, link, "4", 11, "1", "2")
            assert values(await mbpoll(estate, link, "4", 10, "-c3")) == {10: 1234, 11: 1, 12: 2}
            assert held(estate, link, Table.HOLDING, 10, 3) == {10: 1234, 11: 1, 12: 2}

    asyncio.run(run())


@HOW
def test_it_understands_what_is_refused(link: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path) as estate:
            unit = estate.estate.units[link]
            assert "Illegal data address" in await mbpoll(estate, link, "4", 100)
            assert "Illegal data value" in await mbpoll(estate, link, "4", 10, "10001")  # above its limit
            for code, words in (
                (1, "Illegal function"),
                (4, "Slave device or server failure"),
                (6, "Slave device or server is busy"),
            ):
                unit.functions.refuses[3] = code
                assert words in await mbpoll(estate, link, "4", 10)
            unit.deaf = True
            printed = await mbpoll(estate, link, "3", 0, "-o0.3" if link != "box" else "-o3")
            assert ("Target device failed to respond" if link == "box" else "timed out") in printed

    asyncio.run(run())


def test_it_opens_a_barrier_of_a_whole_estate(tmp_path: Path) -> None:
    async def run() -> None:
        estate = Estate(site.plan(), site.links(), site.permits(), seed=1, start=site.START)
        running = await serve(estate, site.links(), tmp_path)
        ohms = await mbpoll(running, "bus-1", "3", 0, unit=2)
        await mbpoll(running, "bus-1", "0", 0, "1", unit=1)
        await running.stop()
        assert values(ohms) == {0: 2212}
        assert estate.gates["in-1"].arm.open_held

    asyncio.run(run())
