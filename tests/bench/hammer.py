"""Clients that ask the API as fast as it answers, each on a connection of its own.

hammer.py PORT TOKEN CLIENTS SECONDS: prints how many answers came, once time is up.
"""

import asyncio
import sys

PATHS = ("points", "lanes", "alarms")


async def client(port: int, token: str, end: float) -> int:
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"Host: bench\r\nAuthorization: Bearer {token}"
    answers = 0
    while loop.time() < end:
        path = PATHS[answers % len(PATHS)]
        writer.write(f"GET /api/v1/{path} HTTP/1.1\r\n{head}\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"the API answers {answer!r}")
        length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        answers += 1
    writer.close()
    return answers


async def main(port: int, token: str, clients: int, seconds: float) -> None:
    end = asyncio.get_running_loop().time() + seconds
    print(sum(await asyncio.gather(*(client(port, token, end) for _ in range(clients)))))


asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
