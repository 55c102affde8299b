"""What the broker is told, and what waits for it."""

import json
from datetime import UTC, datetime

import pytest

from sitewarden.gateway.sinks import mqtt
from sitewarden.gateway.sinks.mqtt import Outbox, level, message
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
    Verdict,
    Why,
)

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
