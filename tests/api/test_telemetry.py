"""What the API says of the telemetry, and does with what a server rejected."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from sitewarden.gateway.records import instant, micros
from sitewarden.gateway.sinks.base import SinkStatus
from sitewarden.gateway.spool.blocks import Letter, Loss, SpoolStats
from sitewarden.gateway.tokens import Role
from tests.api.small_house import START, SmallHouse

NS = micros(START.wall) * 1000
AWAY = SinkStatus("influx", False, waiting=1200, backlog=1000, error="no route to host", since=START.wall)
LETTERS = [
    Letter(7, "influx", b'decision,site=a,lane=in why="expired",card="01000734E0",by="wang" 1', "bad time"),
    Letter(8, "influx", b"reading,site=a,device=tank value=1.0 1", "unable to parse 'card=\"01000734E0\"'"),
    Letter(9, "influx", b"reading,site=a,device=tank value=2.0 2", "beyond retention"),
]
LOSSES = [
    Loss("timeout", 640, NS, NS + 120 * 10**9, subject="pump-1"),
    Loss("full", 5000, NS, NS + 10**9),
    Loss("link_down", 0, NS + 10**9, 0, subject="tank.level"),
]
Client = Callable[[Role], TestClient]


def test_a_destination_says_how_it_is_in_words(house: SmallHouse, engineer: TestClient) -> None:
    house.sinks = (
        AWAY,
        SinkStatus("cloud", True, backlog=10, rate=5.0, drained_in=2.0),
        SinkStatus("hmi", True),
    )
    found = engineer.get("/api/v1/telemetry", params={"lang": "en"}).json()
    away, catching_up, well = found["destinations"]
    assert (away["state"], away["text"], away["error"]) == ("away", "away", "no route to host")
    assert away["since"] == "2026-05-20T06:30:00Z"
    assert (catching_up["state"], catching_up["drained_in"]) == ("catching_up", 2.0)
    assert well["state"] == "delivering"
    chinese = engineer.get("/api/v1/telemetry", params={"lang": "zh"}).json()
    assert chinese["destinations"][0]["text"] == "中断"


def test_without_a_spool_there_is_none(house: SmallHouse, engineer: TestClient) -> None:
    assert engineer.get("/api/v1/telemetry").json()["spool"] is None


def test_the_spool_says_how_full_it_is_and_what_it_cost(house: SmallHouse, engineer: TestClient) -> None:
    stats = SpoolStats(900, 1 << 20, 1 << 30, NS, {}, {}, 3, 0, kept=50, held=4)
    house.telemetry.stats = stats
    spool = engineer.get("/api/v1/telemetry").json()["spool"]
    assert (spool["bytes"], spool["limit"], spool["undelivered"], spool["kept"]) == (
        1 << 20,
        1 << 30,
        900,
        50,
    )
    assert (spool["held"], spool["lost"]) == (4, 3)
    assert spool["oldest"] == "2026-05-20T06:30:00Z"


def test_a_gap_says_when_what_why_and_how_many(house: SmallHouse, engineer: TestClient) -> None:
    house.telemetry.lost = LOSSES
    lasting, everybody, device = engineer.get("/api/v1/losses", params={"lang": "en"}).json()["items"]
    assert (device["since"], device["until"]) == ("2026-05-20T06:30:00Z", "2026-05-20T06:32:00Z")
    assert (device["label"], device["cause"], device["text"]) == ("Pump 1", "device", "no answer")
    assert device["count"] == 640
    assert (everybody["subject"], everybody["cause"]) == ("", "policy")
    assert (lasting["until"], lasting["count"], lasting["cause"]) == (None, 0, "link")


def test_gaps_are_sought_by_what_is_missing_and_whose_affair_it_is(
    house: SmallHouse, engineer: TestClient
) -> None:
    house.telemetry.lost = LOSSES

    def subjects(**query: str) -> list[str]:
        return [each["subject"] for each in engineer.get("/api/v1/losses", params=query).json()["items"]]

    assert subjects() == ["tank.level", "", "pump-1"]
    assert subjects(subject="tank") == subjects(subject="tank.level") == ["tank.level", ""]
    assert subjects(subject="tan") == [""]
    assert subjects(subject="pump-1.speed") == ["", "pump-1"]
    assert subjects(cause="policy") == [""]
    wrong = engineer.get("/api/v1/losses", params={"cause": "weather"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("path", ["losses", "telemetry/dead-letters"])
def test_they_come_in_pages(house: SmallHouse, engineer: TestClient, path: str) -> None:
    house.telemetry.lost, house.telemetry.dead = LOSSES, LETTERS
    whole = engineer.get(f"/api/v1/{path}").json()["items"]
    first = engineer.get(f"/api/v1/{path}", params={"limit": 2}).json()
    rest = engineer.get(f"/api/v1/{path}", params={"limit": 2, "after": first["next"]}).json()
    assert first["items"] + rest["items"] == whole
    assert (len(whole), rest["next"]) == (3, None)


def test_who_is_no_engineer_does_not_learn_who_it_was(house: SmallHouse, client: Client) -> None:
    house.telemetry.dead = LETTERS[:2]
    shown = {role: client(role).get("/api/v1/telemetry/dead-letters").text for role in Role}
    assert "01000734E0" in shown[Role.ENGINEER]
    assert "wang" in shown[Role.ENGINEER]
    for role in set(Role) - {Role.ENGINEER}:
        assert "01000734E0" not in shown[role]
        assert "wang" not in shown[role]
        assert "4E0" in shown[role]
        assert 'why=\\"expired\\"' in shown[role]


@pytest.mark.parametrize("deed", ["retry", "discard"])
def test_an_engineer_settles_dead_letters_and_the_log_says_who(
    house: SmallHouse, engineer: TestClient, client: Client, deed: str
) -> None:
    house.telemetry.dead = list(LETTERS)
    path, body = f"/api/v1/telemetry/dead-letters/{deed}", {"ids": [7, 9, 4711]}
    assert client(Role.DESK).post(path, json=body).status_code == 403
    with capture_logs() as said:
        assert engineer.post(path, json=body).json() == {"count": 2}
    assert {"deed": deed, "count": 2, "by": "the-engineer"}.items() <= said[0].items()
    assert [letter.id for letter in house.telemetry.dead] == [8]
    assert engineer.post(path, json={"ids": []}).status_code == 422


def test_a_drain_begins_and_ends(house: SmallHouse, engineer: TestClient, client: Client) -> None:
    path = "/api/v1/telemetry/influx/drain"
    assert client(Role.GUARD).post(path, json={"on": True}).status_code == 403
    assert engineer.post(path, json={"on": True}).json() == {"done": True}
    assert house.telemetry.destinations == {"influx": True}
    engineer.post(path, json={"on": False})
    assert house.telemetry.destinations == {"influx": False}
    nowhere = engineer.post("/api/v1/telemetry/nowhere/drain", json={"on": True})
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "no_such_destination")


def test_a_disk_that_fails_is_said(house: SmallHouse, engineer: TestClient) -> None:
    house.telemetry.broken = True
    for answer in (
        engineer.get("/api/v1/losses"),
        engineer.get("/api/v1/telemetry/dead-letters"),
        engineer.post("/api/v1/telemetry/dead-letters/retry", json={"ids": [1]}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "spool_failed")


def test_an_instant_in_nanoseconds_is_one() -> None:
    assert instant(NS + 1999) == START.wall.replace(microsecond=1)
