"""What the API says and does, at the small house."""

import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from sitewarden.gateway.api.act import PATIENCE
from sitewarden.gateway.journal import JournalFull
from sitewarden.gateway.sinks.base import SinkStatus
from sitewarden.rules.model import AlarmState, FireStage, Quality, Reading, Reason, Stamp, Why
from tests.api.small_house import LIAO, START, SmallHouse


def raise_alarm(house: SmallHouse) -> str:
    house.read(tank_level=0.4)
    house.later(11)
    house.read(tank_level=0.4)
    assert "tank-low" in house.board.alarms
    return "tank-low"


def burn(house: SmallHouse, ohm: float) -> None:
    house.step(Reading("io-fire.line1", ohm, house.later(1)))
    house.tick(1)


def test_the_site(house: SmallHouse, engineer: TestClient) -> None:
    house.sinks = (SinkStatus("influx", False, waiting=12, lost=3),)
    site = engineer.get("/api/v1/site").json()
    assert site["id"] == "cuihu"
    assert site["fire"]["stage"] == "normal"
    assert (site["inside"], site["places"], site["open_alarms"]) == (0, 120, 0)
    assert site["sinks"] == [{"name": "influx", "up": False, "waiting": 12, "lost": 3}]


def test_points_say_value_quality_trend_and_band(house: SmallHouse, engineer: TestClient) -> None:
    house.read(pump__1_pressure=3.0)
    house.later(5)
    house.read(pump__1_pressure=3.4)
    points = {p["point"]: p for p in engineer.get("/api/v1/points?device=pump-1&lang=en").json()}
    pressure = points["pump-1.pressure"]
    assert (pressure["value"], pressure["unit"], pressure["quality"]) == (3.4, "bar", "good")
    assert (pressure["label"], pressure["trend"], pressure["normal"]) == ("Pressure", "rising", [2.0, 6.0])
    assert points["pump-1.flow"]["quality"] is None
    house.step(Reading("pump-1.pressure", 3.4, house.now(), Quality.BAD, Reason.TIMEOUT))
    points = {p["point"]: p for p in engineer.get("/api/v1/points?device=pump-1").json()}
    assert (points["pump-1.pressure"]["quality"], points["pump-1.pressure"]["reason"]) == ("bad", "timeout")


def test_devices_say_where_they_hang_and_whether_they_answer(house: SmallHouse, engineer: TestClient) -> None:
    assert {d["up"] for d in engineer.get("/api/v1/devices").json()} == {None}
    house.up()
    house.lose("lift-a")
    devices = {d["device"]: d for d in engineer.get("/api/v1/devices").json()}
    assert (devices["lift-a"]["up"], devices["lift-a"]["reason"]) == (False, "timeout")
    assert (devices["pump-1"]["link"], devices["pump-1"]["profile"]) == ("bus-pump", "grundfos-cim")
    assert devices["pump-1"]["up"] is True


def test_a_lane_says_arm_loops_and_last_decision(house: SmallHouse, engineer: TestClient) -> None:
    for point, value in (("in1", False), ("in2", True), ("in3", True), ("in4", False)):
        house.step(Reading(f"io-gate.{point}", value, house.now()))
    house.swipe("00DEADBEEF")
    lane = engineer.get("/api/v1/lanes?lang=zh").json()[0]
    assert (lane["lane"], lane["arm"], lane["car_before"], lane["car_under"]) == (
        "entrance",
        "down",
        True,
        False,
    )
    assert (lane["decision"]["verdict"], lane["decision"]["why"]) == ("denied", "unknown_card")
    assert lane["decision"]["text"] == "未登记的卡"


