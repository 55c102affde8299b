"""The JSON transport in front of a broker that does as it is told."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from sitewarden.config.sinks import MqttPlan
from sitewarden.gateway.board import Board
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.outlets import present
from sitewarden.gateway.sinks.answers import Kind
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.sinks.mqtt import transport
from sitewarden.gateway.sinks.mqtt.connection import BrokerError, Message, Received
from sitewarden.gateway.sinks.mqtt.transport import JsonTransport
from sitewarden.rules.model import (
    Alarm,
    AlarmChange,
    AlarmState,
    Direction,
    Effect,
    LinkChanged,
    Passage,
    Reading,
    Severity,
    Stamp,
)
from tests.gateway.broker_stage import demo_site, without

BIRTH = "homeassistant/status"


class Broker:
    """Stands in for the connection to it."""

    def __init__(
        self, plan: MqttPlan, client_id: str, will: Message, clean: bool, received: Received
    ) -> None:
        self.will, self.clean, self.client_id, self.received = will, clean, client_id, received
        self.retained: dict[str, bytes] = {will.topic: b"offline"}
        self.told = list[Message]()
        self.filters: Sequence[str] = ()
        self.up = False
        self.error: BrokerError | None = None

    def connect(self) -> None:
        self._answer()
        self.up = True

    def publish(self, messages: Sequence[Message]) -> None:
        self._answer()
        self.told += messages
        for each in messages:
            assert each.qos == 1
            if each.retain:
                self.retained[each.topic] = each.payload

    def subscribe(self, filters: Sequence[str]) -> None:
        self.filters = filters

    def close(self, farewell: Sequence[Message]) -> None:
        self.publish(farewell)
        self.up = False

    def _answer(self) -> None:
        if self.error:
            self.up = False
            raise self.error


class Stage:
    def __init__(self, **more: object) -> None:
        self.site, self.clock = demo_site(), Clock()
        self.board, self._lines = Board(self.site), Lines("cuihu")
        plan = replace(MqttPlan("broker", "localhost"), **more)  # type: ignore[arg-type]
        self.transport = JsonTransport(
            plan,
            lambda: self.site,
            lambda: self.board,
            lambda: present(self.board, self.clock.now()),
            self.clock,
            lambda operator: pytest.fail(f"nobody may ask for {operator}"),
        )
        broker = self.transport._connection
        assert isinstance(broker, Broker)
        self.broker = broker

    def ago(self, seconds: float) -> Stamp:
        now = self.clock.now()
        return Stamp(now.wall - timedelta(seconds=seconds), now.mono - seconds)

    def send(self, *effects: Effect, lane: Lane = Lane.LIVE) -> list[tuple[str, object]]:
        """What is published of it: topics below the site's, and payloads."""
        before = len(self.broker.told)
        lines = [line for _, line in self._lines.format(effects)]
        assert self.transport.send(lines, lane).kind is Kind.TAKEN
        return [
            (each.topic.removeprefix("sitewarden/cuihu/"), json.loads(each.payload))
            for each in self.broker.told[before:]
        ]

    def retains(self, topic: str) -> bytes | None:
        return self.broker.retained.get(f"sitewarden/cuihu/{topic}")


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(transport, "Connection", Broker)
    return Stage(home_assistant="homeassistant")


def test_it_is_online_once_all_that_stands_is_told_and_says_goodbye(stage: Stage) -> None:
    stage.board.apply([Reading("tank.level", 1.5, stage.ago(1))])
    assert stage.transport.prepare().kind is Kind.TAKEN
    assert [each.topic.rpartition("/")[2] for each in stage.broker.told[-3:]] == ["level", "fire", "status"]
    assert stage.retains("status") == b"online"
    assert (stage.broker.will.payload, stage.broker.will.retain) == (b"offline", True)
    assert (stage.broker.clean, stage.broker.client_id) == (False, "sitewarden/cuihu/broker")
    assert stage.transport.healthy()
    stage.transport.close()
    assert stage.retains("status") == b"offline"


def test_a_broker_that_is_away_is_told_from_one_that_does_not_want_us(stage: Stage) -> None:
    for error, kind in ((BrokerError("refused"), Kind.LATER), (BrokerError("who?", True), Kind.REFUSED)):
        stage.broker.error = error
        assert stage.transport.prepare().kind is kind
        assert stage.transport.tend().kind is Kind.LATER
        stage.broker.error = None
        assert stage.transport.prepare().kind is Kind.TAKEN
        assert stage.transport.tend().kind is Kind.TAKEN


@pytest.mark.parametrize(
    "line", [b"no line", b"reading,site=x,device=a,point=b value=1.0 1", b"alarm state=1i 1"]
)
def test_a_line_that_is_none_of_ours_is_malformed(stage: Stage, line: bytes) -> None:
    stage.transport.prepare()
    assert stage.transport.send([line], Lane.LIVE).kind is Kind.MALFORMED


def test_an_idle_connection_that_is_lost_is_made_again(stage: Stage) -> None:
    assert stage.transport.prepare().kind is Kind.TAKEN
    stage.broker.up = False
    assert stage.transport.tend().kind is Kind.LATER


def test_what_happened_long_ago_is_no_event_of_now(stage: Stage) -> None:
    stage.transport.prepare()
    then, now = (Passage("entrance", "", Direction.IN, stage.ago(seconds)) for seconds in (90, 1))
    told = stage.send(then, now)
    assert [topic for topic, _ in told] == ["passage/entrance", "history/passage"]


