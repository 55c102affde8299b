"""The log of what happens."""

import io
import json
from datetime import UTC, datetime

import pytest
import structlog

from sitewarden.gateway import logs
from sitewarden.gateway.eventlog import EventLog
from sitewarden.gateway.hub import Hub
from sitewarden.rules.model import (
    Decision,
    Direction,
    Effect,
    FireChange,
    FireStage,
    LinkChanged,
    Reading,
    Reason,
    Stamp,
    Verdict,
    Why,
)

AT = Stamp(datetime(2026, 3, 2, tzinfo=UTC), 5.0)
CARD = "01000734E0"
SWIPE = Decision("in", CARD, Verdict.DENIED, Why.EXPIRED, AT, Direction.IN)


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    logs.configure(stream)
    yield stream
    structlog.reset_defaults()


def logged(stream: io.StringIO, *effects: Effect) -> list[dict[str, object]]:
    hub = Hub()
    log = EventLog(hub)
    log.start()
    hub.publish(effects)
    log.stop()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_event_is_one_line_and_a_reading_is_none(stream: io.StringIO) -> None:
    fire = FireChange(FireStage.NORMAL, FireStage.FIRE, AT, "panel", "hall")
    lines = logged(
        stream, SWIPE, Reading("tank.level", 1.0, AT), fire, LinkChanged("io", False, AT, Reason.TIMEOUT)
    )
    assert [(line["event"], line["level"]) for line in lines] == [
        ("swipe.denied", "warning"),
        ("fire.fire", "warning"),
        ("device.down", "warning"),
    ]
    assert lines[0]["why"] == "expired"


def test_a_card_number_is_never_in_the_log(stream: io.StringIO) -> None:
    (line,) = logged(stream, SWIPE)
    assert line["card"] == "…4E0"
    assert CARD not in stream.getvalue()
