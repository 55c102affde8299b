"""What the broker may ask for, who may, and what the journal has of it: with the real core and no broker."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sitewarden.config.sinks import CommandPlan, MqttPlan
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.records import OPERATORS
from sitewarden.gateway.sinks.mqtt import commands
from sitewarden.gateway.sinks.mqtt.commands import STALE, Commands
from sitewarden.gateway.sinks.mqtt.connection import BrokerError, Message
from sitewarden.rules.model import Action, AlarmState, Command, Do, FireStage, Reading
from tests.api.small_house import SmallHouse
from tests.servers import until

OPEN, ACKNOWLEDGE = "lane/entrance/open", "alarm/device_offline:lift-a/acknowledge"
LISTED = (CommandPlan("lane/+/open", "guard"), CommandPlan("alarm/+/acknowledge", "guard"))


class Stage:
    def __init__(self, folder: Path) -> None:
        self.house = SmallHouse(folder)
        self.clock = Clock(None, lambda: self.house.at.wall, lambda: self.house.at.mono)
        self.published: list[Message] = []
        self.commands = self.listing(*LISTED)

    def listing(self, *plans: CommandPlan) -> Commands:
        plan = MqttPlan("broker", "localhost", commands=plans)
        return Commands(
            plan, "sitewarden/cuihu", lambda: self.house.board, self.clock, self.house.operate, self.publish
        )

    def publish(self, messages: object) -> None:
        assert isinstance(messages, list)
        self.published += messages

    def payload(self, **more: object) -> bytes:
        body = {"reason": "ambulance", "by": "control room", "at": self.house.at.wall.isoformat()}
        return json.dumps({key: value for key, value in (body | more).items() if value is not None}).encode()

    def ask(self, topic: str, payload: bytes | None = None, retained: bool = False) -> dict[str, str]:
        answer = self.commands.answer(topic, payload or self.payload(), retained)
        assert answer
        found: dict[str, str] = json.loads(answer)
        return found

    def why(self, topic: str, payload: bytes | None = None, retained: bool = False) -> str:
        answer = self.ask(topic, payload, retained)
        assert answer["result"] == "refused"
        return answer["why"]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    it = Stage(tmp_path)
    it.house.up()
    yield it
    it.house.close()


def test_a_lane_is_opened_and_the_journal_knows_who_asked_and_why(stage: Stage) -> None:
    answer = stage.ask(OPEN)
    asked = stage.house.at.wall.isoformat()
    assert answer == {"result": "done", "asked": asked, "at": asked}
    assert until(stage.house.journal.decisions)
    (decision,) = stage.house.journal.decisions()
    assert (decision.lane, decision.by, decision.note) == (
        "entrance",
        "mqtt/broker/control room",
        "ambulance",
    )
    (operator,) = stage.house.journal.page(OPERATORS).rows
    assert (operator.action, operator.target, operator.by, operator.reason) == (
        Action.OPEN,
        "entrance",
        "mqtt/broker/control room",
        "ambulance",
    )


def test_an_alarm_is_acknowledged_once(stage: Stage) -> None:
    stage.house.lose("lift-a")
    assert stage.ask(ACKNOWLEDGE)["result"] == "done"
    alarm = stage.house.board.alarms["device_offline:lift-a"]
    assert (alarm.state, alarm.by) == (AlarmState.ACKNOWLEDGED, "mqtt/broker/control room")
    stage.house.later(1.0)
    assert stage.why(ACKNOWLEDGE) == "not_acknowledged"


def test_an_alarm_whose_id_is_no_level_of_a_topic_is_found(stage: Stage) -> None:
    stage.house.lose("lift-a")
    alarms = stage.house.board.alarms
    stage.house.board.alarms = {"device/away#1": alarms["device_offline:lift-a"]}
    assert stage.why("alarm/device_away_1/acknowledge") == "not_acknowledged"  # the core has no such
    assert stage.why("alarm/other/acknowledge") == "no_such_alarm"


def test_a_name_is_not_needed_and_a_reason_is(stage: Stage) -> None:
    assert stage.ask(OPEN, stage.payload(by=None))["result"] == "done"
    assert until(stage.house.journal.decisions)
    assert stage.house.journal.decisions()[0].by == "mqtt/broker"
    for reason in (None, "", "  "):
        assert stage.why(OPEN, stage.payload(reason=reason)) == "reason_needed"


def test_what_cannot_be_read_is_refused(stage: Stage) -> None:
    for payload in (b"", b"open", b"[]", b'{"reason": "x"}', b'{"reason": 1, "at": 2}', b"\xff"):
        assert stage.why(OPEN, payload or b" ") == "unreadable"
    assert stage.why(OPEN, stage.payload(force=True)) == "unreadable"
    assert (
        stage.why(OPEN, stage.payload(at=stage.house.at.wall.replace(tzinfo=None).isoformat()))
        == "unreadable"
    )
    assert stage.why(OPEN, stage.payload(reason="x" * 300)) == "invalid"
    assert stage.why(OPEN, stage.payload(by="\x1b[2J")) == "invalid"


def test_what_has_waited_somewhere_is_refused(stage: Stage) -> None:
    assert stage.why(OPEN, retained=True) == "retained"
    waited = stage.payload()
    stage.house.later(STALE.total_seconds() + 1.0)
    assert stage.why(OPEN, waited) == "stale"
    ahead = stage.house.at.wall + timedelta(minutes=1)
    assert stage.why(OPEN, stage.payload(at=ahead.isoformat())) == "stale"


def test_what_was_asked_before_the_start_is_refused(stage: Stage) -> None:
    asked = stage.payload()
    stage.house.later(1.0)
    stage.commands = stage.listing(*LISTED)
    assert stage.why(OPEN, asked) == "stale"
    assert stage.ask(OPEN)["result"] == "done"


def test_what_was_done_before_a_reload_is_not_done_again(stage: Stage) -> None:
    asked = stage.payload()
    assert stage.ask(OPEN, asked)["result"] == "done"
    stage.house.later(1.0)
    stage.commands = stage.listing(*LISTED)
    assert stage.why(OPEN, asked) == "stale"
    assert until(lambda: len(stage.house.journal.decisions()) == 1)


def test_what_comes_twice_is_done_once(stage: Stage) -> None:
    asked = stage.payload()
    assert stage.ask(OPEN, asked)["result"] == "done"
    stage.house.later(STALE.total_seconds() - 1.0)
    assert stage.why(OPEN, asked) == "repeated"
    assert stage.ask(OPEN)["result"] == "done"
    assert until(lambda: len(stage.house.journal.decisions()) == 2)


def test_while_nobody_knows_the_time_nobody_knows_how_late_it_is(stage: Stage) -> None:
    asked = stage.payload()
    stage.house.at = replace(stage.house.at, wall=datetime(1970, 1, 1, tzinfo=UTC))
    assert stage.why(OPEN, asked) == "clock"


def test_what_is_not_listed_is_not_even_answered(stage: Stage) -> None:
    only = stage.listing(CommandPlan("lane/exit/open", "guard"))
    assert only.filters == ["sitewarden/cuihu/command/lane/exit/open"]
    for topic in (OPEN, ACKNOWLEDGE, "lane/exit/open/now", "lane/open", "fire/all/reset", ""):
        assert only.answer(topic, stage.payload(), False) is None
    assert stage.listing().filters == []


def test_what_the_role_may_not_is_refused(stage: Stage) -> None:
    stage.commands = stage.listing(CommandPlan("lane/+/open", "desk"))
    assert stage.why(OPEN) == "forbidden"
    stage.commands = stage.listing(CommandPlan("lane/+/open", "desk"), CommandPlan(OPEN, "guard"))
    assert stage.ask(OPEN)["result"] == "done"
    assert stage.why("lane/exit/open") == "forbidden"


def test_a_lane_that_there_is_not_is_refused(stage: Stage) -> None:
    assert stage.why("lane/roof/open") == "no_such_lane"


def test_a_main_loop_that_hangs_and_a_disk_that_refuses_are_said(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitewarden.gateway.sinks.mqtt.commands.PATIENCE", 0.01)
    stage.house.mute = True
    assert stage.why(OPEN) == "busy"
    stage.house.mute, stage.house.disk_error = False, OSError("disk I/O error")
    assert stage.why(OPEN, stage.payload(by="other")) == "not_durable"


def test_in_a_fire_it_moves_no_barrier(stage: Stage) -> None:
    house, moved = stage.house, list[Command]()
    house.step(Reading("io-fire.line1", 700.0, house.later(1)))
    house.tick(1.0)
    assert house.board.fire.stage is FireStage.FIRE
    step = house.core.step
    house.core.step = lambda event: [  # type: ignore[method-assign]
        moved.append(effect) or effect if isinstance(effect, Command) else effect for effect in step(event)
    ]
    for topic in (OPEN, "lane/exit/open"):
        assert stage.ask(topic)["result"] == "done"
    for _ in range(60):
        house.tick(1.0)
    assert {command.do for command in moved} <= {Do.SET}, "held open, and never pulsed or let go"


def test_they_are_done_in_a_thread_of_their_own_and_a_flood_is_not(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitewarden.gateway.sinks.mqtt.commands.WAITING", 2)
    it = stage.listing(*LISTED)
    topic = f"sitewarden/cuihu/command/{OPEN}"
    for n in range(5):
        it.received(topic, stage.payload(reason=f"car {n}"), False)
    it.start()
    assert until(lambda: len(stage.published) == 2)
    assert {each.topic for each in stage.published} == {f"{topic}/answer"}
    assert not any(each.retain for each in stage.published)
    it.stop()
    assert until(lambda: not it._thread.is_alive())


def test_an_answer_that_nobody_takes_ends_nothing(stage: Stage) -> None:
    def gone(messages: object) -> None:
        raise BrokerError("not connected")

    stage.publish = gone  # type: ignore[method-assign]
    it = stage.listing(*LISTED)
    it.start()
    topic = f"sitewarden/cuihu/command/{OPEN}"
    for n in range(2):
        it.received(topic, stage.payload(reason=f"car {n}"), False)
    assert until(lambda: len(stage.house.journal.decisions()) == 2)
    it.stop()


def test_every_reason_of_a_refusal_is_documented() -> None:
    raised = re.findall(r"raise Refused\(.*\)", Path(commands.__file__).read_text(encoding="utf-8"))
    codes = {code for each in raised for code in re.findall(r'"(\w+)"', each)}
    assert "stale" in codes
    docs = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    listed = docs.partition("### MQTT: commands")[2]
    assert {code for code in codes if f"`{code}`" not in listed} == set()
