"""Lines for a spool, and a destination that takes them."""

import random
from datetime import UTC, datetime

from sitewarden.gateway.spool import Spool

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def lines(first: int, count: int) -> list[bytes]:
    return [b"reading,point=p value=%d.5 %d" % (n, n) for n in range(first, first + count)]


def drain(spool: Spool, destination: str = "influx", most: int = 1000) -> list[bytes]:
    taken: list[bytes] = []
    while blocks := spool.read(destination, most):
        taken += [line for block in blocks for line in block.lines]
        spool.advance(destination, blocks[-1].id)
    return taken


def noise(seed: int, count: int) -> list[bytes]:
    """Lines that do not compress."""
    chance = random.Random(seed)
    return [chance.randbytes(50).hex().encode() for _ in range(count)]
