"""A spool and its way to a Sparkplug broker alone in a process, to be killed:
`sparkplug_under_test.py FOLDER PORT`. It ends by itself once nothing is left."""

import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sitewarden.config.sinks import MqttPlan, Payload
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.sinks.carrier import Carrier
from sitewarden.gateway.sinks.sparkplug.transport import SparkplugTransport
from sitewarden.gateway.spool.spool import Spool
from tests.api.small_house import SmallHouse

SPEED = 3000  # lines/s: long enough to be killed several times


def carrier(folder: Path, port: int, spool: Spool, **more: str) -> Carrier:
    """Of the demo's site, with all its devices up. `more` of its plan."""
    house = SmallHouse(folder)
    house.up()
    plan = MqttPlan("broker", "127.0.0.1", port, payload=Payload.SPARKPLUG, group="sites", backlog=SPEED)
    plan = replace(plan, **more)
    clock = Clock()
    return Carrier(
        plan,
        spool,
        lambda trouble: None,
        clock,
        lambda: SparkplugTransport(plan, "cuihu", folder, lambda: house.board, lambda: (), clock),
    )


def main(folder: str, port: str) -> None:
    spool = Spool(Path(folder) / "spool.db", ["broker"])
    it = carrier(Path(folder), int(port), spool)
    it.start()
    while spool.stats().pending["broker"]:
        time.sleep(0.01)
    it.stop()
    spool.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
