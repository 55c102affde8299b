"""A gateway with a long outage behind it, and a server that takes everything at once."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter

from sitewarden.config.site import Site
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.spool.spool import Spool
from sitewarden.rules.model import Reading
from tests.bench.stream import polls

SINK = """\
sinks:
  influx: {{type: influxdb, version: v1, url: "http://127.0.0.1:{port}", bucket: bench}}
spool: {{most: 2GiB}}
"""
BLOCK, POLLS = 1000, 16


class Swallower:
    """`lines` and `seconds` are known once it has ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.port = int(process.stdout.readline())
        self.lines, self.seconds = 0, 0.0


@contextmanager
def swallower() -> Iterator[Swallower]:
    command = [sys.executable, str(Path(__file__).with_name("swallow.py"))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    it, begun = Swallower(process), perf_counter()
    try:
        yield it
    finally:
        it.seconds = perf_counter() - begun
        it.lines = int(process.communicate(timeout=10)[0] or 0)


def fill(site: Site, lines: int) -> None:
    """Leaves so many lines in the spool, a poll of a thousand points a block; after a while the same ones."""
    formatter = Lines(site.id)
    readings = [[it for it in effects if isinstance(it, Reading)] for effects in islice(polls(1.0), POLLS)]
    blocks = cycle([formatter.format(poll) for poll in readings])
    with closing(Spool(site.data / "spool.db", [sink.name for sink in site.sinks], site.spool.most)) as spool:
        for block in islice(blocks, lines // BLOCK):
            spool.append([line for _, line in block], block[0][0], block[-1][0])
