"""A served estate, read by a stranger: mbpoll is a Modbus master of its own making."""

import asyncio
import shutil
from pathlib import Path

import pytest

from sitewarden.drivers.plan import SerialPort, TcpPort
from sitewarden.simulators.estate import Estate
from sitewarden.simulators.serve import Served, serve
from tests.scenarios import site

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(shutil.which("mbpoll") is None, reason="mbpoll is not installed"),
]


async def mbpoll(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "mbpoll", "-1", "-q", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, out.decode()
    return out.decode()


async def served(tmp_path: Path) -> Served:
    estate = Estate(site.plan(), site.links(), site.permits(), seed=1, start=site.START)
    return await serve(estate, site.links(), tmp_path)


def test_reads_and_writes_over_a_pty(tmp_path: Path) -> None:
    async def run() -> tuple[str, str, bool]:
        estate = await served(tmp_path)
        port = estate.ports["bus-1"]
        assert isinstance(port, SerialPort)
        line = ("-m", "rtu", "-b", str(port.baud), "-P", "even")
        ohms = await mbpoll(*line, "-a", "2", "-t", "3", "-r", "1", port.path)
        await mbpoll(*line, "-a", "1", "-t", "0", "-r", "1", port.path, "1")
        coil = await mbpoll(*line, "-a", "1", "-t", "0", "-r", "1", "-c", "2", port.path)
        held = estate.estate.gates["in-1"].arm.open_held
        await estate.stop()
        return ohms, coil, held

    ohms, coil, held = asyncio.run(run())
    assert "[1]: \t2212" in ohms
    assert "[1]: \t1" in coil
    assert "[2]: \t0" in coil
    assert held


def test_reads_over_tcp(tmp_path: Path) -> None:
    async def run() -> str:
        estate = await served(tmp_path)
        port = estate.ports["lift-1"]
        assert isinstance(port, TcpPort)
        words = await mbpoll(
            "-m", "tcp", "-p", str(port.port), "-a", "247", "-t", "4:hex", "-r", "3", port.host
        )
        await estate.stop()
        return words

    assert "[3]: \t0x0100" in asyncio.run(run())  # floor 1, standing
