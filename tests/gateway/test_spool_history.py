"""History that is read in is kept as if it had been delivered."""

from pathlib import Path

from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.spool.blocks import Fresh, Rank
from sitewarden.gateway.spool.spool import Spool

FOREVER = (1 << 63) - 1


def pending(spool: Spool, lane: Lane) -> list[bytes]:
    batch = spool.read("influx", lane, 100, FOREVER)
    return [line for block in batch.blocks for line in block.lines] if batch else []


def test_nobody_gets_history_and_everybody_what_came_before_and_after(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", ("influx",), keep=1e9)
    spool.append([b"before x=1 1"], 1, 1)
    spool.commit([Fresh(Rank.READING, [b"old x=1 2", b"old x=1 3"], 2, 3, history=True)])
    spool.append([b"after x=1 4"], 4, 4)
    spool.close()
    spool = Spool(tmp_path / "spool.db", ("influx",), keep=1e9)
    assert pending(spool, Lane.BACKLOG) == [b"before x=1 1"]
    assert pending(spool, Lane.LIVE) == [b"after x=1 4"]
    stats = spool.stats()
    assert (stats.lines, stats.kept, stats.pending) == (2, 2, {"influx": 2})
    spool.close()
