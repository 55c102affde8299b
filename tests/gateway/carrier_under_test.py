"""A spool and its carrier alone in a process, to be killed: `carrier_under_test.py FOLDER URL VERSION`.

It ends by itself once nothing is left.
"""

import sys
import time
from functools import partial
from pathlib import Path

from sitewarden.config.sinks import InfluxPlan, InfluxVersion
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.sinks.carrier import Carrier
from sitewarden.gateway.sinks.servers import connect
from sitewarden.gateway.spool.spool import Spool

SPEED = 20_000  # lines/s: long enough to be killed several times


def main(folder: str, url: str, version: str) -> None:
    plan = InfluxPlan("influx", url, InfluxVersion(version), org="site", batch=1000, backlog=SPEED)
    spool = Spool(Path(folder) / "spool.db", [plan.name])
    carrier = Carrier(plan, spool, lambda trouble: None, Clock(), partial(connect, plan))
    carrier.start()
    while spool.stats().pending[plan.name]:
        time.sleep(0.01)
    carrier.stop()
    spool.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
