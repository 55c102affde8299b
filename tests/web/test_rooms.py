"""The rooms as HTML, in both languages, without a browser."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from sitewarden.gateway.tokens import Role
from sitewarden.gateway.web import rooms
from sitewarden.rules.model import Quality, Reading, Reason
from tests.api.small_house import LIAO, SmallHouse

STATIC = Path(rooms.__file__).with_name("static")
ROOMS = ("/", "/lanes", "/alarms", "/more", "/devices/pump-1", "/devices/tank", "/devices/lift-a")


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


def test_the_language_is_the_sites_until_somebody_chooses(engineer: TestClient) -> None:
    assert "总览" in engineer.get("/", headers={"accept-language": "en"}).text
    engineer.post("/language", data={"lang": "en", "back": "/"})
    assert "Equipment" in engineer.get("/").text


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


def test_the_tile_of_a_fire_input_bears_its_panels_alarm(house: SmallHouse, engineer: TestClient) -> None:
    house.up()
    assert '<a id="tile-io-fire" class="tile"' in engineer.get("/").text
    house.step(Reading("io-fire.line1", 700.0, house.later(1)))
    house.tick(1)
    assert '<a id="tile-io-fire" class="tile critical"' in engineer.get("/").text
