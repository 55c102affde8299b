"""Run in a network of its own: s from the cut of its cable until an asked and an idle device are lost."""

import asyncio
import fcntl
import socket
import struct
import time

from sitewarden.drivers.plan import LinkPlan, ReaderPlan, TcpPort
from sitewarden.gateway.links import Link
from sitewarden.rules.model import Reason

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1  # netdevice(7)
FLAGS = "16sh14x"  # struct ifreq


class Losses:
    """A host that knows when it lost each link."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    def connected(self, link: str) -> None: ...

    def received(self, link: str, data: bytes) -> None: ...

    def lost(self, link: str, reason: Reason) -> None:
        self.at[link] = time.monotonic()


def plug(in_: bool) -> None:
    with socket.socket() as any_socket:
        asked = struct.pack(FLAGS, b"lo", 0)
        flags = struct.unpack(FLAGS, fcntl.ioctl(any_socket, SIOCGIFFLAGS, asked))[1]
        flags = flags | IFF_UP if in_ else flags & ~IFF_UP
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack(FLAGS, b"lo", flags))


async def main() -> None:
    plug(True)
    device = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = TcpPort("127.0.0.1", device.sockets[0].getsockname()[1])
    losses = Losses()
    links = [Link(LinkPlan(name, port, ReaderPlan(name)), losses) for name in ("asked", "idle")]
    for link in links:
        link.start()
    while not all(link.up for link in links):  # noqa: ASYNC110 - a script of ten seconds
        await asyncio.sleep(0.05)
    plug(False)
    cut = time.monotonic()
    while len(losses.at) < len(links) and time.monotonic() - cut < 20:
        links[0].send(b"state?")
        await asyncio.sleep(0.5)
    print(*(losses.at.get(link.plan.name, cut + 99) - cut for link in links))  # noqa: T201


asyncio.run(main())
