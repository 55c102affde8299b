"""What the broker is told of a record, and what of it is retained."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.sinks.mqtt.retained import Retained
from sitewarden.gateway.sinks.mqtt.topics import LARGEST, Topic, history, level, topic
from sitewarden.gateway.sinks.parse import parse
from sitewarden.rules.model import (
    Alarm,
    AlarmChange,
    AlarmState,
    Decision,
    Direction,
    Effect,
    FireChange,
    FireStage,
    LinkChanged,
    Outcome,
    Passage,
    PermitKind,
    Quality,
    Reading,
    Reason,
    Severity,
    Stamp,
    Verdict,
    Why,
    Write,
)

AT = Stamp(datetime(2026, 3, 1, tzinfo=UTC), 1.0)
WHEN = "2026-03-01T00:00:00+00:00"
FIRST = 1_772_323_200_000_000_000  # ns of it
LATER = FIRST + 10**18


def topics(*effects: Effect) -> list[Topic]:
    return [topic(parse(line)) for _, line in Lines("cuihu").format(effects)]


def payloads(effects: Iterable[Effect]) -> dict[str, tuple[bool, object]]:
    return {it.name: (it.state, json.loads(it.payload)) for it in topics(*effects)}


def alarm(state: AlarmState, seconds: float = 0.0) -> Effect:
    at = Stamp(AT.wall + timedelta(seconds=seconds), AT.mono + seconds)
    raised = Alarm("tank-low", "condition", Severity.HIGH, state, AT, "tank.level", {"value": 0.7})
    return AlarmChange(raised, AlarmState.NORMAL, at)


def test_topics_and_payloads() -> None:
    told = payloads(
        [
            Reading("lift-1.text", "水", AT, Quality.BAD, Reason.TIMEOUT),
            Reading("pump-1.flow", 1, AT),
            Reading("pump-1.running", True, AT),
            Reading("pump-2.flow", None, AT, Quality.BAD, Reason.LINK_DOWN),
            LinkChanged("pump-1", False, AT, Reason.TIMEOUT),
            FireChange(FireStage.NORMAL, FireStage.FIRE, AT, "panel-1", "zone-2"),
            alarm(AlarmState.UNACKNOWLEDGED),
        ]
    )
    assert told == {
        "point/lift-1/text": (True, {"value": "水", "quality": "bad", "reason": "timeout", "at": WHEN}),
        "point/pump-1/flow": (True, {"value": 1.0, "quality": "good", "reason": "", "at": WHEN}),
        "point/pump-1/running": (True, {"value": True, "quality": "good", "reason": "", "at": WHEN}),
        "point/pump-2/flow": (True, {"value": None, "quality": "bad", "reason": "link_down", "at": WHEN}),
        "device/pump-1": (True, {"up": False, "reason": "timeout", "at": WHEN}),
        "fire": (True, {"stage": "fire", "panel": "panel-1", "zone": "zone-2", "at": WHEN}),
        "alarm/tank-low": (
            True,
            {
                "code": "condition",
                "state": "unacknowledged",
                "severity": "high",
                "subject": "tank.level",
                "params": {"value": 0.7},
                "raised": WHEN,
                "at": WHEN,
            },
        ),
    }


def test_what_happens_is_retained_nowhere_and_names_no_card() -> None:
    card = "01000734E0"
    told = payloads(
        [
            Decision("in-1", card, Verdict.DENIED, Why.EXPIRED, AT, Direction.IN, PermitKind.MONTHLY),
            Passage("in-1", card, Direction.IN, AT, PermitKind.MONTHLY),
            Write("pump-1.setpoint", 60.0, "li", "tower is full", AT, Outcome.VERIFIED, AT),
        ]
    )
    who = {"direction": "in", "kind": "monthly", "card": "…4E0", "at": WHEN}
    assert told == {
        "decision/in-1": (False, {"verdict": "denied", "why": "expired", **who}),
        "passage/in-1": (False, who),
        "event/write": (
            False,
            {
                "device": "pump-1",
                "point": "setpoint",
                "outcome": "verified",
                "value": 60.0,
                "by": "li",
                "at": WHEN,
            },
        ),
    }


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_name_stays_one_level_of_a_topic(name: str) -> None:
    assert not set(level(name)) & set("/+#\0")
    assert len(level(name)) == len(name)


def test_every_record_comes_once_and_in_order_in_arrays_of_a_bounded_size() -> None:
    late = topics(
        *(Reading(f"p.{n % 3}", float(n), AT) for n in range(3000)),
        *(Passage("in-1", "", Direction.IN, AT) for _ in range(3)),
    )
    told = list(history(late))
    assert {name for name, _ in told} == {"history/point", "history/passage"}
    assert max(len(payload) for _, payload in told) <= LARGEST
    assert len(told) > 3
    items = [it for name, payload in told if name == "history/point" for it in json.loads(payload)]
    assert [it["value"] for it in items] == list(range(3000))
    assert items[0] == {"topic": "point/p/0", "value": 0.0, "quality": "good", "reason": "", "at": WHEN}


def test_a_record_longer_than_an_array_may_be_is_alone_in_one() -> None:
    long = Topic("event/x", {"text": "x" * LARGEST}, FIRST)
    assert [len(json.loads(payload)) for _, payload in history([long, long])] == [1, 1]


# -- what is retained ----------------------------------------------------------------------------


def reading(value: float, seconds: float) -> Topic:
    at = Stamp(AT.wall + timedelta(seconds=seconds), 0.0)
    return topics(Reading("p.x", value, at))[0]


def test_what_is_newer_is_news_and_nothing_else() -> None:
    it = Retained([reading(1.0, 10)])
    assert not it.is_news(reading(0.0, 9), LATER)
    assert not it.is_news(reading(1.0, 10), LATER)
    assert it.is_news(reading(2.0, 11), LATER)
    assert not it.is_news(reading(1.5, 10.5), LATER)


@given(st.lists(st.integers(0, 50), min_size=1))
def test_a_topic_never_goes_back_in_time(instants: Sequence[int]) -> None:
    it = Retained([])
    said = [at for at in instants if it.is_news(reading(1.0, at), LATER)]
    newest = list(accumulate(instants, max))
    assert said == [at for n, at in enumerate(instants) if n == 0 or at > newest[n - 1]]


def test_an_instant_that_the_clock_took_back_is_no_reason_to_be_silent() -> None:
    it = Retained([reading(1.0, 3600)])
    assert it.is_news(reading(2.0, 10), FIRST + 10 * 10**9)


def test_an_alarm_that_is_over_leaves_nothing_and_is_not_raised_by_what_came_before() -> None:
    it = Retained([])
    raised, over = topics(alarm(AlarmState.UNACKNOWLEDGED), alarm(AlarmState.NORMAL, 1.0))
    assert it.is_news(raised, LATER)
    assert it.is_news(over, LATER)
    assert (over.state, over.over) == (False, True)
    assert not it.is_news(raised, LATER)
    assert [each.payload for each in it.stand([], LATER)] == [b""]


def stood(it: Retained, *present: Topic, since: int = LATER) -> dict[str, Topic]:
    return {each.name: each for each in it.stand(present, since)}


def test_what_stands_is_told_and_what_does_not_is_cleared_each_time() -> None:
    x, y, z = (Topic(f"point/p/{name}", {"value": 1.0}, FIRST, state=True) for name in "xyz")
    it = Retained([x, y])
    for _ in range(2):
        assert stood(it, y, z) == {"point/p/x": replace(x, body=None), "point/p/y": y, "point/p/z": z}
    assert stood(it, x, y, z) == {"point/p/x": x, "point/p/y": y, "point/p/z": z}


def test_what_is_still_so_stays_as_it_was() -> None:
    raised, acknowledged = topics(alarm(AlarmState.UNACKNOWLEDGED), alarm(AlarmState.ACKNOWLEDGED, 5.0))
    as_raised = replace(acknowledged, ns=FIRST)  # the board does not know when it was acknowledged
    it = Retained([])
    assert it.is_news(raised, LATER)
    assert it.is_news(acknowledged, LATER)
    it.heard()
    assert stood(it, as_raised) == {"alarm/tank-low": acknowledged}
    it = Retained([raised])  # an outage swallowed the acknowledgement: it is history
    assert stood(it, as_raised) == {"alarm/tank-low": as_raised}


def test_of_what_was_found_just_now_nobody_knows_since_when() -> None:
    """A fire that is journaled, and not yet on the board, is older than the board's normal."""
    normal, fire = (Topic("fire", {"stage": stage}, FIRST, state=True) for stage in ("normal", "fire"))
    it = Retained([])
    assert stood(it, normal, since=FIRST) == {"fire": normal}
    assert it.is_news(replace(fire, ns=FIRST - 1), LATER)
