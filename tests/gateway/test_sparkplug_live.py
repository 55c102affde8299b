"""The whole gateway as an edge node, with an estate around it, as a host application sees them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.gateway.live import LiveSite, live_site
from tests.gateway.sparkplug_ear import Ear
from tests.servers import mosquitto, running

pytestmark = [pytest.mark.server, pytest.mark.slow]

SINKS = "sinks: {{scada: {{type: mqtt, host: 127.0.0.1, port: {}, payload: sparkplug, group: sites}}}}\n"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[LiveSite, Ear]]:
    (tmp_path / "broker").mkdir()
    with (
        running(mosquitto(tmp_path / "broker")) as peer,
        closing(Ear(peer.port, "test")) as ear,
        live_site(tmp_path, SINKS.format(peer.port)) as site,
    ):
        yield site, ear


def test_a_host_sees_what_happens_on_the_site(stage: tuple[LiveSite, Ear]) -> None:
    site, ear = stage
    host = ear.host
    everything = {"reader-in", "reader-out", "io-gate", "io-fire", "lift-a"}
    site.until(lambda: host.devices == everything)
    site.press("swipe", "entrance", "valid")
    site.until(lambda: host.values("", "decision/entrance/verdict") == ["granted"])
    site.until(lambda: host.values("", "passage/entrance/known") == [True])
    site.press("trap_passenger", "lift-a")
    site.until(lambda: "unacknowledged" in host.values("", "alarm/trapped/state"), 30.0)
    site.press("unplug", "bus-gate")
    site.until(lambda: host.devices == everything - {"io-gate", "io-fire"})
    assert [host.heard.count(f"DDEATH/{device}") for device in ("io-gate", "io-fire")] == [1, 1]
    site.press("plug", "bus-gate")
    site.until(lambda: host.devices == everything)
    ear.ask_for_birth()
    births = host.heard.count("NBIRTH")
    site.until(lambda: host.heard.count("NBIRTH") > births and host.devices == everything)
    site.kill()
    site.start()
    site.until(lambda: host.devices == everything)
    assert host.bdseqs[-1] == 1
    site.end()
    assert host.heard[-1] == "NDEATH"
    assert host.complaints == []
