"""The JSON transport behind its carrier and spool, against a real mosquitto, and seen by another client."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sitewarden.config.sinks import CommandPlan, Filter, Kind
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.sinks.mqtt import connection
from sitewarden.rules.model import (
    Action,
    Alarm,
    AlarmChange,
    AlarmState,
    Direction,
    Effect,
    FireChange,
    FireStage,
    Keep,
    LinkChanged,
    Passage,
    PermitKind,
    Severity,
    Stamp,
)
from tests.gateway.broker_stage import Stage, telling, without
from tests.gateway.witness import witness
from tests.servers import Peer, black_hole, mosquitto, running, until

pytestmark = pytest.mark.server

PRESSURE = "point/pump-1/pressure"


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    with running(mosquitto(tmp_path)) as it:
        yield it


@pytest.fixture
def stage(tmp_path: Path, peer: Peer) -> Iterator[Stage]:
    with telling(tmp_path / "spool.db", peer.port) as it:
        yield it


def alarm(it: Stage, state: AlarmState, raised: Stamp | None = None) -> tuple[Effect, Effect]:
    """As the core says it: what it keeps, and that it changed."""
    now = it.now()
    stands = Alarm("tank-low", "condition", Severity.HIGH, state, raised or now, "tank.level")
    kept = None if state is AlarmState.NORMAL else stands
    return Keep("alarm/tank-low", kept), AlarmChange(stands, AlarmState.NORMAL, now)


def ago(it: Stage, seconds: float) -> Stamp:
    now = it.now()
    return Stamp(now.wall - timedelta(seconds=seconds), now.mono - seconds)


def test_state_is_retained_for_whoever_comes_later(peer: Peer, stage: Stage) -> None:
    stage.tell(stage.read(0.41))
    stage.tell(stage.read(0.42), LinkChanged("pump-1", True, stage.now()))
    stage.tell(*alarm(stage, AlarmState.UNACKNOWLEDGED))
    assert stage.is_told()
    with witness(peer) as seen:
        assert until(lambda: len(seen.heard) >= 5)
        assert all(retained for _, _, retained in seen.heard)
        assert seen.said("status") == [b"online"]
        reading = seen.last(PRESSURE)
        assert (reading["value"], reading["quality"], reading["reason"]) == (0.42, "good", "")
        assert seen.last("device/pump-1")["up"] is True
        assert seen.last("alarm/tank-low")["state"] == "unacknowledged"
        assert seen.last("fire")["stage"] == "normal"


def test_every_reading_comes_and_in_order(peer: Peer, stage: Stage) -> None:
    with witness(peer) as seen:
        assert until(lambda: seen.has("status", b"online"))
        for n in range(20):
            stage.tell(*(stage.read(float(n * 50 + m)) for m in range(50)))
        assert until(lambda: len(seen.said(PRESSURE)) == 1000)
        assert [json.loads(it)["value"] for it in seen.said(PRESSURE)] == list(range(1000))


def test_a_passage_is_an_event_with_its_card_masked(peer: Peer, stage: Stage) -> None:
    with witness(peer) as seen:
        assert until(lambda: seen.has("status"))
        stage.tell(Passage("entrance", "01000734E0", Direction.IN, stage.now(), PermitKind.MONTHLY))
        assert until(lambda: seen.has("passage/entrance"))
        told = seen.last("passage/entrance")
        assert (told["direction"], told["kind"], told["card"]) == ("in", "monthly", "…4E0")
        assert not any(b"01000734E0" in payload or "01000734E0" in topic for topic, payload, _ in seen.heard)
    with witness(peer) as later:
        assert until(lambda: later.has("status"))
        assert not later.has("passage/entrance")


def test_a_stop_says_goodbye(peer: Peer, stage: Stage) -> None:
    with witness(peer) as seen:
        assert until(lambda: seen.has("status", b"online"))
        stage.carrier.stop()
        assert until(lambda: seen.has("status", b"offline"))


def test_what_stood_before_is_retained_and_again_by_a_broker_that_forgot_it(peer: Peer, stage: Stage) -> None:
    stage.tell(stage.read(0.41), LinkChanged("pump-1", True, stage.now()))
    stage.tell(*alarm(stage, AlarmState.UNACKNOWLEDGED))
    stage.tell(FireChange(FireStage.NORMAL, FireStage.FIRE, stage.now(), "panel"))
    for _ in range(2):
        assert stage.is_told()
        with witness(peer) as seen:
            assert until(lambda: len(seen.heard) >= 5)
            assert all(retained for _, _, retained in seen.heard)
            assert seen.last(PRESSURE)["value"] == 0.41
            assert seen.last("device/pump-1")["up"] is True
            assert seen.last("alarm/tank-low")["state"] == "unacknowledged"
            assert seen.last("fire")["stage"] == "fire"
        peer.stop(kill=True)
        assert until(lambda: not stage.carrier.status().up)
        peer.start()  # it keeps nothing on disk


def test_an_alarm_that_is_over_is_told_and_forgotten(peer: Peer, stage: Stage) -> None:
    raised = stage.now()
    stage.tell(*alarm(stage, AlarmState.UNACKNOWLEDGED, raised))
    with witness(peer) as seen:
        assert until(lambda: seen.has("alarm/tank-low"))
        stage.tell(*alarm(stage, AlarmState.NORMAL, raised))
        assert until(lambda: seen.has("alarm/tank-low", b""))
        told = [json.loads(it)["state"] for it in seen.said("alarm/tank-low") if it]
        assert list(dict.fromkeys(told)) == ["unacknowledged", "normal"]
    with witness(peer) as later:
        assert until(lambda: later.has("status"))
        assert not later.has("alarm/tank-low")


def test_what_a_reload_removed_is_forgotten_though_it_was_still_on_its_way(peer: Peer, stage: Stage) -> None:
    stage.tell(stage.read(0.41), stage.read(1.5, "tank.level"), LinkChanged("pump-1", True, stage.now()))
    assert stage.is_told()
    with witness(peer) as seen:
        stage.site = without(stage.site, "pump-1")
        stage.board = stage.board.carried(stage.site)
        stage.carrier.site_changed()
        assert until(lambda: seen.has(PRESSURE, b"") and seen.has("device/pump-1", b""))
        stage.tell(stage.read(0.42), stage.read(1.6, "tank.level"))
        assert until(lambda: seen.last("point/tank/level")["value"] == 1.6)
        assert until(lambda: seen.has("history/point"))
    with witness(peer) as later:
        assert until(lambda: later.has("fire"))
        assert not later.has(PRESSURE)
        assert not later.has("device/pump-1")


def test_what_a_reload_removed_is_forgotten_by_a_broker_that_was_away(tmp_path: Path) -> None:
    kept = ("persistence true", f"persistence_location {tmp_path}/")
    with running(mosquitto(tmp_path, *kept)) as peer, telling(tmp_path / "spool.db", peer.port) as stage:
        stage.tell(stage.read(0.41), stage.read(1.5, "tank.level"))
        assert stage.is_told()
        peer.stop()
        assert until(lambda: not stage.carrier.status().up)
        stage.site = without(stage.site, "pump-1")
        stage.board = stage.board.carried(stage.site)
        stage.carrier.site_changed()
        peer.start()
        assert stage.is_told()
        with witness(peer) as later:
            assert until(lambda: later.has("point/tank/level"))
            assert not later.has(PRESSURE)


def test_a_reload_that_alters_the_sink_as_well_removes_no_less(peer: Peer, stage: Stage) -> None:
    stage.tell(stage.read(0.41), stage.read(1.5, "tank.level"))
    assert stage.is_told()
    stage.carrier.stop()
    with witness(peer) as seen:
        stage.start()
        stage.site = without(stage.site, "pump-1")
        stage.board = stage.board.carried(stage.site)
        stage.carrier.site_changed()
        assert until(lambda: seen.has(PRESSURE, b""))
    with witness(peer) as later:
        assert until(lambda: later.has("point/tank/level") and later.has("fire"))
        assert not later.has(PRESSURE)


def test_what_an_outage_left_is_history_and_the_state_stays_the_newest(tmp_path: Path, peer: Peer) -> None:
    stage = Stage(tmp_path / "spool.db", peer.port)
    for n in range(100):
        at = ago(stage, 3600 - n)
        stage.tell(stage.read(float(n), at=at), Passage("entrance", "", Direction.IN, at))
    stage.tell(stage.read(1000.0))
    with witness(peer) as seen:
        stage.start()
        assert stage.is_told()
        assert until(lambda: seen.has("history/point") and seen.has("history/passage"))
        items = [it for payload in seen.said("history/point") for it in json.loads(payload)]
        assert [it["value"] for it in items if it["value"] < 1000.0] == list(range(100))
        assert {it["topic"] for it in items} == {PRESSURE}
        assert len([it for payload in seen.said("history/passage") for it in json.loads(payload)]) == 100
        assert {json.loads(it)["value"] for it in seen.said(PRESSURE)} == {1000.0}
        assert not seen.has("passage/entrance")
        assert not any(retained for topic, _, retained in seen.heard if "/history/" in topic)
    with witness(peer) as later:
        assert until(lambda: later.has(PRESSURE))
        assert later.last(PRESSURE)["value"] == 1000.0
        assert not any("/history/" in topic for topic, _, _ in later.heard)
    stage.close()


def test_a_line_that_is_none_is_a_dead_letter_and_the_others_are_told(peer: Peer, stage: Stage) -> None:
    ns = Lines(stage.site.id).format([stage.read(0.0)])[0][0]
    lines = [line for _, line in Lines(stage.site.id).format([stage.read(float(n)) for n in range(50)])]
    lines[25:25] = [b"no line at all", b"reading,site=cuihu value=1.0 1"]
    with witness(peer) as seen:
        stage.spool.append(lines, ns, ns)
        assert stage.is_told()
        assert until(lambda: len(seen.said(PRESSURE)) >= 50)
        assert stage.carrier.status().lost == 2
        assert {json.loads(it)["value"] for it in seen.said(PRESSURE)} == {float(n) for n in range(50)}


def test_only_what_the_destination_is_given_is_told(tmp_path: Path, peer: Peer) -> None:
    only = Filter(frozenset({Kind.READING}), ("pump-*",))
    with telling(tmp_path / "spool.db", peer.port, only=only) as stage, witness(peer) as seen:
        stage.tell(stage.read(1.5, "tank.level"), LinkChanged("pump-1", True, stage.now()), stage.read(0.41))
        assert stage.is_told()
        assert until(lambda: seen.has(PRESSURE))
        assert {topic for topic, _, _ in seen.heard} <= {
            f"sitewarden/cuihu/{it}" for it in (PRESSURE, "status")
        }


def test_a_broker_that_hangs_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER", 0.5)
    with black_hole() as port:
        stage = Stage(tmp_path / "spool.db", port)
        stage.start()
        stage.tell(stage.read(0.41))
        stopping = threading.Thread(target=stage.carrier.stop)
        stopping.start()
        stopping.join(2.5)
        assert not stopping.is_alive()
        assert not stage.carrier.status().up
        stage.spool.close()


# -- Home Assistant ------------------------------------------------------------------------------

TANK = "homeassistant/device/sitewarden_cuihu_tank/config"


def test_home_assistant_is_told_of_each_device_and_again_when_it_is_born(tmp_path: Path, peer: Peer) -> None:
    with (
        telling(tmp_path / "spool.db", peer.port, home_assistant="homeassistant") as stage,
        witness(peer, "homeassistant/#") as seen,
    ):
        assert until(lambda: seen.has(TANK.partition("/")[2]))
        told = seen.last(TANK.partition("/")[2])
        assert (told["o"]["name"], told["dev"]["name"]) == ("Sitewarden", "屋顶水箱")
        seen.publish("homeassistant/status", b"offline")
        count = len(seen.heard)
        seen.publish("homeassistant/status", b"online")
        assert until(lambda: sum(topic == TANK for topic, _, _ in seen.heard[count:]) == 1)
        stage.site = without(stage.site, "tank")
        stage.board = stage.board.carried(stage.site)
        stage.carrier.site_changed()
        assert until(lambda: seen.heard and (TANK, b"", False) in seen.heard)
    with witness(peer, "homeassistant/#") as later:
        assert until(lambda: later.heard)
        assert all(retained for _, _, retained in later.heard)
        assert TANK not in {topic for topic, _, _ in later.heard}


# -- commands ------------------------------------------------------------------------------------

OPEN = "sitewarden/cuihu/command/lane/entrance/open"


def command(stage: Stage, **more: object) -> bytes:
    return json.dumps({"reason": "ambulance", "at": stage.now().wall.isoformat()} | more).encode()


def test_a_listed_command_is_done_and_answered_and_no_other_is_heard(tmp_path: Path, peer: Peer) -> None:
    listed = (CommandPlan("lane/entrance/open", "guard"),)
    with telling(tmp_path / "spool.db", peer.port, commands=listed) as stage, witness(peer) as seen:
        assert until(lambda: seen.has("status", b"online"))
        seen.publish(OPEN.replace("entrance", "exit"), command(stage))
        seen.publish(OPEN, command(stage, by="control room"))
        assert until(lambda: seen.has("open/answer"))
        assert seen.last("entrance/open/answer")["result"] == "done"
        (asked,) = stage.asked
        assert (asked.action, asked.target, asked.by, asked.reason) == (
            Action.OPEN,
            "entrance",
            "mqtt/broker/control room",
            "ambulance",
        )
        assert not seen.has("exit/open/answer")


def test_a_retained_command_is_refused_at_every_connection(tmp_path: Path, peer: Peer) -> None:
    listed = (CommandPlan("lane/+/open", "guard"),)
    stage = Stage(tmp_path / "spool.db", peer.port, commands=listed)
    with witness(peer) as seen:
        seen.publish(OPEN, command(stage), retain=True)
        stage.start()
        assert until(lambda: seen.has("open/answer"))
        assert seen.last("open/answer")["why"] == "retained"
    assert not stage.asked
    stage.close()


def test_what_waited_at_the_broker_since_the_last_run_does_not_come(tmp_path: Path, peer: Peer) -> None:
    """Nor does what a configuration listed that is no more: its session would still be subscribed to it."""
    listed = (CommandPlan("lane/+/open", "guard"),)
    with telling(tmp_path / "spool.db", peer.port, commands=listed), witness(peer) as seen:
        assert until(lambda: seen.has("status", b"online"))
    with witness(peer) as seen, closing(Stage(tmp_path / "spool.db", peer.port, commands=listed)) as second:
        seen.publish(OPEN, command(second))
        second.start()
        assert until(lambda: seen.has("status", b"online"))
        assert second.is_told()
        assert not second.asked
        assert not seen.has("open/answer")


def test_without_a_list_nothing_is_subscribed_to(peer: Peer, stage: Stage) -> None:
    with witness(peer) as seen:
        assert until(lambda: seen.has("status", b"online"))
        seen.publish(OPEN, command(stage))
        stage.tell(replace(stage.read(0.41)))
        assert until(lambda: seen.has(PRESSURE))
        assert not seen.has("open/answer")
    assert not stage.asked
