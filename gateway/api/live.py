"""Server-sent events: what happens, as it happens, to any number of slow clients.

One bounded ring holds the newest happenings for all clients; a client is a number in it. So a client
that does not read costs nothing, one that comes back says where it was (`Last-Event-ID`), and one that
was away for too long is told that it missed something.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from fastapi.responses import StreamingResponse

from sitewarden.gateway.api.house import House
from sitewarden.gateway.api.problems import Problem
from sitewarden.rules.model import (
    AlarmChange,
    Decision,
    Effect,
    FireChange,
    LinkChanged,
    Passage,
    Reading,
    Write,
)

PULSE = 0.2  # s between two looks at what is new
BEAT = 2.0  # s of silence after which a stream says that it lives: a page gives up after 5
RING = 4096
MOST = 64  # streams at once

T = TypeVar("T")

Frames = Callable[[], Awaitable[str | None]]
"""What has happened since it was asked last, as messages; None: nothing will any more."""
Welcome = Callable[[], Awaitable[bool]]


class Happening(StrEnum):
    READING = "reading"
    DEVICE = "device"
    DECISION = "decision"
    PASSAGE = "passage"
    ALARM = "alarm"
    FIRE = "fire"
    WRITE = "write"


KINDS: dict[type, Happening] = {
    Reading: Happening.READING,
    LinkChanged: Happening.DEVICE,
    Decision: Happening.DECISION,
    Passage: Happening.PASSAGE,
    AlarmChange: Happening.ALARM,
    FireChange: Happening.FIRE,
    Write: Happening.WRITE,
}


@dataclass(frozen=True, slots=True)
class Entry:
    id: int
    kind: Happening
    effect: Effect


class Streams:
    """All open streams of one application. Used in the API's own loop only."""

    def __init__(self, house: House) -> None:
        self._news = house.hub.subscribe("api", RING, frozenset(KINDS))
        self._ring: deque[Entry] = deque(maxlen=RING)
        self._lost = 0
        self.newest = 0
        self.open = 0
        self._stopping = asyncio.Event()

    def close(self) -> None:
        """Ends every stream; otherwise the server waits for them when it stops."""
        self._stopping.set()
        self._news.close()

    def since(self, last: int) -> list[Entry]:
        """What came after entry `last`; a first id that is not `last + 1` means that some were missed."""
        news, lost = self._news.take(0), self._news.dropped
        self.newest += lost - self._lost  # the oldest go first: they lie before what was taken
        self._lost = lost
        for effect in news:
            self.newest += 1
            self._ring.append(Entry(self.newest, KINDS[type(effect)], effect))
        return [entry for entry in self._ring if entry.id > last] if last < self.newest else []

    def mark(self) -> int:
        """The newest entry: what comes after it has not happened yet."""
        self.since(self.newest)
        return self.newest

    async def first(self, pick: Callable[[Effect], T | None], after: int, patience: float) -> T | None:
        """The first that `pick` finds after entry `after`; None: nothing within so many seconds, or before
        the end of it all."""
        waited = 0.0
        while True:
            for entry in self.since(after):
                if (found := pick(entry.effect)) is not None:
                    return found
            after = self.newest
            if waited >= patience or self._stopping.is_set():
                return None
            await self._pause()
            waited += PULSE

    def respond(self, frames: Frames, welcome: Welcome) -> StreamingResponse:
        """`frames` is asked again and again for what to send next, and `welcome`, less often, whether to
        send any more. 503 when there are too many streams."""
        if self.open >= MOST:
            raise Problem(503, "too_many_streams", f"{MOST} streams are open already")
        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(self._flow(frames, welcome), media_type="text/event-stream", headers=headers)

    async def _flow(self, frames: Frames, welcome: Welcome) -> AsyncIterator[str]:
        with self._counted():
            yield "retry: 1000\n\n"
            silent = asked = 0.0
            while not self._stopping.is_set():
                if asked >= BEAT:
                    if not await welcome():
                        return
                    asked = 0.0
                text = await frames()
                if text is None:
                    return
                silent = 0.0 if text else silent + PULSE
                if silent >= BEAT:
                    text, silent = "event: beat\ndata:\n\n", 0.0
                if text:
                    yield text
                await self._pause()
                asked += PULSE

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), PULSE)
        except TimeoutError:
            return

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


def frame(data: str, event: str = "", id: str = "") -> str:  # noqa: A002 - the word of the format
    """One message as the HTML standard, 9.2.5, writes it."""
    head = (f"id: {id}\n" if id else "") + (f"event: {event}\n" if event else "")
    return head + "".join(f"data: {line}\n" for line in data.splitlines() or [""]) + "\n"
