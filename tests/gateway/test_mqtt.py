"""What the broker is told, and what waits for it."""

import json
from datetime import UTC, datetime
from threading import Event

import pytest

from sitewarden.config.sinks import MqttPlan
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.sinks.base import Backoff
from sitewarden.gateway.sinks.mqtt import sink as mqtt
from sitewarden.gateway.sinks.mqtt.sink import Message, MqttSink, Outbox, level, message
from sitewarden.rules.model import (
    Alarm,
    AlarmChange,
    AlarmState,
    Decision,
    Direction,
    Effect,
    FireChange,
    FireStage,
    Keep,
    LinkChanged,
    Passage,
    PermitKind,
    Quality,
    Reading,
    Reason,
    Severity,
    Stamp,
    Trouble,
    Verdict,
    Why,
)
from tests.servers import until

AT = Stamp(datetime(2026, 3, 1, tzinfo=UTC), 1.0)
LATER = Stamp(datetime(2026, 3, 2, tzinfo=UTC), 2.0)
WHEN = "2026-03-01T00:00:00+00:00"


def alarm(state: AlarmState) -> Effect:
    return AlarmChange(Alarm("a", "a", Severity.HIGH, state, AT), AlarmState.NORMAL, AT)


def passages(first: int, count: int) -> list[Effect]:
    return [Passage(f"in-{n}", "", Direction.IN, AT) for n in range(first, first + count)]


def values(box: Outbox) -> list[object]:
    return [it.payload["value"] for it in box.batch(10) if it.payload and "value" in it.payload]


def test_topics_and_payloads() -> None:
    told = [
        message(Reading("lift-1.text", "水", AT, Quality.BAD, Reason.TIMEOUT)),
        message(Reading("pump-1.flow", float("nan"), AT)),
        message(LinkChanged("pump-1", False, AT, Reason.TIMEOUT)),
        message(FireChange(FireStage.NORMAL, FireStage.FIRE, AT, "panel-1", "zone-2")),
        message(
            Decision("in-1", "01000734E0", Verdict.DENIED, Why.EXPIRED, AT, Direction.IN, PermitKind.MONTHLY)
        ),
    ]
    assert [(it.topic, it.retain, dict(it.payload)) for it in told if it and it.payload] == [
        ("point/lift-1/text", True, {"value": "水", "quality": "bad", "reason": "timeout", "at": WHEN}),
        ("point/pump-1/flow", True, {"value": None, "quality": "good", "reason": "", "at": WHEN}),
        ("device/pump-1", True, {"up": False, "reason": "timeout", "at": WHEN}),
        ("fire", True, {"stage": "fire", "panel": "panel-1", "zone": "zone-2", "at": WHEN}),
        (
            "decision/in-1",
            False,
            {
                "verdict": "denied",
                "why": "expired",
                "direction": "in",
                "kind": "monthly",
                "card": "…4E0",
                "at": WHEN,
            },
        ),
    ]
    assert all(json.dumps(it.payload, allow_nan=False) for it in told if it)
    assert message(Keep("fire", None)) is None


def test_a_name_stays_one_level_of_a_topic() -> None:
    assert level("a/b+c#d\0") == "a_b_c_d_"


def test_only_the_newest_state_waits_and_every_event() -> None:
    box = Outbox()
    box.put([Reading("p.x", float(n), AT) for n in range(100)])
    box.put(passages(0, 3))
    assert len(box) == 4
    batch = box.batch(10)
    assert [it.topic for it in batch] == ["passage/in-0", "passage/in-1", "passage/in-2", "point/p/x"]
    assert values(box) == [99.0]
    assert box.batch(2) == batch[:2]


def test_what_changed_while_it_was_sent_is_sent_again() -> None:
    box = Outbox()
    box.put([Reading("p.x", 1.0, AT)])
    batch = box.batch(10)
    box.put([Reading("p.x", 2.0, AT)])
    box.sent(batch)
    assert values(box) == [2.0]
    box.sent(box.batch(10))
    assert len(box) == 0
    box.all_again()
    assert values(box) == [2.0]


