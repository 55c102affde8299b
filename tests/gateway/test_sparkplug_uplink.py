"""A bad uplink between a gateway and its primary host's broker, and a gateway that is killed meanwhile."""

from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest

from sitewarden.gateway.clock import wall_now
from tests.gateway.sparkplug_ear import Primary
from tests.gateway.street import StreetSite
from tests.servers import mosquitto, running
from tests.uplink import Uplink, Weather

pytestmark = [pytest.mark.server, pytest.mark.slow]

SINKS = (
    "sinks: {{scada: {{type: mqtt, host: 127.0.0.1, port: {}, payload: sparkplug, group: sites,"
    " primary_host: scada}}}}\n"
)
LASTS = 5.0  # s
WITHIN = 10.0  # s from the uplink's return to the first data
COMMIT = timedelta(seconds=1.5)  # what a power cut may take: the group commit, and a busy machine


@pytest.mark.parametrize("weather", [it for it in Weather if it is not Weather.FINE])
def test_the_host_lacks_nothing_and_has_the_first_data_within_seconds(
    tmp_path: Path, weather: Weather
) -> None:
    with ExitStack() as stack:
        broker = stack.enter_context(running(mosquitto(tmp_path)))
        uplink = stack.enter_context(Uplink(broker.port))
        host = stack.enter_context(closing(Primary(broker.port, "test"))).host
        site = stack.enter_context(closing(StreetSite(tmp_path, SINKS.format(uplink.port))))

        def heard() -> set[int]:
            return {int(float(str(it))) for it in host.values("meter", "count") if it is not None}

        site.start(30.0)
        site.until(heard)
        uplink.turn(weather)
        sleep(LASTS / 2)
        site.kill()
        crash = wall_now()
        site.start(30.0)
        sleep(LASTS / 2)
        uplink.turn(Weather.FINE)
        back = site.street.shown[-1][1]
        site.until(lambda: max(heard()) > back, WITHIN)
        site.street.still = True
        sleep(1.0)  # the spool's commit
        shown = list(site.street.shown)
        lost = {number for at, number in shown if crash - COMMIT < at <= crash + COMMIT}
        site.until(lambda: {number for _, number in shown} - heard() <= lost, 30.0)
        site.until(lambda: not any(it["waiting"] for it in site.ask("GET", "/site")["sinks"]), 30.0)
        assert host.complaints == []
