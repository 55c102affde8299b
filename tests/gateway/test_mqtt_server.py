"""The MQTT sink against a real mosquitto, seen by an independent subscriber."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from sitewarden.config.sinks import MqttPlan
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.sinks.mqtt.sink import MqttSink
from sitewarden.rules.model import (
    Alarm,
    AlarmChange,
    AlarmState,
    Direction,
    Effect,
    FireChange,
    FireStage,
    LinkChanged,
    Passage,
    PermitKind,
    Reading,
    Severity,
    Stamp,
    Trouble,
)
from tests.servers import Peer, black_hole, mosquitto, running, until

pytestmark = pytest.mark.server

AT = Stamp(datetime(2026, 3, 1, tzinfo=UTC), 1.0)
ALARM = Alarm("tank-low", "tank-low", Severity.HIGH, AlarmState.UNACKNOWLEDGED, AT, "tank-1.level")
STANDING: Sequence[Effect] = (
    Reading("pump-1.pressure", 0.41, AT),
    LinkChanged("pump-1", True, AT),
    AlarmChange(ALARM, AlarmState.UNACKNOWLEDGED, AT),
    FireChange(FireStage.NORMAL, FireStage.NORMAL, AT),
)


class Witness:
    """Another client: what it was told, by topic."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("sitewarden/#", 1)
        self._client.on_message = lambda _, __, it: self.heard.append((it.topic, it.payload, it.retain))
        self._client.reconnect_delay_set(0.1, 0.2)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def has(self, topic: str, payload: bytes | None = None) -> bool:
        return any(it[0] == f"sitewarden/cuihu/{topic}" and payload in (None, it[1]) for it in self.heard)

    def last(self, topic: str) -> dict[str, object]:
        found: dict[str, object] = json.loads([it[1] for it in self.heard if it[0].endswith(topic)][-1])
        return found

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def witness(peer: Peer) -> Iterator[Witness]:
    it = Witness(peer.port)
    try:
        yield it
    finally:
        it.close()


class Stage:
    def __init__(self, port: int, present: Sequence[Effect] = ()) -> None:
        self.hub, self.troubles = Hub(), list[Trouble]()
        self.present = list(present)
        plan = MqttPlan("broker", "127.0.0.1", port)
        self.sink = MqttSink(plan, "cuihu", self.hub, self.troubles.append, Clock(), lambda: self.present)
        self.sink.start()

    def tell(self, *effects: Effect) -> None:
        self.present += effects
        self.hub.publish(effects)

    def told(self) -> bool:
        return until(lambda: self.sink.status().up and not self.sink.status().waiting)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[Peer, Stage]]:
    with running(mosquitto(tmp_path)) as peer:
        it = Stage(peer.port)
        yield peer, it
        it.sink.stop()


def test_state_is_retained_for_whoever_comes_later(stage: tuple[Peer, Stage]) -> None:
    peer, it = stage
    it.tell(
        Reading("pump-1.pressure", 0.41, AT),
        Reading("pump-1.pressure", 0.42, AT),
        LinkChanged("pump-1", True, AT),
        AlarmChange(ALARM, AlarmState.NORMAL, AT),
    )
    assert until(lambda: it.sink.status().sent >= 3 and it.sink.status().waiting == 0)
    with witness(peer) as seen:
        assert until(lambda: len(seen.heard) >= 4)
        assert all(retained for _, _, retained in seen.heard)
        assert seen.has("status", b"online")
        assert seen.last("point/pump-1/pressure") == {
            "value": 0.42,
            "quality": "good",
            "reason": "",
            "at": "2026-03-01T00:00:00+00:00",
        }
        assert seen.last("device/pump-1")["up"] is True
        assert seen.last("alarm/tank-low")["state"] == "unacknowledged"


def test_a_passage_is_an_event_with_its_card_masked(stage: tuple[Peer, Stage]) -> None:
    peer, it = stage
    with witness(peer) as seen:
        assert until(lambda: seen.has("status"))
        it.hub.publish([Passage("in-1", "01000734E0", Direction.IN, AT, PermitKind.MONTHLY)])
        assert until(lambda: seen.has("passage/in-1"))
        assert seen.last("passage/in-1") == {
            "direction": "in",
            "kind": "monthly",
            "card": "…4E0",
            "at": "2026-03-01T00:00:00+00:00",
        }
        assert not any(b"01000734E0" in payload or "01000734E0" in topic for topic, payload, _ in seen.heard)
    with witness(peer) as later:
        assert until(lambda: later.has("status"))
        assert not later.has("passage/in-1")


def test_the_last_will_speaks_when_the_gateway_cannot(stage: tuple[Peer, Stage]) -> None:
    peer, _ = stage
    with witness(peer) as seen:
        assert until(lambda: seen.has("status", b"online"))
        # A second client of the same name makes the broker close the first one without its goodbye.
        usurper = paho.Client(CallbackAPIVersion.VERSION2, client_id="sitewarden/cuihu/broker")
        usurper.connect("127.0.0.1", peer.port)
        usurper.loop_start()
        assert until(lambda: seen.has("status", b"offline"))
        usurper.disconnect()
        usurper.loop_stop()
        assert until(lambda: [it[1] for it in seen.heard if it[0].endswith("status")][-1] == b"online")