def test_an_alarm_that_is_over_is_an_event_and_leaves_an_empty_topic() -> None:
    box = Outbox()
    box.put([alarm(AlarmState.UNACKNOWLEDGED), alarm(AlarmState.NORMAL)])
    ended, cleared = box.batch(10)
    assert (ended.payload and ended.payload["state"], ended.retain) == ("normal", False)
    assert cleared == Message("alarm/a", None, True)
    box.sent([ended, cleared])
    box.all_again()  # a broker may have come back with what it knew long ago
    assert box.batch(10) == [cleared]
    box.put([alarm(AlarmState.UNACKNOWLEDGED)])
    assert [it.payload and it.payload["state"] for it in box.batch(10)] == ["unacknowledged"]


def test_what_stands_is_told_if_it_was_not_and_what_does_not_is_cleared() -> None:
    box = Outbox()
    box.put([Reading("p.x", 1.0, AT), Reading("p.y", 2.0, AT)])
    box.sent(box.batch(10))
    box.stand([Reading("p.y", 2.0, LATER), Reading("p.z", 3.0, LATER)])
    assert {it.topic: it.payload and it.payload["value"] for it in box.batch(10)} == {
        "point/p/x": None,
        "point/p/z": 3.0,
    }
    box.sent(box.batch(10))
    box.stand([Reading("p.x", 4.0, LATER), Reading("p.y", 2.0, LATER), Reading("p.z", 3.0, LATER)])
    assert values(box) == [4.0]
    box.all_again()
    assert sorted(values(box)) == [2.0, 3.0, 4.0]


def test_events_are_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "EVENTS", 5)
    box = Outbox()
    box.put(passages(0, 3))
    batch = box.batch(10)
    box.put(passages(3, 6))
    assert box.dropped == 4
    box.sent(batch)  # they were dropped meanwhile: nothing of what is left was sent
    assert [it.topic for it in box.batch(10)] == [f"passage/in-{n}" for n in range(4, 9)]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "AWAY_AFTER", 0.0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "plan",
    [
        MqttPlan("broker", "a" * 70 + ".example", 1),  # no label of a name may be as long
        MqttPlan("broker", "127.0.0.1", 1),
        MqttPlan("broker", "127.0.0.1", 0),
    ],
)
def test_whatever_keeps_it_from_the_broker_is_said_and_tried_again(
    plan: MqttPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, troubles = 0, list[Trouble]()
    session = MqttSink._session

    async def counted(sink: MqttSink, backoff: Backoff) -> None:
        nonlocal sessions
        sessions += 1
        await session(sink, backoff)

    monkeypatch.setattr(MqttSink, "_session", counted)
    sink = MqttSink(plan, "cuihu", Hub(), troubles.append, Clock(), list)
    sink.start()
    assert until(lambda: [trouble.code for trouble in troubles] == ["sink_away"])
    assert troubles[0].params["error"]
    assert until(lambda: sessions >= 2)
    sink.stop()


def test_an_effect_that_cannot_be_told_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    sink = MqttSink(MqttPlan("broker", "127.0.0.1", 1), "cuihu", hub, lambda trouble: None, Clock(), list)
    sink.start()
    raised = Event()

    def cannot(effect: Effect) -> None:
        raised.set()
        raise KeyError(effect)

    with monkeypatch.context() as patch:
        patch.setattr(mqtt, "message", cannot)
        hub.publish(passages(0, 1))
        assert raised.wait(10)
    hub.publish(passages(1, 3))
    assert until(lambda: len(sink._outbox) == 3)
    sink.stop()


def test_half_a_character_is_told_as_a_question_mark() -> None:
    told = message(Reading("lift-1.te\ud800xt", "a", AT))
    assert told
    assert told.topic == "point/lift-1/te?xt"
