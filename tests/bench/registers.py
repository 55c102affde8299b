"""A Modbus TCP unit that answers reads of its registers from memory, with as little work as can be.

registers.py FILE SIZE: images of `SIZE` bytes each; whoever reads a block again finds it as the next image
has it, to the last and back. Prints its port.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from struct import Struct

REQUEST = Struct(">4s2xBBHH")  # transaction and protocol, unit, function, first, count (V1.1b3, 6.3)
ANSWER = Struct(">4sHBBB")


class Unit(asyncio.Protocol):
    def __init__(self, images: Sequence[bytes]) -> None:
        there_and_back = [*images, *images[-2:0:-1]]
        self._blocks = defaultdict(lambda: cycle(there_and_back))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        answers = []
        for head, unit, function, first, count in REQUEST.iter_unpack(data):
            registers = next(self._blocks[first])[2 * first : 2 * (first + count)]
            answers += ANSWER.pack(head, 3 + 2 * count, unit, function, 2 * count), registers
        self._transport.write(b"".join(answers))


async def main(images: Sequence[bytes]) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Unit(images), "127.0.0.1")
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


stored, size = Path(sys.argv[1]).read_bytes(), int(sys.argv[2])
asyncio.run(main([stored[start : start + size] for start in range(0, len(stored), size)]))
