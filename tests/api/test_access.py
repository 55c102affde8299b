"""Nobody comes in without a token, and nobody does what their role does not allow."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from sitewarden.gateway.api.access import ALLOWED, OPEN, Needs, Permission
from sitewarden.gateway.api.app import create_app
from sitewarden.gateway.tokens import Role
from tests.api.small_house import LIAO, SmallHouse

READ, ACKNOWLEDGE, CONFIGURE = Permission.READ, Permission.ACKNOWLEDGE, Permission.CONFIGURE
EXPECTED: dict[tuple[str, str], Permission] = {
    ("GET", "/metrics"): READ,
    ("GET", "/api/v1/site"): READ,
    ("GET", "/api/v1/points"): READ,
    ("GET", "/api/v1/devices"): READ,
    ("GET", "/api/v1/lanes"): READ,
    ("GET", "/api/v1/alarms"): READ,
    ("GET", "/api/v1/alarms/history"): READ,
    ("GET", "/api/v1/decisions"): READ,
    ("GET", "/api/v1/passages"): READ,
    ("GET", "/api/v1/trend"): READ,
    ("GET", "/api/v1/events"): READ,
    ("GET", "/api/v1/cards"): Permission.PERSONAL,
    ("GET", "/api/v1/cards/{card}"): Permission.PERSONAL,
    ("PUT", "/api/v1/cards/{card}"): Permission.CARDS,
    ("PATCH", "/api/v1/cards/{card}"): Permission.CARDS,
    ("POST", "/api/v1/alarms/{alarm:path}/acknowledge"): ACKNOWLEDGE,
    ("POST", "/api/v1/alarms/{alarm:path}/reset"): ACKNOWLEDGE,
    ("POST", "/api/v1/lanes/{lane}/open"): Permission.OPEN,
    ("POST", "/api/v1/points/{point}/write"): Permission.WRITE,
    ("GET", "/api/v1/writes"): READ,
    ("POST", "/api/v1/fire/reset"): Permission.RESET_FIRE,
    ("POST", "/api/v1/cards/{card}/forgive"): Permission.FORGIVE,
    ("POST", "/api/v1/reload"): CONFIGURE,
    ("POST", "/api/v1/links/{link}/record"): CONFIGURE,
    ("GET", "/api/v1/telemetry"): READ,
    ("GET", "/api/v1/losses"): READ,
    ("GET", "/api/v1/telemetry/dead-letters"): READ,
    ("POST", "/api/v1/telemetry/dead-letters/retry"): CONFIGURE,
    ("POST", "/api/v1/telemetry/dead-letters/discard"): CONFIGURE,
    ("POST", "/api/v1/telemetry/{destination}/drain"): CONFIGURE,
    ("POST", "/session/end"): READ,
    ("POST", "/language"): READ,
    ("GET", "/"): READ,
    ("GET", "/lanes"): READ,
    ("GET", "/alarms"): READ,
    ("GET", "/telemetry"): READ,
    ("GET", "/more"): READ,
    ("GET", "/devices/{device}"): READ,
    ("GET", "/live/{room}"): READ,
    ("GET", "/static/{name}"): READ,
    ("POST", "/do/acknowledge"): ACKNOWLEDGE,
    ("POST", "/do/reset"): ACKNOWLEDGE,
    ("POST", "/do/open"): Permission.OPEN,
    ("POST", "/do/reset-fire"): Permission.RESET_FIRE,
    ("POST", "/do/write"): Permission.WRITE,
    ("POST", "/do/forgive"): Permission.FORGIVE,
    ("POST", "/do/drain"): CONFIGURE,
    ("POST", "/do/letter"): CONFIGURE,
    ("POST", "/do/press"): CONFIGURE,
}
"""Every route that is not open, by what it needs. A new route has to be written down here."""


@dataclass(frozen=True)
class Door:
    method: str
    path: str
    needs: frozenset[Permission]


def doors(house: SmallHouse) -> list[Door]:
    found = []
    for route in iter_route_contexts(create_app(house).routes):
        calls = [each.call for each in route.dependant.dependencies]
        needs = frozenset(call.permission for call in calls if isinstance(call, Needs))
        found += [Door(method, route.path or "", needs) for method in sorted(route.methods or ())]
    return found


def test_every_route_needs_what_the_table_says(house: SmallHouse) -> None:
    guarded = {(door.method, door.path): door.needs for door in doors(house) if door.path not in OPEN}
    assert guarded == {route: frozenset({needed}) for route, needed in EXPECTED.items()}


def test_nothing_but_the_health_checks_and_the_way_in_is_open(house: SmallHouse) -> None:
    assert {door.path for door in doors(house) if not door.needs} == set(OPEN)


def test_a_stranger_is_refused_everywhere(stranger: TestClient) -> None:
    answers = {(method, path): stranger.request(method, path) for method, path in EXPECTED}
    assert {route: a.status_code for route, a in answers.items()} == dict.fromkeys(EXPECTED, 401)


@pytest.mark.parametrize("role", Role)
def test_a_role_is_refused_what_it_may_not(client: Callable[[Role], TestClient], role: Role) -> None:
    refused = [route for route, needed in EXPECTED.items() if needed not in ALLOWED[role]]
    caller = client(role)
    codes = {(method, path): caller.request(method, path, json={}).json() for method, path in refused}
    assert {route: answer["code"] for route, answer in codes.items()} == dict.fromkeys(refused, "forbidden")


def test_a_refusal_names_the_permission_and_who_has_it(client: Callable[[Role], TestClient]) -> None:
    told = client(Role.GUARD).post("/api/v1/reload").json()["detail"]
    assert told == "the role guard lacks the permission configure; roles that have it: engineer"


def test_the_engineer_may_do_everything() -> None:
    assert ALLOWED[Role.ENGINEER] == frozenset(Permission)
    assert all(Permission.READ in allowed for allowed in ALLOWED.values())


def test_docs_and_schema_of_the_framework_are_not_served(engineer: TestClient) -> None:
    assert [engineer.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404] * 3


def test_health_checks_answer_anybody(stranger: TestClient, house: SmallHouse) -> None:
    assert stranger.get("/livez").text == "ok\n"
    assert stranger.get("/readyz").json() == {"ready": True, "core": True, "journal": True}
    house.mute = True
    assert stranger.get("/readyz").status_code == 503


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic dGVzdDp0ZXN0", "Bearer", "bearer \x7f"])
def test_a_wrong_token_is_refused(stranger: TestClient, header: str) -> None:
    assert stranger.get("/api/v1/site", headers={"authorization": header}).status_code == 401


def test_a_revoked_token_ends_its_sessions(house: SmallHouse, stranger: TestClient) -> None:
    token = house.tokens.add("booth", Role.GUARD, house.now())
    assert stranger.post("/session", data={"token": token}).status_code == 200
    assert stranger.get("/api/v1/site").status_code == 200
    assert house.tokens.revoke("booth")
    assert stranger.get("/api/v1/site").status_code == 401


def test_a_browser_without_a_token_gets_a_form_that_needs_nothing_else(stranger: TestClient) -> None:
    answer = stranger.get("/", headers={"accept": "text/html"})
    assert answer.status_code == 401
    assert "<form method=post action=/session>" in answer.text
    assert "default-src 'none'; style-src 'sha256-" in answer.headers["content-security-policy"]
    assert "src=" not in answer.text
    assert "<link" not in answer.text


def test_a_one_time_link_lets_one_browser_in_for_a_while(house: SmallHouse, stranger: TestClient) -> None:
    code = house.tokens.first_link(house.now())
    answer = stranger.get(f"/welcome?code={code}")
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 200
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert stranger.get("/more").status_code == 200
    assert TestClient(stranger.app).get(f"/welcome?code={code}").status_code == 401
    assert house.tokens.first_link(house.now()) is None
    house.later(31 * 86400)
    assert stranger.get("/more").status_code == 401


def test_a_link_is_good_for_an_hour(house: SmallHouse, stranger: TestClient) -> None:
    code = house.tokens.link(house.now())
    house.later(3601)
    assert stranger.get(f"/welcome?code={code}").status_code == 401


def test_signing_out_ends_the_session(house: SmallHouse, stranger: TestClient) -> None:
    stranger.get(f"/welcome?code={house.tokens.link(house.now())}")
    session = stranger.cookies["sitewarden_session"]
    stranger.post("/session/end")
    stranger.cookies.set("sitewarden_session", session)
    assert stranger.get("/more").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "null"},
    ],
)
def test_a_form_of_another_site_is_refused(
    house: SmallHouse, stranger: TestClient, headers: dict[str, str]
) -> None:
    stranger.get(f"/welcome?code={house.tokens.link(house.now())}")
    form = {"lane": "entrance", "reason": "visitor"}
    answer = stranger.post("/do/open", data=form, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_origin")
    assert house.board.lane("entrance").last is None
    assert stranger.post("/do/open", data=form, headers={"origin": "http://testserver"}).status_code == 200
    assert house.board.lane("entrance").last is not None


def test_a_way_back_stays_inside(house: SmallHouse, engineer: TestClient) -> None:
    for back in ("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"):
        answer = engineer.post("/language", data={"lang": "en", "back": back}, follow_redirects=False)
        assert answer.headers["location"] == "/"


def test_secrets_are_stored_hashed(house: SmallHouse) -> None:
    secrets = [
        house.tokens.add("machine", Role.VIEWER, house.now()),
        code := house.tokens.link(house.now()),
        house.tokens.link(house.now()),
        house.tokens.welcome(code, house.now()) or "",
    ]
    stored = b"".join(path.read_bytes() for path in house.site.data.glob("access.db*"))
    assert all(secret and secret.encode() not in stored for secret in secrets)


def test_a_viewer_sees_no_one_by_name(client: Callable[[Role], TestClient], house: SmallHouse) -> None:
    house.swipe()
    viewer, guard = client(Role.VIEWER), client(Role.GUARD)
    for path in ("/api/v1/lanes", "/", "/lanes", "/api/v1/decisions"):
        seen = viewer.get(path).text
        assert not any(private in seen for private in (LIAO.card, LIAO.plate, LIAO.holder)), path
    for search in ("/api/v1/cards?text=4E0", f"/api/v1/cards/{LIAO.card}", "/api/v1/cards/00"):
        assert viewer.get(search).status_code == 403, search  # a search, letter by letter, undoes the mask
    assert LIAO.plate in guard.get("/").text
    assert LIAO.card in guard.get("/api/v1/cards").text
