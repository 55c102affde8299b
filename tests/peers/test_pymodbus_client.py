"""pymodbus's master reads our twins in every framing, and asks them all that it knows to ask."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.client.base import ModbusBaseClient

from sitewarden.drivers.modbus.points import Table
from sitewarden.drivers.plan import Framing, SerialPort
from sitewarden.simulators.serve import Served
from tests.peers.twins import PORTS, UNIT, held, served

pytestmark = pytest.mark.server

HOW = pytest.mark.parametrize("link", PORTS)
FRAMERS = {Framing.RTU: FramerType.RTU, Framing.ASCII: FramerType.ASCII, Framing.TCP: FramerType.SOCKET}


@asynccontextmanager
async def client(folder: Path, link: str) -> AsyncIterator[tuple[Served, ModbusBaseClient]]:
    _, framing, echo = PORTS[link]
    framer = FRAMERS[framing]
    async with served(folder) as estate:
        port = estate.ports[link]
        one = (
            AsyncModbusSerialClient(port.path, framer=framer, baudrate=port.baud, handle_local_echo=echo)
            if isinstance(port, SerialPort)
            else AsyncModbusTcpClient(port.host, port=port.port, framer=framer)
        )
        assert await one.connect()
        try:
            yield estate, one
        finally:
            one.close()


@HOW
def test_it_reads_and_writes(link: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with client(tmp_path, link) as (estate, one):

            def have(table: Table, first: int, count: int) -> list[int]:
                return [*held(estate, link, table, first, count).values()]

            coils = await one.read_coils(0, count=2, device_id=UNIT)
            contact = await one.read_discrete_inputs(3, count=1, device_id=UNIT)
            inputs = await one.read_input_registers(0, count=4, device_id=UNIT)
            assert coils.bits[:2] == [bool(bit) for bit in have(Table.COIL, 0, 2)]
            assert contact.bits[:1] == [bool(bit) for bit in have(Table.DISCRETE, 3, 1)]
            assert inputs.registers == have(Table.INPUT, 0, 4)
            await one.write_coil(0, True, device_id=UNIT)
            await one.write_coils(0, [True, False], device_id=UNIT)
            await one.write_register(10, 0x12, device_id=UNIT)
            await one.write_registers(11, [1, 2], device_id=UNIT)
            await one.mask_write_register(address=10, and_mask=0xF2, or_mask=0x25, device_id=UNIT)
            assert have(Table.COIL, 0, 2) == [1, 0]
            assert have(Table.HOLDING, 10, 3) == [0x17, 1, 2]
            both = await one.readwrite_registers(
                read_address=10, read_count=3, write_address=12, values=[9], device_id=UNIT
            )
            assert both.registers == [0x17, 1, 9]

    asyncio.run(run())


@HOW
def test_it_asks_who_it_is_and_how_it_fares(link: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with client(tmp_path, link) as (_, one):
            refused = await one.read_holding_registers(100, count=1, device_id=UNIT)
            assert (refused.isError(), refused.exception_code) == (True, 2)
            assert (await one.read_fifo_queue(address=10, device_id=UNIT)).exception_code == 2
            assert (await one.read_exception_status(device_id=UNIT)).status == 0
            assert (await one.diag_query_data(b"\xa5\x37", device_id=UNIT)).message == b"\xa5\x37"
            assert (await one.diag_get_comm_event_counter(device_id=UNIT)).count == 2
            errors = await one.diag_read_bus_exception_error_count(device_id=UNIT)
            assert errors.message == 2
            log = await one.diag_get_comm_event_log(device_id=UNIT)
            assert log.events[:2] == [0x80, 0x40], "asked, answered"
            assert (await one.report_device_id(device_id=UNIT)).identifier == b"test"
            identity = await one.read_device_information(read_code=2, device_id=UNIT)
            assert identity.information[4] == b"Thing of two coils"
            assert identity.information[6] == link.encode()

    asyncio.run(run())
