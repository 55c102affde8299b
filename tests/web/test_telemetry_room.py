"""The room of the telemetry: destinations, the spool, what was lost, what was rejected."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from sitewarden.gateway.records import micros
from sitewarden.gateway.sinks.base import SinkStatus
from sitewarden.gateway.spool.blocks import Letter, Loss, SpoolStats
from sitewarden.gateway.tokens import Role
from tests.api.small_house import START, SmallHouse

pytestmark = pytest.mark.slow

NS = micros(START.wall) * 1000
STATS = SpoolStats(900, 100 << 20, 512 << 20, NS, {}, {}, 0, 0, kept=50)
LATE = SinkStatus("influx", True, backlog=3000, oldest=START.wall, drained_in=90.0, since=START.wall)
Client = Callable[[Role], TestClient]


def shown(client: TestClient, path: str = "/telemetry", lang: str = "en", **sought: str) -> str:
    """The text of the room."""
    html = client.get(path, params={"lang": lang, **sought}).text
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def bar(client: TestClient) -> tuple[int, int]:
    """How far the first backlog has gone, of how much."""
    (found,) = re.findall(r'<progress max="(\d+)" value="(\d+)"', client.get("/telemetry").text)
    return int(found[1]), int(found[0])


def test_a_backlog_goes_and_says_how_long_still(house: SmallHouse, engineer: TestClient) -> None:
    house.sinks = (LATE,)
    assert "catching up" in shown(engineer)
    assert "3,000 to catch up" in shown(engineer)
    assert "about 1.5 min more" in shown(engineer)
    assert bar(engineer) == (0, 3000)
    house.sinks = (replace(LATE, backlog=600),)
    house.later(5)
    assert bar(engineer) == (2400, 3000)
    house.sinks = (replace(LATE, backlog=0),)
    house.later(5)
    assert "<progress" not in engineer.get("/telemetry").text
    house.sinks = (replace(LATE, backlog=500),)
    house.later(5)
    assert bar(engineer) == (0, 500)


def test_who_is_away_says_what_the_server_said(house: SmallHouse, engineer: TestClient) -> None:
    house.sinks = (replace(LATE, up=False, error="401: <b>no</b> such token"),)
    assert "What went wrong: 401: &lt;b&gt;no&lt;/b&gt; such token" in shown(engineer)
    assert "出错信息" in shown(engineer, lang="zh")
    house.sinks = (replace(LATE, error="401: no such token"),)
    house.later(5)
    assert "401" not in shown(engineer)


def test_an_engineer_drains_from_the_page(house: SmallHouse, engineer: TestClient, client: Client) -> None:
    house.sinks = (LATE,)
    assert "Send as fast as it goes" in shown(engineer)
    assert "Send as fast as it goes" not in shown(client(Role.GUARD))
    form = {"destination": "influx", "back": "/telemetry"}
    answer = engineer.post("/do/drain", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/telemetry")
    assert house.telemetry.destinations["influx"]


def test_a_spool_that_fills_is_a_picture_and_a_word(house: SmallHouse, engineer: TestClient) -> None:
    house.telemetry.stats = STATS
    assert "spool 19.5 % full" in shown(engineer)
    assert 'class="room"' in engineer.get("/telemetry").text
    house.telemetry.stats = replace(STATS, bytes=430 << 20, held=12)
    house.later(5)
    assert "▲ spool 84.0 % full" in shown(engineer)
    assert 'class="room high"' in engineer.get("/telemetry").text
    assert "Until the clock is right ▲ 12" in shown(engineer)


def test_gaps_are_told_in_words_and_sought(house: SmallHouse, engineer: TestClient) -> None:
    house.telemetry.lost = [
        Loss("timeout", 640, NS, NS + 120 * 10**9, subject="pump-1"),
        Loss("full", 5000, NS, NS + 10**9, destination="influx"),
        Loss("link_down", 0, NS, 0, subject="tank.level"),
    ]
    told = shown(engineer)
    assert "2 min Pump 1 no answer 640" in told
    assert "Everything → influx No room: the oldest was dropped 5,000" in told
    assert "still Roof tank · Level line is down" in told
    assert "1号水泵 无应答 640" in shown(engineer, lang="zh")
    only = shown(engineer, cause="link")
    assert "line is down" in only
    assert "no answer" not in only
    assert "Pump 1 no answer" not in shown(engineer, about="tank")


def test_a_device_tells_its_own_gaps(house: SmallHouse, engineer: TestClient) -> None:
    house.telemetry.lost = [Loss("timeout", 640, NS, NS + 120 * 10**9, subject="pump-1")]
    assert "2 min Pump 1 no answer 640" in shown(engineer, "/devices/pump-1")
    assert "Nothing was lost" in shown(engineer, "/devices/tank")


def test_dead_letters_are_settled_by_an_engineer_and_discreet_to_others(
    house: SmallHouse, engineer: TestClient, client: Client
) -> None:
    house.telemetry.dead = [Letter(7, "influx", b'decision,lane=in card="01000734E0" 1', "bad time")]
    assert "01000734E0" in shown(engineer)
    guard = shown(client(Role.GUARD))
    assert "01000734E0" not in guard
    assert "Send again" not in guard
    form = {"number": "7", "act": "retry", "back": "/telemetry"}
    assert engineer.post("/do/letter", data=form, follow_redirects=False).status_code == 303
    house.later(5)
    assert "None was rejected" in shown(engineer)
    assert engineer.post("/do/letter", data={**form, "act": "burn"}).status_code == 422


def test_a_spool_that_cannot_be_read_leaves_the_rest_of_the_room(
    house: SmallHouse, engineer: TestClient
) -> None:
    house.telemetry.broken, house.sinks = True, (LATE,)
    told = shown(engineer)
    assert told.count("◆ The spool cannot be read. Check the disk.") == 2
    assert "catching up" in told
    assert "The spool cannot be read" in shown(engineer, "/devices/tank")
