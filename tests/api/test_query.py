"""What may stand behind the question mark, the pages of what grows, and which bodies are read."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from sitewarden.gateway.api.app import create_app
from sitewarden.gateway.api.bodies import MOST
from tests.api.small_house import LIAO, SmallHouse
from tests.servers import until

API = "/api/v1"


def test_no_address_takes_a_parameter_that_it_does_not_know(house: SmallHouse, engineer: TestClient) -> None:
    heard = {}
    for route in iter_route_contexts(create_app(house).routes):
        path = re.sub("{.*?}", LIAO.card, route.path or "")
        for method in route.methods or ():
            heard[method, path] = engineer.request(method, path, params={"frm": "1"}, json={}).status_code
    assert {route for route, code in heard.items() if code != 422} == set()


def test_the_unknown_parameter_and_the_known_ones_are_named(engineer: TestClient) -> None:
    answer = engineer.get(f"{API}/decisions?lnae=exit&limit=1").json()
    assert (answer["status"], answer["code"]) == (422, "unknown_parameter")
    assert answer["detail"] == ("found 'lnae' in the query, expected only after, before, lane, lang, limit")


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ("decisions?lane=nope", 404, "no lane 'nope', expected entrance, exit"),
        ("passages?lane=", 404, "no lane ''"),
        ("decisions?limit=0", 422, "limit: found '0', input should be greater than or equal to 1"),
        ("cards?limit=1001", 422, "limit: found '1001', input should be less than or equal to 1000"),
        ("passages?after=abc", 422, "after: found 'abc', input should be a valid integer"),
        ("trend?point=tank.level&since=abc", 422, "since: found 'abc', input should be a valid datetime"),
        ("trend?point=tank.level&until=nan", 422, "until: found 'nan'"),
        ("trend", 422, "point: field required"),
        ("trend?point=nope", 404, "no point 'nope'"),
        ("points?device=nope", 404, "no device 'nope'"),
        ("events?kinds=nope", 422, "kinds.0: found 'nope', input should be 'reading', 'device'"),
        ("site?lang=fr", 422, "lang: found 'fr', expected zh or en"),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_found(
    engineer: TestClient, asked: str, status: int, said: str
) -> None:
    answer = engineer.get(f"{API}/{asked}")
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.json()["detail"].startswith(said)


# -- pages ---------------------------------------------------------------------------------------


def pages(client: TestClient, path: str, **params: str | int) -> Iterator[list[dict[str, object]]]:
    while True:
        page = client.get(f"{API}/{path}", params=params).json()
        yield page["items"]
        if page["next"] is None:
            return
        params["after"] = page["next"]


def test_every_row_is_on_one_page(house: SmallHouse, engineer: TestClient) -> None:
    for number in range(7):
        house.cards.put(replace(LIAO, card=f"00000000A{number}"), "test")
        house.enter(f"00DEADBE0{number}")
        house.lose("lift-a")
    house.journal.close()
    for path, least in (("decisions", 7), ("passages", 7), ("alarms/history", 1), ("cards", 8)):
        (whole,) = pages(engineer, path, limit=1000)
        found = list(pages(engineer, path, limit=3))
        assert len(whole) >= least, path
        assert [row for page in found for row in page] == whole, path
        assert {len(page) for page in found[:-1]} <= {3}, path
        assert 0 < len(found[-1]) <= 3, path


def test_rows_that_come_meanwhile_do_not_shift_the_pages(house: SmallHouse, engineer: TestClient) -> None:
    for number in range(4):
        house.swipe(f"00DEADBE0{number}")
        house.later(10)
    assert until(lambda: len(house.journal.decisions()) == 4)
    asked = pages(engineer, "decisions", limit=2)
    first = next(asked)
    house.swipe("00DEADBEFF")
    house.journal.close()
    cards = [row["card"] for page in (first, *asked) for row in page]
    assert cards == [f"00DEADBE0{number}" for number in (3, 2, 1, 0)]


def test_decisions_of_one_lane(house: SmallHouse, engineer: TestClient) -> None:
    house.swipe("00DEADBE01", "reader-in")
    house.swipe("00DEADBE02", "reader-out")
    house.journal.close()
    rows = engineer.get(f"{API}/decisions?lane=exit").json()["items"]
    assert [(row["lane"], row["card"]) for row in rows] == [("exit", "00DEADBE02")]


def test_a_search_is_not_cut_short(house: SmallHouse) -> None:
    house.cards.put_all([replace(LIAO, card=f"{number:010X}") for number in range(150)], "test")
    assert len(house.cards.search("9-1-302")) == 151


# -- bodies --------------------------------------------------------------------------------------


def chunks(size: int) -> Iterator[bytes]:
    yield from [b" " * 1024] * (size // 1024)


@pytest.mark.parametrize(
    "path", [f"{API}/lanes/entrance/open", f"{API}/cards/{LIAO.card}", "/do/open", "/session"]
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_body_that_is_too_long_is_refused(engineer: TestClient, path: str, whole: bool) -> None:
    kind = "application/json" if path.startswith(API) else "application/x-www-form-urlencoded"
    method = "PUT" if "cards" in path else "POST"
    size = MOST + 1024
    answer = engineer.request(
        method, path, content=b" " * size if whole else chunks(size), headers={"content-type": kind}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_that_is_no_json_is_refused(house: SmallHouse, engineer: TestClient, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = engineer.post(f"{API}/lanes/entrance/open", content=b'{"reason": "x"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "not_json")
    assert "expected application/json" in answer.json()["detail"]
    assert house.board.lane("entrance").last is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid"),
        (b"{", "refused"),
        (b"[]", "invalid"),
        (b"null", "invalid"),
        (b"\xff\xfe", "refused"),
        (b'{"reason": 1}', "invalid"),
        (b'{"reason": "\\ud800"}', "invalid"),
        (b"[" * 60_000, "refused"),
    ],
)
def test_a_body_of_another_shape_is_refused(engineer: TestClient, body: bytes, code: str) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    answer = engineer.post(f"{API}/lanes/entrance/open", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == ({"invalid": 422, "refused": 400}[code], code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_stranger_is_told_no_more_than_that(stranger: TestClient) -> None:
    answer = stranger.post(f"{API}/fire/reset?x=1", content=b" " * (MOST + 1))
    assert answer.status_code == 401