def test_acknowledging(house: SmallHouse, engineer: TestClient) -> None:
    alarm = raise_alarm(house)
    told = {a["id"]: a for a in engineer.get("/api/v1/alarms?lang=en").json()}[alarm]
    assert (told["severity"], told["state"]) == ("high", "unacknowledged")
    assert told["todo"]
    assert engineer.post(f"/api/v1/alarms/{alarm}/acknowledge").json() == {"done": True}
    assert house.board.alarms[alarm].state is AlarmState.ACKNOWLEDGED
    assert house.board.alarms[alarm].by == "the-engineer"
    assert engineer.post("/api/v1/alarms/none:such/acknowledge").status_code == 404


def test_alarms_come_worst_first(house: SmallHouse, engineer: TestClient) -> None:
    house.up()
    house.lose("lift-a")
    raise_alarm(house)
    burn(house, 700.0)
    ranks = [alarm["severity"] for alarm in engineer.get("/api/v1/alarms").json()]
    assert ranks == sorted(ranks, key=["critical", "high", "medium", "low"].index)
    assert len(set(ranks)) > 1


def test_opening_a_barrier_needs_a_reason(house: SmallHouse, engineer: TestClient) -> None:
    url = "/api/v1/lanes/entrance/open"
    for reason, code in (
        ("", "reason_needed"),
        ("   ", "reason_needed"),
        ("\0", "invalid"),
        ("x" * 201, "invalid"),
    ):
        answer = engineer.post(url, json={"reason": reason})
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert engineer.post(url, json={}).status_code == 422
    assert engineer.post("/api/v1/lanes/none/open", json={"reason": "x"}).status_code == 404
    assert house.board.lane("entrance").last is None
    told = engineer.post(url, json={"reason": "ambulance"}).json()
    assert (told["verdict"], told["why"], told["by"], told["note"]) == (
        "granted",
        "operator",
        "the-engineer",
        "ambulance",
    )


def test_without_its_line_nobody_says_that_there_is_no_fire(house: SmallHouse, engineer: TestClient) -> None:
    for ohm, unknown in ((2200.0, []), (9e5, ["panel"])):
        house.read(io__fire_line1=ohm)
        fire = engineer.get("/api/v1/site").json()["fire"]
        assert (fire["stage"], fire["unknown"]) == ("normal", unknown)


def test_fire_is_reset_only_when_it_is_over(house: SmallHouse, engineer: TestClient) -> None:
    reset = "/api/v1/fire/reset"
    assert engineer.post(reset).json()["code"] == "no_fire"
    burn(house, 700.0)
    assert engineer.get("/api/v1/site").json()["fire"]["stage"] == "fire"
    assert engineer.post(reset).json()["code"] == "fire_burns"
    burn(house, 2200.0)
    assert house.board.fire.stage is FireStage.HELD
    assert engineer.post(reset).json() == {"done": True}
    assert house.board.fire.stage is FireStage.NORMAL


def test_a_main_loop_that_hangs_is_said_and_not_waited_for(
    house: SmallHouse, engineer: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PATIENCE <= 5
    monkeypatch.setattr("sitewarden.gateway.api.act.PATIENCE", 0.05)
    house.mute = True
    answer = engineer.post("/api/v1/lanes/entrance/open", json={"reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error"), JournalFull("full")])
