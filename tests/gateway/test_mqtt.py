"""What the broker is told, and what waits for it."""

import json
from datetime import UTC, datetime
from threading import Event

import pytest

from sitewarden.config.sinks import MqttPlan
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.sinks import mqtt
from sitewarden.gateway.sinks.base import Backoff
from sitewarden.gateway.sinks.mqtt import MqttSink, Outbox, level, message
from sitewarden.rules.model import (
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
    Stamp,
    Trouble,
    Verdict,
    Why,
)
from tests.servers import until

AT = Stamp(datetime(2026, 3, 1, tzinfo=UTC), 1.0)
WHEN = "2026-03-01T00:00:00+00:00"


def passages(first: int, count: int) -> list[Effect]:
    return [Passage(f"in-{n}", "", Direction.IN, AT) for n in range(first, first + count)]


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
    assert [(it.topic, it.retain, dict(it.payload)) for it in told if it] == [
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
    assert batch[-1].payload["value"] == 99.0
    assert box.batch(2) == batch[:2]


def test_what_changed_while_it_was_sent_is_sent_again() -> None:
    box = Outbox()
    box.put([Reading("p.x", 1.0, AT)])
    batch = box.batch(10)
    box.put([Reading("p.x", 2.0, AT)])
    box.sent(batch)
    assert [it.payload["value"] for it in box.batch(10)] == [2.0]
    box.sent(box.batch(10))
    assert len(box) == 0
    box.all_again()
    assert [it.payload["value"] for it in box.batch(10)] == [2.0]


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
    sink = MqttSink(plan, "cuihu", Hub(), troubles.append, Clock())
    sink.start()
    assert until(lambda: [trouble.code for trouble in troubles] == ["sink_away"])
    assert troubles[0].params["error"]
    assert until(lambda: sessions >= 2)
    sink.stop()


def test_an_effect_that_cannot_be_told_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    sink = MqttSink(MqttPlan("broker", "127.0.0.1", 1), "cuihu", hub, lambda trouble: None, Clock())
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
