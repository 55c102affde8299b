"""A gateway that is killed at any instant: readings and gaps cover its time, and do not overlap."""

import subprocess
import sys
from bisect import bisect_right
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from random import Random
from threading import Timer

import pytest

from sitewarden.gateway.sinks.parse import parse
from sitewarden.gateway.spool.spool import Spool
from tests.gateway.spool_under_test import drain

SLACK = 5_000_000  # ns; wall and boot clock are read one after the other
UNSEEN = 250_000_000  # ns that this machine may be busy with something else

WRITER = """
import sys
from itertools import count
from pathlib import Path
from threading import Event
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.sinks.lines import WANTED, Lines
from sitewarden.gateway.spool.spool import Spool
from sitewarden.gateway.spool.writer import SpoolWriter
from sitewarden.gateway.troubles import Troubles
from sitewarden.rules.model import LinkChanged, Reading, Reason
clock, hub = Clock(), Hub()
queue = hub.subscribe("spool", 10_000, WANTED)
each = {"tank": {"tank.level": 0.01}}
spool = Spool(Path(sys.argv[1]), ["influx"])
SpoolWriter(spool, queue, Lines("cuihu"), Troubles(lambda _: None, clock), clock, each).start()
print("started", flush=True)
for n in count():
    at = clock.now()
    match n % 50:
        case 40:
            hub.publish([LinkChanged("tank", False, at, Reason.TIMEOUT)])
        case 45:
            hub.publish([LinkChanged("tank", True, at)])
    if n % 50 not in range(40, 45):
        hub.publish([Reading("tank.level", float(n), at)])
    Event().wait(0.01)
"""


@pytest.mark.slow
def test_readings_and_gaps_cover_the_time_and_do_not_overlap(tmp_path: Path) -> None:
    path, chance = tmp_path / "spool.db", Random(5)
    for _ in range(8):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            writer.stdout.readline()
            Timer(chance.uniform(0.1, 2.0), writer.kill).start()
    with closing(Spool(path, ["influx"])) as spool:
        read = sorted(record.ns for record in map(parse, drain(spool)) if record.measurement == "reading")
        gaps = sorted((loss.first, loss.last) for loss in spool.losses(1000))
        whys = {loss.why for loss in spool.losses(1000)}
    assert len(read) == len(set(read)) > 100
    assert whys == {"killed", "timeout"}
    for (_, last), (first, _) in pairwise(gaps):
        assert last <= first + SLACK
    for first, last in gaps:
        assert bisect_right(read, first + SLACK) >= bisect_right(read, last - SLACK)
        assert bisect_right(read, last + SLACK) > bisect_right(read, last - SLACK)
    for before, after in pairwise(read):
        assert after - before < UNSEEN or any(abs(after - last) < SLACK for _, last in gaps)
