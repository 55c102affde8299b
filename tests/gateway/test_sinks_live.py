"""The whole gateway with real servers behind it: what it saw is counted at both ends."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from time import sleep

import httpx2
import pytest

from tests.gateway.street import StreetSite
from tests.gateway.witness import witness
from tests.servers import (
    black_hole,
    influx_count,
    influx_query,
    influxd,
    mosquitto,
    running,
    victoria_metrics,
    victoria_samples,
)

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(180)]

SINKS = """\
sinks:
  old:    {{type: influxdb, version: v1, url: "http://127.0.0.1:{old}", bucket: sitewarden}}
  new:    {{type: influxdb, version: v2, url: "http://127.0.0.1:{new}", bucket: sitewarden, org: test}}
  broker: {{type: mqtt, host: 127.0.0.1, port: {broker}}}
"""
FIELDS = {
    "decision": "why",
    "passage": "known",
    "alarm": "state",
    "fire": "stage",
    "device": "up",
    "reading": "quality",
    "point": "title",
    "loss": "count",
    "site": "inside",
    "sink": "up",
    "gateway": "uptime",
}
"""A field that every line of the measurement has."""


class Houses:
    """A site and the three servers that it tells."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.influx, self.victoria, self.mosquitto = (
            stack.enter_context(running(make(folder))) for make in (influxd, victoria_metrics, mosquitto)
        )
        ports = SINKS.format(old=self.influx.port, new=self.victoria.port, broker=self.mosquitto.port)
        self.site = stack.enter_context(closing(StreetSite(folder, ports)))
        self.site.start(30.0)

    def settle(self) -> None:
        """Nothing new comes, and all that came is delivered."""
        street = self.site.street
        street.come_and_go(False)
        self.site.until(lambda: street.empty, 60.0)
        street.still = True
        sleep(1.0)  # the spool's commit
        self.site.until(lambda: all(it["up"] and not it["waiting"] for it in self.sinks()), 30.0)

    def sinks(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = self.site.ask("GET", "/site")["sinks"]
        return found

    def sent(self, sink: str) -> int:
        """What the gateway's own book says."""
        socket = httpx2.HTTPTransport(uds=str(self.site.site.data / "api.sock"))
        with httpx2.Client(transport=socket, base_url="http://gateway") as http:
            lines = http.get("/metrics").text.splitlines()
        start = f'sitewarden_sink_sent_total{{sink="{sink}"}} '
        return next(int(float(line.removeprefix(start))) for line in lines if line.startswith(start))


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[Houses]:
    with ExitStack() as stack:
        yield Houses(tmp_path, stack)


def test_three_sinks_hear_everything_once_though_one_was_away(houses: Houses) -> None:
    site, street = houses.site, houses.site.street
    with witness(houses.mosquitto) as seen:
        street.come_and_go()
        street.contacts["c1"] = True
        site.until(lambda: site.alarms().get("c1"))
        site.ask("POST", "/alarms/c1/acknowledge")
        houses.influx.stop(kill=True)
        site.until(lambda: site.ask("GET", "/passages")["items"], 40.0)
        sleep(2.0)
        houses.influx.start()
        houses.settle()
        passages = [topic for topic, _, _ in seen.heard if "/passage/" in topic]
    with witness(houses.mosquitto) as later:
        site.until(lambda: any(topic.endswith("alarm/c1") for topic, _, _ in later.heard))
        assert all(retained for _, _, retained in later.heard)
        assert later.last("alarm/c1")["state"] == "acknowledged"
        site.until(lambda: later.last("point/meter/count")["value"] == street.shown[-1][1])

    def counts() -> dict[str, int]:
        return {name: influx_count(houses.influx, name, field) for name, field in FIELDS.items()}

    site.until(lambda: sum(counts().values()) == houses.sent("old"))  # every half minute there are more
    counted = counts()
    assert [it["lost"] for it in houses.sinks()] == [0, 0, 0]
    recorded = {"decision": "decisions", "passage": "passages"}
    for name, kind in recorded.items():
        assert counted[name] == len(site.ask("GET", f"/{kind}?limit=1000")["items"]), name
    assert counted["alarm"] == len(site.ask("GET", "/alarms/history?limit=1000")["items"])
    assert len(passages) == counted["passage"] > 0

    looks = [number for _, number in street.shown]
    rows = influx_query(houses.influx, "SELECT value FROM reading WHERE point = 'count'")
    assert [value for _, value in rows] == looks
    samples = victoria_samples(houses.victoria, 'reading_value{point="count"}')
    assert [value for _, _, value in sorted(samples, key=lambda sample: sample[1])] == looks
    assert len(victoria_samples(houses.victoria, "passage_known")) == counted["passage"]


def test_a_gateway_that_is_killed_is_offline_to_the_broker(houses: Houses) -> None:
    site = houses.site
    with witness(houses.mosquitto) as seen:

        def said(*words: bytes) -> bool:
            return tuple(it for topic, it, _ in seen.heard if topic.endswith("test/status")) == words

        site.until(lambda: said(b"online"))
        site.kill()
        site.until(lambda: said(b"online", b"offline"), 5.0)
        site.start(30.0)
        site.until(lambda: said(b"online", b"offline", b"online"))


def test_a_broker_that_a_reload_adds_hears_all_that_stands_and_forgets_what_the_next_one_removes(
    tmp_path: Path,
) -> None:
    with running(mosquitto(tmp_path)) as peer, closing(StreetSite(tmp_path)) as site:
        site.street.contacts["c1"] = True
        site.start(30.0)
        site.until(lambda: site.alarms().get("c1"))
        site.street.still = True  # after its reload nothing changes any more

        def reload(text: str) -> None:
            site.write(text)
            assert not site.ask("POST", "/reload").get("errors")

        with_broker = f"sinks: {{broker: {{type: mqtt, host: 127.0.0.1, port: {peer.port}}}}}\n"
        reload(site.text + with_broker)
        devices = {it["device"] for it in site.ask("GET", "/devices")}
        with witness(peer) as seen:

            def now(kind: str) -> set[str]:
                held = {topic: payload for topic, payload, _ in seen.heard if f"/{kind}/" in topic}
                return {topic.split("/")[3] for topic, payload in held.items() if payload}

            site.until(lambda: now("device") == devices and now("alarm") == set(site.alarms()))
            site.until(lambda: "meter" in now("point"))
            site.until(lambda: any(topic.endswith("/test/fire") for topic, _, _ in seen.heard))
            assert seen.last("test/fire")["stage"] == "normal"
            lines = [it for it in site.text.splitlines(keepends=True) if "meter" not in it]
            reload("".join(lines).replace("alarms:\n", "") + with_broker)
            site.until(lambda: now("device") == devices - {"meter"} and "meter" not in now("point"))
            sleep(0.5)  # nothing comes after it
            assert "meter" not in now("device") | now("point")
        with witness(peer) as later:
            site.until(lambda: any(topic.endswith("/test/fire") for topic, _, _ in later.heard))
            assert not any("/meter" in topic for topic, _, _ in later.heard)
    assert "trouble.over" not in site.log.read_text()


def test_servers_that_hang_delay_neither_barrier_nor_fire(tmp_path: Path) -> None:
    """The same cards and fires, with nobody to tell and with three servers that say nothing."""
    times: dict[str, tuple[float, float]] = {}
    with black_hole() as port:
        for name, sinks in (("alone", ""), ("hanging", SINKS.format(old=port, new=port, broker=port))):
            folder = tmp_path / name
            folder.mkdir()
            with closing(StreetSite(folder, sinks)) as site:
                site.start(30.0)
                cards, fires = [site.opens(n) for n in range(12)], [site.burns() for _ in range(3)]
                times[name] = median(cards), median(fires)
    (card, fire), (card_hanging, fire_hanging) = times["alone"], times["hanging"]
    assert card_hanging < 2 * card + 0.02, times
    assert fire_hanging < 2 * fire + 0.1, times
