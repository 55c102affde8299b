"""The log of what happens."""

import io
import json
from datetime import UTC, datetime

import structlog

from sitewarden.gateway import logs
from sitewarden.gateway.eventlog import EventLog
from sitewarden.gateway.hub import Hub
from sitewarden.rules.model import (
    Action,
    Decision,
    Direction,
    Effect,
    FireChange,
    FireStage,
    LinkChanged,
    Operator,
    Outcome,
    Reading,
    Reason,
    Stamp,
    Verdict,
    Why,
    Write,
)

AT = Stamp(datetime(2026, 3, 2, tzinfo=UTC), 5.0)
CARD = "01000734E0"
SWIPE = Decision("in", CARD, Verdict.DENIED, Why.EXPIRED, AT, Direction.IN)


def logged(*effects: Effect) -> str:
    """The text that these effects leave."""
    stream, hub = io.StringIO(), Hub()
    lines, log = logs.configure(stream), EventLog(hub)
    log.start()
    hub.publish(effects)
    log.stop()
    lines.close()
    structlog.reset_defaults()
    return stream.getvalue()


def test_every_event_is_one_line_and_a_reading_is_none() -> None:
    fire = FireChange(FireStage.NORMAL, FireStage.FIRE, AT, "panel", "hall")
    away = LinkChanged("io", False, AT, Reason.TIMEOUT)
    lines = [
        json.loads(line) for line in logged(SWIPE, Reading("tank.level", 1.0, AT), fire, away).splitlines()
    ]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("swipe.denied", "warning"),
        ("fire.fire", "warning"),
        ("device.down", "warning"),
    ]
    assert lines[0]["why"] == "expired"


def test_a_write_is_told_with_who_asked_and_what_was_read_back() -> None:
    asked = Operator(Action.WRITE, "pump.speed", "wang", AT, "night", 62.5)
    good = Write("pump.speed", 62.5, "wang", "night", AT, Outcome.VERIFIED, AT, 40.0, 62.5)
    other = Write("pump.speed", 90, "rule-1", "", AT, Outcome.UNVERIFIED, AT, read=50.0)
    lines = [json.loads(line) for line in logged(asked, good, other).splitlines()]
    assert [(line["event"], line["level"], line["value"]) for line in lines] == [
        ("operator.write", "info", 62.5),
        ("write.verified", "info", 62.5),
        ("write.unverified", "warning", 90),
    ]
    assert (lines[2]["by"], lines[2]["read"]) == ("rule-1", 50.0)


def test_a_card_number_is_never_in_the_log() -> None:
    text = logged(SWIPE, Operator(Action.FORGIVE, CARD, "guard", AT))
    assert text.count("…4E0") == 2
    assert CARD not in text
