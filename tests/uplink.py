"""A bad uplink: a port that stands before a server and does what networks do."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from threading import Thread
from typing import Self

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: no farewell, the other end sees a reset
PIECE = 4096
SICK = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsick"


class Weather(StrEnum):
    FINE = "fine"
    REFUSED = "refused"  # nobody listens
    BLACK_HOLE = "black hole"  # accepts, swallows, and resets when it is over
    SLOW = "slow"  # so many bytes a second
    SICK = "sick"  # HTTP 503, whatever is asked


class Uplink:
    """`turn` may be called from any thread; what was connected before is treated as the new weather has it:
    a black hole swallows what comes on it, all the others begin with a reset."""

    def __init__(self, target: int, rate: int = 8_000) -> None:
        """`rate`: bytes a second while it is slow."""
        self._target, self._rate = target, rate
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="uplink", daemon=True)
        self._weather = Weather.FINE
        self._there: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.swallowed = 0  # bytes

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._shut)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def turn(self, weather: Weather) -> None:
        async def change() -> None:
            self._weather = weather
            if weather is not Weather.BLACK_HOLE:
                self._hang_up()
            if weather is Weather.REFUSED:
                await self._shut()
            elif self._server is None:
                await self._listen()

        self._do(change)

    def _do(self, what: Callable[[], object]) -> None:
        asyncio.run_coroutine_threadsafe(what(), self._loop).result(10)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._called, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        self._hang_up()
        if self._server:
            self._server.close()
            self._server = None
        if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(tasks, timeout=5)

    def _hang_up(self) -> None:
        for writer in self._there:
            with suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
        self._there.clear()

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._known(writer):
            if self._weather is Weather.SICK:
                await reader.read(PIECE)
                writer.write(SICK)
                await writer.drain()
            elif self._weather is Weather.BLACK_HOLE:
                await self._pump(reader, None)
            else:
                on, back = await asyncio.open_connection("127.0.0.1", self._target)
                async with self._known(back):
                    ways = [asyncio.create_task(self._pump(*way)) for way in ((reader, back), (on, writer))]
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                    for way in ways:
                        way.cancel()

    @asynccontextmanager
    async def _known(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        self._there.add(writer)
        try:
            with suppress(OSError):
                yield
        finally:
            self._there.discard(writer)
            writer.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter | None) -> None:
        while piece := await source.read(PIECE):
            if sink is None or self._weather is Weather.BLACK_HOLE:
                self.swallowed += len(piece)
                continue
            if self._weather is Weather.SLOW:
                await asyncio.sleep(len(piece) / self._rate)
            sink.write(piece)
            await sink.drain()
