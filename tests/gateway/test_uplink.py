"""A bad uplink in front of a real InfluxDB and a real broker, and a gateway that is killed meanwhile."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest

from sitewarden.gateway.clock import wall_now
from tests.gateway.street import StreetSite
from tests.gateway.witness import Witness, witness
from tests.servers import Peer, influx_query, influxd, mosquitto, running
from tests.uplink import Uplink, Weather

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(180)]

SINKS = """\
sinks:
  influx: {{type: influxdb, version: v1, url: "http://127.0.0.1:{influx}", bucket: sitewarden}}
  broker: {{type: mqtt, host: 127.0.0.1, port: {broker}}}
"""
METER = "point/meter/count"
WITHIN = 10.0  # s from the uplink's return to the first data
COMMIT = timedelta(seconds=1.5)  # what a power cut may take: the group commit, and a busy machine


class Estate:
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


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with ExitStack() as stack:
        yield Estate(tmp_path, stack)


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


@pytest.mark.parametrize(
    ("weather", "lasts"),
    [
        (Weather.BLACK_HOLE, 40.0),
        (Weather.REFUSED, 10.0),
        (Weather.SLOW, 12.0),
        (Weather.SICK, 10.0),
    ],
)
def test_nothing_is_lost_and_the_first_data_is_through_within_seconds(
    estate: Estate, weather: Weather, lasts: float
) -> None:
    site, street = estate.site, estate.site.street
    site.until(lambda: stored(estate.influx) and heard(estate.seen))
    estate.turn(weather)
    sleep(lasts / 2)
    crash = estate.crash()
    sleep(lasts / 2)
    estate.turn(Weather.FINE)
    back, begun = street.shown[-1][1], monotonic()
    site.until(lambda: stored(estate.influx)[-1] > back and max(heard(estate.seen)) > back, WITHIN)
    assert monotonic() - begun < WITHIN
    estate.settle()

    looks = [number for _, number in street.shown]
    lost = {number for at, number in street.shown if crash - COMMIT < at <= crash + COMMIT}
    rows = stored(estate.influx)
    assert rows == sorted(set(rows)), "in order and once"
    assert set(looks) - set(rows) <= lost
    site.until(lambda: set(looks) - heard(estate.seen) <= lost)