def test_a_reading_older_than_what_stands_is_history(stage: Stage) -> None:
    stage.board.apply([Reading("tank.level", 1.5, stage.ago(1))])
    stage.transport.prepare()
    told = stage.send(Reading("tank.level", 1.4, stage.ago(2)), Reading("tank.level", 1.6, stage.ago(0)))
    assert [(topic, type(payload)) for topic, payload in told] == [
        ("point/tank/level", dict),
        ("history/point", list),
    ]
    assert json.loads(stage.retains("point/tank/level") or b"")["value"] == 1.6


def test_all_of_the_backlog_is_history(stage: Stage) -> None:
    stage.transport.prepare()
    told = stage.send(
        Reading("tank.level", 1.6, stage.ago(0)), LinkChanged("tank", True, stage.ago(0)), lane=Lane.BACKLOG
    )
    assert [topic for topic, _ in told] == ["history/point", "history/device"]
    assert stage.retains("point/tank/level") is None


def test_a_failure_on_the_way_repeats_nothing_as_state(stage: Stage) -> None:
    """Nobody knows what arrived of it: it is told again as history, and what stands as it stands."""
    stage.transport.prepare()
    readings = [Reading("tank.level", value, stage.ago(3 - value)) for value in (1.0, 2.0)]
    stage.board.apply(readings)
    lines = [line for _, line in Lines("cuihu").format(readings)]
    stage.broker.error = BrokerError("the connection is lost")
    assert stage.transport.send(lines, Lane.LIVE).kind is Kind.LATER
    stage.broker.error = None
    assert stage.transport.prepare().kind is Kind.TAKEN
    assert [topic for topic, _ in stage.send(*readings)] == ["history/point"]
    assert json.loads(stage.retains("point/tank/level") or b"")["value"] == 2.0


def test_the_end_of_an_alarm_is_told_though_the_first_attempt_failed(stage: Stage) -> None:
    alarm = Alarm(
        "tank-low", "tank-low", Severity.HIGH, AlarmState.UNACKNOWLEDGED, stage.ago(2), "tank.level"
    )
    over = AlarmChange(replace(alarm, state=AlarmState.NORMAL), AlarmState.UNACKNOWLEDGED, stage.ago(1))
    stage.transport.prepare()
    stage.send(AlarmChange(alarm, AlarmState.NORMAL, stage.ago(2)))
    stage.broker.error = BrokerError("the connection is lost")
    lines = [line for _, line in Lines("cuihu").format([over])]
    assert stage.transport.send(lines, Lane.LIVE).kind is Kind.LATER
    stage.broker.error = None
    assert stage.transport.prepare().kind is Kind.TAKEN
    before = len(stage.broker.told)
    assert [stage.transport.send(lines, Lane.LIVE).kind for _ in range(2)] == [Kind.TAKEN] * 2
    told = [(each.topic.split("/")[2], each.payload[:1]) for each in stage.broker.told[before:]]
    assert told == [("alarm", b"{"), ("alarm", b""), ("history", b"[")]


def test_an_alarm_that_came_and_went_while_nobody_knew_stands_nowhere(stage: Stage) -> None:
    alarm = Alarm(
        "tank-low", "tank-low", Severity.HIGH, AlarmState.UNACKNOWLEDGED, stage.ago(2), "tank.level"
    )
    stage.transport.prepare()
    stage.broker.error = BrokerError("no answer in time")
    raised = Lines("cuihu").format([AlarmChange(alarm, AlarmState.NORMAL, stage.ago(2))])
    assert stage.transport.send([line for _, line in raised], Lane.LIVE).kind is Kind.LATER
    stage.broker.error = None
    stage.broker.retained["sitewarden/cuihu/alarm/tank-low"] = b"it was heard"
    assert stage.transport.prepare().kind is Kind.TAKEN
    assert stage.retains("alarm/tank-low") == b""


def test_what_a_reload_removes_is_taken_back_with_the_next_turn(stage: Stage) -> None:
    stage.board.apply([Reading("tank.level", 1.5, stage.ago(1)), LinkChanged("tank", True, stage.ago(1))])
    stage.transport.prepare()
    config = "homeassistant/device/sitewarden_cuihu_tank/config"
    assert stage.broker.retained[config]
    stage.site = without(stage.site, "tank")
    stage.board = stage.board.carried(stage.site)
    stage.transport.site_changed()
    assert stage.transport.tend().kind is Kind.TAKEN
    assert (stage.retains("point/tank/level"), stage.retains("device/tank")) == (b"", b"")
    assert stage.broker.retained[config] == b""
    told = stage.send(Reading("tank.level", 1.6, stage.ago(0)))
    assert [topic for topic, _ in told] == ["history/point"]
    before = len(stage.broker.told)
    stage.transport.tend()
    assert len(stage.broker.told) == before


def test_home_assistant_is_told_again_when_it_is_born_and_not_for_what_the_broker_remembers(
    stage: Stage,
) -> None:
    stage.transport.prepare()
    assert stage.broker.filters == [BIRTH]
    configs = sum(each.topic.endswith("/config") for each in stage.broker.told)
    for payload, retained, more in (
        (b"offline", False, 0),
        (b"online", True, 0),
        (b"online", False, configs),
    ):
        before = len(stage.broker.told)
        stage.broker.received(BIRTH, payload, retained)
        assert stage.transport.tend().kind is Kind.TAKEN
        assert len(stage.broker.told) - before == more