def test_a_stop_says_goodbye(stage: tuple[Peer, Stage]) -> None:
    peer, it = stage
    with witness(peer) as seen:
        assert until(lambda: seen.has("status", b"online"))
        it.sink.stop()
        assert until(lambda: seen.has("status", b"offline"))


def test_a_broker_that_comes_back_hears_all_it_missed(stage: tuple[Peer, Stage]) -> None:
    peer, it = stage
    it.tell(Reading("pump-1.pressure", 0.41, AT), Reading("pump-2.pressure", 1.0, AT))
    assert until(lambda: it.sink.status().sent == 2)
    peer.stop(kill=True)
    assert until(lambda: not it.sink.status().up)
    passages = [Passage(f"in-{n}", "", Direction.IN, AT) for n in range(100)]
    it.hub.publish(passages)
    it.tell(Reading("pump-1.pressure", 0.5, AT))
    peer.start()
    with witness(peer) as seen:
        assert until(lambda: it.sink.status().up and it.sink.status().waiting == 0)
        assert until(lambda: seen.has("point/pump-2/pressure"))
        assert seen.last("point/pump-1/pressure")["value"] == 0.5
        assert seen.last("point/pump-2/pressure")["value"] == 1.0
    assert it.sink.status().lost == 0
    assert it.sink.status().sent >= 2 + 100 + 2


def test_what_stood_before_the_sink_began_is_retained_and_again_by_a_broker_that_forgot_it(
    stage: tuple[Peer, Stage],
) -> None:
    peer, it = stage
    it.sink.stop()
    it = Stage(peer.port, STANDING)
    for _ in range(2):
        assert it.told()
        with witness(peer) as seen:
            assert until(lambda: len(seen.heard) >= 1 + len(STANDING))
            assert all(retained for _, _, retained in seen.heard)
            assert seen.last("point/pump-1/pressure")["value"] == 0.41
            assert seen.last("device/pump-1")["up"] is True
            assert seen.last("alarm/tank-low")["state"] == "unacknowledged"
            assert seen.last("fire")["stage"] == "normal"
        peer.stop(kill=True)
        assert until(lambda: not it.sink.status().up)
        peer.start()  # it keeps nothing on disk
    it.sink.stop()


def test_an_alarm_that_is_over_is_told_and_forgotten(stage: tuple[Peer, Stage]) -> None:
    peer, it = stage
    it.tell(AlarmChange(ALARM, AlarmState.NORMAL, AT))
    with witness(peer) as seen:
        assert until(lambda: seen.has("alarm/tank-low"))
        it.present.clear()
        over = replace(ALARM, state=AlarmState.NORMAL)
        it.hub.publish([AlarmChange(over, AlarmState.UNACKNOWLEDGED, AT)])
        assert until(lambda: seen.has("alarm/tank-low", b""))
        told = [payload for topic, payload, _ in seen.heard if topic.endswith("tank-low")]
        assert [json.loads(it)["state"] for it in told[:-1]] == ["unacknowledged", "normal"]
    with witness(peer) as later:
        assert until(lambda: later.has("status"))
        assert not later.has("alarm/tank-low")


def test_what_a_reload_removed_is_forgotten_even_by_a_broker_that_was_away(
    stage: tuple[Peer, Stage],
) -> None:
    peer, it = stage
    it.tell(*STANDING)
    assert until(lambda: it.sink.status().sent == len(STANDING))
    with witness(peer) as seen:
        assert until(lambda: seen.has("fire"))
        it.present[:] = STANDING[1:]
        it.sink.site_changed()
        assert until(lambda: seen.has("point/pump-1/pressure", b""))
        it.present[:] = STANDING[2:]
        peer.stop(kill=True)
        assert until(lambda: not it.sink.status().up)
        it.sink.site_changed()
        peer.start()
        assert until(lambda: seen.has("device/pump-1", b""))
    with witness(peer) as later:
        assert until(lambda: later.has("fire"))
        assert not later.has("device/pump-1")
        assert not later.has("point/pump-1/pressure")


def test_a_reload_that_alters_the_sink_as_well_removes_no_less(stage: tuple[Peer, Stage]) -> None:
    peer, it = stage
    it.tell(*STANDING)
    assert until(lambda: it.sink.status().sent == len(STANDING))
    it.sink.stop()
    other = Stage(peer.port, STANDING)
    other.present[:] = STANDING[1:]
    other.sink.site_changed()
    assert other.told()
    with witness(peer) as later:
        assert until(lambda: later.has("fire") and later.has("device/pump-1"))
        assert not later.has("point/pump-1/pressure")
    other.sink.stop()


def test_a_broker_that_hangs_holds_up_nobody() -> None:
    with black_hole() as port:
        it = Stage(port)
        it.hub.publish([Reading("pump-1.pressure", 0.41, AT)])
        assert until(lambda: it.sink.status().waiting == 1)
        stopping = threading.Thread(target=it.sink.stop)
        stopping.start()
        stopping.join(2.5)
        assert not stopping.is_alive()
        assert not it.sink.status().up
