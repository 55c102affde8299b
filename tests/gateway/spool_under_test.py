"""Lines for a spool, and a destination that takes them."""

import random
from datetime import UTC, datetime

from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.spool import Spool

FOREVER = 1 << 62  # ns
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def lines(first: int, count: int) -> list[bytes]:
    return [b"reading,point=p value=%d.5 %d" % (n, n) for n in range(first, first + count)]


def drain(spool: Spool, destination: str = "influx", most: int = 1000) -> list[bytes]:
    taken: list[bytes] = []
    for lane in (Lane.BACKLOG, Lane.LIVE):
        while batch := spool.read(destination, lane, most, FOREVER):
            taken += [line for block in batch.blocks for line in block.lines]
            spool.done(destination, batch)
    return taken


def noise(seed: int, count: int) -> list[bytes]:
    """Lines that do not compress."""
    chance = random.Random(seed)
    return [chance.randbytes(50).hex().encode() for _ in range(count)]
