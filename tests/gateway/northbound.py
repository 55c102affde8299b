"""A gateway whose uplinks to a real InfluxDB and a real broker have their own weather."""

import json
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from time import sleep

from sitewarden.gateway.clock import wall_now
from tests.gateway.street import StreetSite
from tests.gateway.witness import Witness, witness
from tests.servers import Peer, influx_query, influxd, mosquitto, running
from tests.uplink import Uplink, Weather

SINKS = """\
sinks:
  influx: {{type: influxdb, version: v1, url: "http://127.0.0.1:{influx}", bucket: sitewarden}}
  broker: {{type: mqtt, host: 127.0.0.1, port: {broker}}}
"""
METER = "point/meter/count"


class Northbound:
    """A gateway, its two servers, and an uplink to each."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.influx, self.broker = (
            stack.enter_context(running(peer(folder))) for peer in (influxd, mosquitto)
        )
        self.uplinks = [stack.enter_context(Uplink(peer.port)) for peer in (self.influx, self.broker)]
        ports = SINKS.format(influx=self.uplinks[0].port, broker=self.uplinks[1].port)
        self.site = stack.enter_context(closing(StreetSite(folder, ports)))
        self.seen = stack.enter_context(witness(self.broker))
        self.site.start(30.0)

    def turn(self, weather: Weather) -> None:
        """A broker has no word for being sick: its uplink is refused instead."""
        self.uplinks[0].turn(weather)
        self.uplinks[1].turn(Weather.REFUSED if weather is Weather.SICK else weather)

    def crash(self) -> datetime:
        self.site.kill()
        at = wall_now()
        self.site.start(30.0)
        return at

    def settle(self) -> None:
        self.site.street.still = True
        sleep(1.0)  # the spool's commit
        self.site.until(lambda: not any(it["waiting"] for it in self.site.ask("GET", "/site")["sinks"]), 60.0)

    @property
    def newest(self) -> tuple[int, int]:
        """The newest look at the meter that each of the two has; 0: none."""
        return max(stored(self.influx), default=0), max(heard(self.seen), default=0)


def stored(peer: Peer) -> list[int]:
    """The looks at the meter that InfluxDB has, in the order of their instants."""
    rows = influx_query(peer, "SELECT value FROM reading WHERE point = 'count'")
    return [int(float(str(value))) for _, value in rows]


def heard(seen: Witness) -> set[int]:
    """Those that were published, as they came about and as history."""
    told = list[dict[str, object]]()
    for topic, payload, _ in list(seen.heard):
        if topic.endswith(METER):
            told.append(json.loads(payload))
        elif "/history/point" in topic:
            told += (it for it in json.loads(payload) if it["topic"] == METER)
    return {int(float(str(it["value"]))) for it in told if it["quality"] == "good"}
