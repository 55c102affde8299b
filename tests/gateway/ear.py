"""A link of its own, and a host that listens to it."""

import asyncio
from collections.abc import Callable

from sitewarden.drivers.plan import LinkPlan, Port, ReaderPlan
from sitewarden.gateway.links import Link
from sitewarden.rules.model import Reason


class Ear:
    """A host that writes down what it hears and can be waited for."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, object]] = []
        self._news = asyncio.Condition()
        self._tell: set[asyncio.Task[None]] = set()

    def connected(self, link: str) -> None:
        self._note("up", link)

    def received(self, link: str, data: bytes) -> None:
        self._note("data", data)

    def lost(self, link: str, reason: Reason) -> None:
        self._note("lost", reason)

    def count(self, what: str) -> int:
        return sum(kind == what for kind, _ in self.heard)

    def data(self) -> bytes:
        return b"".join(said for kind, said in self.heard if isinstance(said, bytes))

    async def until(self, true: Callable[[], bool], within: float = 5.0) -> None:
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(true)

    def _note(self, kind: str, what: object) -> None:
        self.heard.append((kind, what))
        task = asyncio.ensure_future(self._notify())
        self._tell.add(task)
        task.add_done_callback(self._tell.discard)

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()


def link_to(port: Port, ear: Ear) -> Link:
    return Link(LinkPlan("wire", port, ReaderPlan("reader")), ear)
