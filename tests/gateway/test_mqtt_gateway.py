"""The whole gateway with a broker that may ask for things: what is done, and what the journal has of it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from sitewarden.gateway.clock import wall_now
from sitewarden.gateway.journal import Journal
from sitewarden.gateway.records import OPERATORS
from sitewarden.rules.model import Action
from tests.gateway.street import StreetSite
from tests.gateway.witness import Witness, witness
from tests.servers import mosquitto, running

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(120)]

SINKS = """\
sinks:
  broker:
    type: mqtt
    host: 127.0.0.1
    port: {port}
    home_assistant: homeassistant
    commands:
      - {{topic: lane/entrance/open, role: guard}}
      - {{topic: alarm/+/acknowledge, role: guard}}
"""
COMMAND = "sitewarden/test/command/"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[StreetSite, Witness]]:
    with ExitStack() as stack:
        peer = stack.enter_context(running(mosquitto(tmp_path)))
        seen = stack.enter_context(witness(peer, "#"))
        it = stack.enter_context(closing(StreetSite(tmp_path, SINKS.format(port=peer.port))))
        it.start(30.0)
        it.until(lambda: seen.has("status", b"online"))
        yield it, seen


def asked(reason: str) -> bytes:
    return json.dumps({"reason": reason, "by": "control room", "at": wall_now().isoformat()}).encode()


def test_a_barrier_opens_and_an_alarm_is_acknowledged_and_both_are_on_record(
    site: tuple[StreetSite, Witness],
) -> None:
    it, seen = site
    street = it.street
    seen.publish(COMMAND + "lane/exit/open", asked("it is not listed"))
    seen.publish(COMMAND + "lane/entrance/open", asked("ambulance"))
    it.until(lambda: street.openings("entrance"), 5.0)
    it.until(lambda: seen.has("entrance/open/answer"))
    assert seen.last("entrance/open/answer")["result"] == "done"
    it.until(lambda: seen.has("decision/entrance"))
    assert seen.last("decision/entrance")["why"] == "operator"

    street.contacts["c1"] = True
    it.until(lambda: it.alarms().get("c1"))
    seen.publish(COMMAND + "alarm/c1/acknowledge", asked("on the way"))
    it.until(lambda: it.alarms()["c1"] == "acknowledged")
    it.until(lambda: seen.has("alarm/c1") and seen.last("alarm/c1")["state"] == "acknowledged")
    assert not street.openings("exit")

    it.end()
    with closing(Journal(it.site.data / "journal.db")) as journal:
        records = [(by.action, by.target, by.by, by.reason) for by in journal.page(OPERATORS).rows]
    who = "mqtt/broker/control room"
    assert records == [
        (Action.ACKNOWLEDGE, "c1", who, "on the way"),
        (Action.OPEN, "entrance", who, "ambulance"),
    ]


def test_in_a_fire_a_command_moves_no_barrier(site: tuple[StreetSite, Witness]) -> None:
    it, seen = site
    street = it.street
    street.burn(True)
    it.until(lambda: street.held)
    moves = len(street.moves)
    seen.publish(COMMAND + "lane/entrance/open", asked("fire brigade"))
    it.until(lambda: seen.has("open/answer"))
    assert seen.last("open/answer")["result"] == "done"
    it.until(lambda: seen.has("decision/entrance"))
    assert street.held
    assert len(street.moves) == moves


def test_home_assistant_finds_the_devices(site: tuple[StreetSite, Witness]) -> None:
    it, seen = site
    it.until(lambda: seen.has("device/sitewarden_test_meter/config"))
    (contact,) = [
        component
        for name, component in seen.last("device/sitewarden_test_meter/config")["cmps"].items()
        if name == "c1"
    ]
    it.until(lambda: seen.has(contact["stat_t"].partition("/")[2]))
    it.street.contacts["c1"] = True
    it.until(lambda: seen.last(contact["stat_t"].partition("/")[2])["value"] is True)
