"""A server of line protocol that stores nothing, and so is quicker than any real one.

swallow.py: prints its port, and at the end of its input the number of lines it was sent.
"""

import asyncio
import os
import sys

NOTHING = b"HTTP/1.1 204 No Content\r\n\r\n"
WHAT_WAS_ASKED = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"results":[{}]}'
)


class Server:
    def __init__(self) -> None:
        self.lines = 0

    async def called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")),
                    b":0",
                )
                body = await reader.readexactly(int(length.partition(b":")[2]))
                write = b"/write?" in head.partition(b"\r\n")[0]
                self.lines += (body.count(b"\n") + (not body.endswith(b"\n"))) if write and body else 0
                writer.write(NOTHING if write else WHAT_WAS_ASKED)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()


async def main() -> None:
    os.nice(19)  # it stands for a machine of its own
    it = Server()
    server = await asyncio.start_server(it.called, "127.0.0.1", 0, limit=1 << 26)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(it.lines, flush=True)
    server.close()


asyncio.run(main())
