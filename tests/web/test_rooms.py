"""The rooms as HTML, in both languages, without a browser."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest
from fastapi.testclient import TestClient

from sitewarden.gateway.api import writing
from sitewarden.gateway.tokens import Role
from sitewarden.gateway.web import rooms
from sitewarden.gateway.web.history import occurrences
from sitewarden.rules.model import (
    Alarm,
    AlarmChange,
    AlarmState,
    LinkChanged,
    Outcome,
    Quality,
    Reading,
    Reason,
    Severity,
    Stamp,
    WriteEnded,
)
from tests.api.small_house import LIAO, START, SmallHouse

pytestmark = pytest.mark.slow

STATIC = Path(rooms.__file__).with_name("static")
HTMLLANG = {"zh": "zh-CN", "en": "en"}
ROOMS = (
    "/",
    "/lanes",
    "/alarms",
    "/telemetry",
    "/more",
    "/devices/pump-1",
    "/devices/tank",
    "/devices/lift-a",
)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_room_of_every_device_is_drawn(house: SmallHouse, engineer: TestClient, lang: str) -> None:
    house.up()
    house.swipe()
    for path in (*ROOMS, *(f"/devices/{device}" for device in house.board.devices)):
        answer = engineer.get(path, params={"lang": lang})
        assert answer.status_code == 200
        left = re.findall(r">\s*(?:ui|why|state|alarm|demo|reason|open)\.[a-z_.]+", answer.text)
        assert not left, path
    assert f'<html lang="{"zh-CN" if lang == "zh" else "en"}">' in answer.text


@pytest.mark.parametrize(
    ("accept", "lang"),
    [
        ("", "zh"),
        ("en-US,en;q=0.9", "en"),
        ("fr-FR, en;q=0.8, zh;q=0.9", "zh"),
        ("zh;q=0, EN;q=0.1", "en"),
        ("en;q=0", "zh"),
        ("de, *;q=0.5", "zh"),
        ("en,zh", "en"),
        ("zh-Hans-CN,en,zh;q=0.1", "zh"),
        (";q=x,,", "zh"),
    ],
)
def test_the_language_is_the_browsers_or_else_the_sites(engineer: TestClient, accept: str, lang: str) -> None:
    headers = {"accept-language": accept, "accept": "text/html"}
    for path in ("/", "/nowhere"):
        assert f"lang={HTMLLANG[lang]}" in engineer.get(path, headers=headers).text.replace('"', "")


def test_the_language_is_the_chosen_one_once_somebody_chose(engineer: TestClient) -> None:
    engineer.post("/language", data={"lang": "en", "back": "/"})
    assert "Equipment" in engineer.get("/", headers={"accept-language": "zh"}).text


def test_a_stranger_is_spoken_to_in_the_browsers_language(stranger: TestClient) -> None:
    for lang, word in (("en", "Access token"), ("zh", "访问令牌")):
        assert word in stranger.get("/", headers={"accept": "text/html", "accept-language": lang}).text


def test_a_denial_is_shown_with_its_reason_in_words(house: SmallHouse, engineer: TestClient) -> None:
    house.swipe("00DEADBEEF")
    page = engineer.get("/?lang=zh").text
    assert "拒绝" in page
    assert "未登记的卡" in page


def test_a_bad_value_is_hatched_and_says_why(house: SmallHouse, engineer: TestClient) -> None:
    house.read(pump__1_pressure=3.4)
    bad = Reading("pump-1.pressure", 3.4, house.later(60), Quality.BAD, Reason.TIMEOUT)
    house.step(bad)
    page = engineer.get("/devices/pump-1?lang=en").text
    assert 'class="gauge bad' in page
    assert "no answer" in page


def test_a_value_that_is_a_code_is_told_in_words(house: SmallHouse, engineer: TestClient) -> None:
    house.read(pump__1_control_mode=4, pump__1_alarm_code=57, pump__1_operation_mode=99)
    assert {"恒压", "干转", "99"} <= set(
        re.findall("<b>([^<]+)</b>", engineer.get("/devices/pump-1?lang=zh").text)
    )
    assert "constant pressure" in engineer.get("/devices/pump-1?lang=en").text


def test_an_alarm_says_what_to_do_where_the_site_has_written_it_down(
    house: SmallHouse, engineer: TestClient
) -> None:
    house.step(Reading("lift-a.fault_levelled_trap", True, house.now()))
    page = engineer.get("/alarms?lang=en").text
    assert "Call the lift company" in page
    assert "维保单位" in engineer.get("/alarms?lang=zh").text
    silent = tuple(replace(condition, todo={}) for condition in house.site.plan.conditions)
    house.site = replace(house.site, plan=replace(house.site.plan, conditions=silent))
    assert 'class="todo"' not in engineer.get("/alarms?lang=en").text


def test_a_person_can_acknowledge_without_scripts(house: SmallHouse, engineer: TestClient) -> None:
    house.up()
    house.lose("lift-a")
    page = engineer.get("/alarms").text
    assert 'value="device_offline:lift-a"' in page
    form = {"alarm": "device_offline:lift-a", "back": "/alarms"}
    answer = engineer.post("/do/acknowledge", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/alarms")
    assert house.board.alarms["device_offline:lift-a"].by == "the-engineer"


def test_an_engineer_writes_without_scripts_and_sees_what_came_of_it(
    house: SmallHouse, engineer: TestClient
) -> None:
    house.device = WriteEnded("", Outcome.VERIFIED, START, 60.0, 45.0)
    page = engineer.get("/devices/pump-1?lang=en").text
    assert 'name="point" value="pump-1.setpoint"' in page
    assert '<option value="6">proportional pressure</option>' in page
    assert '<option value="5">by bus, reset</option>' in page
    form = {"point": "pump-1.setpoint", "value": "45", "reason": "night", "back": "/devices/pump-1"}
    answer = engineer.post("/do/write", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/devices/pump-1")
    told = engineer.post("/do/write?lang=en", data=form, headers={"accept": "application/json"})
    assert told.json() == {"detail": "Set point 45.00: written and read back"}
    house.journal.close()
    house.later(3)
    assert "60.00 → 45.00" in engineer.get("/devices/pump-1?lang=en").text


@pytest.mark.parametrize(("value", "status"), [("much", 422), ("101", 422), ("45", 504)])
def test_what_is_not_written_is_told(
    house: SmallHouse, engineer: TestClient, monkeypatch: pytest.MonkeyPatch, value: str, status: int
) -> None:
    monkeypatch.setattr(writing, "PATIENCE", 0.2)
    form = {"point": "pump-1.setpoint", "value": value, "reason": "night"}
    assert engineer.post("/do/write", data=form).status_code == status


def test_what_moves_a_barrier_is_not_offered(
    engineer: TestClient, client: Callable[[Role], TestClient]
) -> None:
    page = engineer.get("/devices/io-gate").text
    assert 'value="io-gate.out3"' in page
    assert 'value="io-gate.out1"' not in page
    assert 'value="io-gate.out3"' not in client(Role.GUARD).get("/devices/io-gate").text


def test_a_guard_can_forgive_the_card_that_was_refused_for_its_place(
    house: SmallHouse, client: Callable[[Role], TestClient]
) -> None:
    guard, viewer = client(Role.GUARD), client(Role.VIEWER)
    house.enter()
    assert "/do/forgive" not in guard.get("/").text
    house.swipe()
    house.later(10)
    assert 'action="/do/forgive"' in guard.get("/").text
    assert "/do/forgive" not in viewer.get("/").text
    assert guard.post("/do/forgive", data={"card": LIAO.card}).status_code == 200
    house.later(10)
    assert house.board.inside == 0
    assert "/do/forgive" not in guard.get("/").text


def test_a_person_is_told_of_an_error_by_a_page(engineer: TestClient) -> None:
    html = {"accept": "text/html"}
    answers = [
        engineer.post("/do/acknowledge", data={"alarm": "gone"}, headers=html),
        engineer.post("/do/acknowledge", data={}, headers=html),
        engineer.get("/devices/ghost", headers=html),
        engineer.get("/nowhere", headers=html),
    ]
    assert [answer.status_code for answer in answers] == [404, 422, 404, 404]
    assert all(answer.text.startswith("<!doctype html>") for answer in answers)


@pytest.mark.parametrize(
    ("lang", "gone", "ghost"),
    [
        ("en", "This alarm is not open (any more).", "There is no such page."),
        ("zh", "该报警不存在或已结束。", "没有这个页面。"),
    ],
)
def test_an_error_has_heading_and_navigation_in_the_language(
    engineer: TestClient, lang: str, gone: str, ghost: str
) -> None:
    asked = {"data": {"alarm": "x"}, "headers": {"accept": "text/html"}}
    page = engineer.post(f"/do/acknowledge?lang={lang}", **asked).text
    nowhere = engineer.get(f"/devices/ghost?lang={lang}", headers=asked["headers"]).text
    assert f"<h1>{gone}</h1>" in page
    assert f"<h1>{ghost}</h1>" in nowhere
    assert '<a href="/alarms"' in page
    assert 'action="/language"' in page
    assert f'data-live="/live/sorry?lang={lang}"' in page


def test_a_viewer_is_offered_nothing_that_would_be_refused(
    house: SmallHouse, client: Callable[[Role], TestClient]
) -> None:
    house.up()
    house.lose("lift-a")
    viewer = client(Role.VIEWER)
    pages = "".join(viewer.get(path).text for path in ROOMS)
    assert "/do/" not in pages
    assert "/do/press" not in client(Role.GUARD).get("/").text


def test_the_demo_panel_presses_what_it_shows(house: SmallHouse, engineer: TestClient) -> None:
    assert "水管爆裂" in engineer.get("/?lang=zh").text
    assert engineer.post("/do/press", data={"name": "burst_pipe"}).status_code == 200
    assert house.demo is not None
    assert [control.name for control in house.demo.pressed] == ["burst_pipe"]
    assert engineer.post("/do/press", data={"name": "earthquake"}).status_code == 404
    house.demo = None
    assert "/do/press" not in engineer.get("/").text


def test_text_of_strangers_is_escaped(house: SmallHouse, engineer: TestClient) -> None:
    evil = "<script>alert(1)</script>"
    engineer.post("/do/open", data={"lane": "entrance", "reason": evil})
    house.later(1)
    page = engineer.get("/lanes").text
    assert evil not in page
    assert "&lt;script&gt;" in page


def test_a_room_weighs_less_than_150_kb(house: SmallHouse, engineer: TestClient) -> None:
    house.up()
    for path in ROOMS:
        page = engineer.get(path).text
        files = re.findall(r'(?:href|src)="/static/([^"]+)"', page)
        weight = len(page.encode()) + sum((STATIC / name).stat().st_size for name in files)
        assert weight < 150_000, path


def test_pages_bear_no_inline_script_or_style(engineer: TestClient) -> None:
    for path in ROOMS:
        answer = engineer.get(path)
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script>", answer.text), path
        assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_vendored_files_are_what_they_were() -> None:
    table = (STATIC / "VENDORED.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|.*`([0-9a-f]{64})` \|$", table, re.MULTILINE)
    assert {name for name, _ in rows} == {path.name for path in STATIC.glob("uPlot*[jc]s*")}
    for name, digest in rows:
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest


def test_a_file_that_is_not_there(engineer: TestClient) -> None:
    for name in ("nothing.js", "..%2frooms.py"):
        assert engineer.get(f"/static/{name}").status_code == 404


def test_the_page_of_a_device_begins_with_what_is_wrong(house: SmallHouse, engineer: TestClient) -> None:
    house.up()
    house.read(lift__a_fault_levelled_trap=True, lift__a_floor=4)
    page = engineer.get("/devices/lift-a?lang=en").text
    marks = (
        'class="alarm critical',
        'id="states"',
        'data-point="lift-a.floor"',
        'class="settings"',
        "Floor height",
    )
    places = [page.index(mark) for mark in marks]
    assert places == sorted(places)
    assert 'action="/do/acknowledge"' in page
    assert 'value="/devices/lift-a"' in page


def test_an_instant_of_another_day_has_its_date(house: SmallHouse, engineer: TestClient) -> None:
    house.up()
    house.lose("lift-a")
    zone = {"2026-05-20 14:31:00 Asia/Shanghai"}
    for days, zh, en in ((0, "14:31:00", "14:31:00"), (1, "5月20日 14:31", "20 May 14:31")):
        house.later(days * 86400)
        for lang, words in (("zh", zh), ("en", en)):
            page = engineer.get("/alarms", params={"lang": lang}).text
            times = dict(re.findall(r'<time [^>]*title="([^"]+)">([^<]+)<', page))
            assert (set(times), times.get(min(zone))) == (zone, words)
    house.later(365 * 86400)
    assert "2026年5月20日" in engineer.get("/alarms?lang=zh").text
    assert "20 May 2026" in engineer.get("/alarms?lang=en").text


def test_the_history_has_one_row_for_each_time_an_alarm_came(house: SmallHouse, engineer: TestClient) -> None:
    house.up()
    house.lose("lift-a")
    engineer.post("/do/acknowledge", data={"alarm": "device_offline:lift-a"})
    house.step(LinkChanged("lift-a", True, house.later(60)))
    house.read(tank_level=0.5)
    house.tick(10)
    _written(house, "device_offline:lift-a", AlarmState.NORMAL)
    _written(house, "tank-low", AlarmState.UNACKNOWLEDGED)
    ((came, what, went, handled),) = _rows(engineer, "about=lift-a")
    assert (came, what) == ("14:31:00", "◆ Medium Device unreachable: Lift of house 3 (no answer)")
    assert (went, handled) == ("14:32:00", "the-engineer · 14:31:00")
    (_, what, went, handled), *_ = _rows(engineer, "about=tank&severity=high&only_open=true")
    assert (what, went, handled) == ("▲ High Roof tank is low", "", "")
    for nothing in ("about=pump-1", "about=tank&severity=low", "about=lift-a&only_open=true"):
        assert _rows(engineer, nothing) == [["Nothing yet"]]


def test_one_alarm_that_came_again_unacknowledged_is_open_once() -> None:
    def change(raised: float, before: AlarmState, after: AlarmState, at: float) -> AlarmChange:
        stamps = [Stamp(START.wall + timedelta(seconds=s), s) for s in (raised, at)]
        return AlarmChange(Alarm("a", "c", Severity.LOW, after, stamps[0], "tank.level"), before, stamps[1])

    told = [
        change(1, AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED, 1),
        change(1, AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED, 2),
        change(3, AlarmState.RETURNED, AlarmState.UNACKNOWLEDGED, 3),
    ]
    second, first = occurrences(reversed(told))
    assert (first.open, second.open) == (False, True)
    assert (first.went, second.went) == (told[1].at.wall, None)
    assert first.about == "tank"


def _written(house: SmallHouse, alarm: str, state: AlarmState) -> None:
    for _ in range(200):
        if any((it.alarm.id, it.alarm.state) == (alarm, state) for it in house.journal.alarm_history()):
            return
        sleep(0.01)
    raise AssertionError("the journal did not write")


def _rows(client: TestClient, query: str) -> list[list[str]]:
    page = client.get(f"/alarms?lang=en&{query}").text
    table = page[page.index('<table id="history"') :]
    rows = re.findall(r"<tr>(?!<th).*?</tr>", table, re.DOTALL)
    return [
        [
            " ".join(re.sub("<[^>]+>", " ", cell).split())
            for cell in re.findall("<td[^>]*>(.*?)</td>", row, re.DOTALL)
        ]
        for row in rows
    ]
