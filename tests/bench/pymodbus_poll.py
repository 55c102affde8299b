"""The least that a poller in Python could be: pymodbus's client reads blocks once a second, for nobody.

pymodbus_poll.py PORT REGISTERS
"""

import asyncio
import sys

from pymodbus.client import AsyncModbusTcpClient

BLOCK = 125  # registers in a read (V1.1b3, 6.3)


async def main(port: int, registers: int) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    while True:
        for first in range(0, registers, BLOCK):
            await client.read_holding_registers(first, count=BLOCK)
        await asyncio.sleep(1.0)


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
