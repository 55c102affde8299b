"""Lines for a spool, and a destination that takes them."""

import random
from datetime import UTC, datetime

from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.spool.blocks import Batch
from sitewarden.gateway.spool.spool import Spool

FOREVER = 1 << 62  # ns
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def lines(first: int, count: int) -> list[bytes]:
    return [b"reading,point=p value=%d.5 %d" % (n, n) for n in range(first, first + count)]


def drain(spool: Spool, destination: str = "influx", most: int = 1000) -> list[bytes]:
    taken: list[bytes] = []
    while batch := oldest(spool, destination, most):
        taken += [line for block in batch.blocks for line in block.lines]
        spool.done(destination, batch)
    return taken


def oldest(spool: Spool, destination: str = "influx", most: int = 1000) -> Batch | None:
    """What is left over first, then what is new."""
    batches = (spool.read(destination, lane, most, FOREVER) for lane in (Lane.BACKLOG, Lane.LIVE))
    return next((batch for batch in batches if batch), None)


def noise(seed: int, count: int) -> list[bytes]:
    """Lines that do not compress."""
    chance = random.Random(seed)
    return [chance.randbytes(50).hex().encode() for _ in range(count)]