def test_a_record_that_the_disk_refuses_is_said(
    house: SmallHouse, engineer: TestClient, error: Exception
) -> None:
    house.disk_error = error
    answer = engineer.post("/api/v1/lanes/entrance/open?lang=en", json={"reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_durable")
    assert answer.json()["detail"].startswith("Done, but the disk")
    form = {"lane": "entrance", "reason": "x"}
    toast = engineer.post("/do/open", data=form, headers={"accept": "application/json"}).json()
    assert "磁盘" in toast["detail"]
    page = engineer.post("/do/open", data=form, headers={"accept": "text/html"})
    assert page.status_code == 503
    assert page.text.startswith("<!doctype html>")
    assert "磁盘" in page.text


def test_cards(engineer: TestClient, house: SmallHouse) -> None:
    card = {"kind": "temporary", "valid_from": "2026-05-01", "valid_to": "2026-05-31", "plate": "粤A12345"}
    assert engineer.put("/api/v1/cards/0A000000AA", json=card).json()["plate"] == "粤A12345"
    assert engineer.patch("/api/v1/cards/0A000000AA", json={"blocked": True}).json()["blocked"] is True
    known = house.cards.get("0A000000AA")
    assert known is not None
    assert (known.blocked, known.plate, str(known.valid_to)) == (True, "粤A12345", "2026-05-31")
    assert [c["card"] for c in engineer.get("/api/v1/cards?text=a123").json()["items"]] == ["0A000000AA"]
    assert house.cards.history("0A000000AA")[-1].by == "the-engineer"


def test_a_card_is_changed_as_it_is_and_not_as_it_was_seen(
    engineer: TestClient, house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.cards.put(replace(LIAO, blocked=True), "guard")
    monkeypatch.setattr(house.cards, "get", lambda card: LIAO)  # as the desk saw it before
    answer = engineer.patch(f"/api/v1/cards/{LIAO.card}", json={"valid_to": "2026-06-30"}).json()
    assert (answer["blocked"], answer["valid_to"]) == (True, "2026-06-30")


@pytest.mark.parametrize(
    "wrong",
    [
        {"valid_from": "2026-06-01"},
        {"kind": "royal"},
        {"lanes": ["nowhere"]},
        {"colour": "red"},
        {"holder": "x" * 101},
        {"holder": "x\x1b[31mRED"},
        {"plate": "a\u202eb"},
        {"plate": "x" * 21},
        {"space": "x" * 41, "kind": "private"},
    ],
)
def test_a_wrong_card_is_refused(engineer: TestClient, house: SmallHouse, wrong: dict[str, object]) -> None:
    card = {"kind": "temporary", "valid_from": "2026-05-01", "valid_to": "2026-05-31", **wrong}
    answer = engineer.put("/api/v1/cards/0A000000AA", json=card)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert house.cards.get("0A000000AA") is None
    assert engineer.patch("/api/v1/cards/0A000000AA", json={"blocked": True}).status_code == 404


def test_a_card_whose_passage_was_missed_is_forgiven(house: SmallHouse, engineer: TestClient) -> None:
    url = f"/api/v1/cards/{LIAO.card.lower()}/forgive"
    assert engineer.post(url).json()["code"] == "nothing_to_forgive"
    house.enter()
    house.swipe()
    assert house.board.lane("entrance").swipes[0].why is Why.ALREADY_INSIDE
    assert engineer.post(url).json() == {"done": True}
    house.later(10)
    house.swipe()
    assert house.board.lane("entrance").swipes[0].why is Why.PERMIT


@pytest.mark.parametrize("number", ["zz zz", "x" * 33, "卡号", "%00", "ZZ", "0A0000000", "0A000000GG"])
def test_a_card_number_is_what_the_readers_send(engineer: TestClient, number: str) -> None:
    card = {"kind": "temporary", "valid_from": "2026-05-01", "valid_to": "2026-05-31"}
    answer = engineer.put(f"/api/v1/cards/{number}", json=card)
    assert answer.status_code == 422
    assert "expected ten hexadecimal digits" in answer.json()["detail"]


def test_a_card_of_another_form_is_still_shown_and_blocked(engineer: TestClient, house: SmallHouse) -> None:
    house.cards.put(replace(LIAO, card="ZZ"), "an older version")
    assert engineer.get("/api/v1/cards/zz").json()["card"] == "ZZ"
    assert engineer.patch("/api/v1/cards/ZZ", json={"blocked": True}).json()["blocked"] is True


def test_both_spellings_are_one_card(engineer: TestClient, house: SmallHouse) -> None:
    card = {"kind": "temporary", "valid_from": "2026-05-01", "valid_to": "2026-05-31"}
    for number in ("0a000000fe", "0A000000FE"):
        assert engineer.put(f"/api/v1/cards/{number}", json=card).json()["card"] == "0A000000FE"
    assert engineer.patch("/api/v1/cards/0a000000fE", json={"blocked": True}).json()["blocked"] is True
    assert [permit.blocked for permit in house.cards.search("00fe")] == [True]


def test_a_private_card_has_a_space_that_there_is(engineer: TestClient, house: SmallHouse) -> None:
    card = {"kind": "private", "valid_from": "2026-05-01", "valid_to": "2026-05-31"}
    for space, code in (("", 422), ("B9-99", 422), ("B1-017", 200)):
        assert engineer.put("/api/v1/cards/0A000000AA", json={**card, "space": space}).status_code == code
    assert engineer.patch("/api/v1/cards/0A000000AA", json={"space": "B9-99"}).status_code == 422
    parking = replace(house.site.plan.parking, private_spaces=frozenset({"B1-018"}))
    house.site = replace(house.site, plan=replace(house.site.plan, parking=parking))
    assert engineer.patch("/api/v1/cards/0A000000AA", json={"blocked": True}).status_code == 200


def test_a_reload_that_is_refused_names_every_error(house: SmallHouse, engineer: TestClient) -> None:
    assert engineer.post("/api/v1/reload").json() == {"changed": ["bus-pump"]}
    house.refuse = True
    answer = engineer.post("/api/v1/reload")
    assert answer.status_code == 409
    assert "site.yaml:3:1" in answer.json()["detail"]


def test_recording_a_link(engineer: TestClient) -> None:
    assert engineer.post("/api/v1/links/bus-pump/record", json={"on": True}).json()["link"] == "bus-pump"
    assert engineer.post("/api/v1/links/none/record", json={"on": True}).status_code == 404
    assert engineer.post("/api/v1/links/bus-pump/record", json={"on": False}).json()["code"] == "not_recorded"


def test_a_recording_that_the_disk_refuses_is_said(house: SmallHouse, engineer: TestClient) -> None:
    house.disk_error = OSError(28, "No space left on device", "bus-pump.jsonl")
    answer = engineer.post("/api/v1/links/bus-pump/record", json={"on": False})
    assert (answer.status_code, answer.json()["code"]) == (503, "recording_failed")
    assert "No space left on device" in answer.json()["detail"]


def test_the_trend(house: SmallHouse, engineer: TestClient) -> None:
    for minute in range(10):
        at = Stamp(START.wall - timedelta(minutes=10 - minute), START.mono - 60 * (10 - minute))
        house.trend.add([Reading("tank.level", 1.0 + minute, at)])
    house.trend.flush()
    told = engineer.get("/api/v1/trend?point=tank.level").json()
    assert [row["last"] for row in told["rows"]] == [1.0 + minute for minute in range(10)]
    assert told["unit"] == "m"
    assert engineer.get("/api/v1/trend?point=no.such").status_code == 404


@pytest.mark.parametrize(
    "instant", ["2026-05-20T10:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "soon"]
)
def test_an_instant_that_no_store_could_reckon_with_is_refused(engineer: TestClient, instant: str) -> None:
    asked = (("trend", "since"), ("trend", "until"), ("passages", "before"), ("alarms/history", "before"))
    for path, name in asked:
        point = {"point": "tank.level"} if path == "trend" else {}
        answer = engineer.get(f"/api/v1/{path}", params={**point, name: instant})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), (path, name)


def test_decisions_and_passages_come_from_the_journal(house: SmallHouse, engineer: TestClient) -> None:
    house.enter()
    house.journal.close()
    (decision,) = engineer.get("/api/v1/decisions").json()["items"]
    (passage,) = engineer.get("/api/v1/passages?lane=entrance").json()["items"]
    assert (decision["card"], decision["why"]) == (LIAO.card, "permit")
    assert (passage["card"], passage["direction"]) == (LIAO.card, "in")
    assert engineer.get("/api/v1/site").json()["inside"] == 1
