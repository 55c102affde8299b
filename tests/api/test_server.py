"""The real server on a real port and socket: streams, the local engineer, and a quick stop."""

import getpass
import json
import os
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter, sleep

import httpx2
import pytest
import uvicorn

from sitewarden.config.site import HttpPlan
from sitewarden.gateway.api.live import RING
from sitewarden.gateway.api.server import SOCKET, ApiServer, caller_of
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.tokens import Role
from sitewarden.gateway.troubles import Troubles
from sitewarden.rules.model import Reading, Trouble
from tests.api.small_house import SmallHouse

pytestmark = pytest.mark.slow


@pytest.fixture
def told() -> list[Trouble]:
    """What the server said of itself."""
    return []


@pytest.fixture
def server(house: SmallHouse, told: list[Trouble]) -> Iterator[ApiServer]:
    server = ApiServer(house, Troubles(told.append, Clock()))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def local(house: SmallHouse, server: ApiServer) -> Iterator[httpx2.Client]:
    transport = httpx2.HTTPTransport(uds=str(house.site.data / SOCKET))
    with httpx2.Client(transport=transport, base_url="http://sitewarden", timeout=5) as client:
        yield client


def messages(answer: httpx2.Response) -> Iterator[dict[str, str]]:
    message: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            field, _, value = line.partition(": ")
            message[field] = value
        elif message:
            yield message
            message = {}


def test_the_socket_is_the_local_engineer(house: SmallHouse, local: httpx2.Client) -> None:
    asked = {"reason": "test"}
    assert local.post("/api/v1/lanes/entrance/open", json=asked).json()["by"] == getpass.getuser()
    behind_sudo = {"sitewarden-caller": "wang"}
    assert local.post("/api/v1/lanes/exit/open", json=asked, headers=behind_sudo).json()["by"] == "wang"
    mode = (house.site.data / SOCKET).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert not mode & stat.S_IRWXO


def test_another_user_of_the_socket_speaks_for_themselves() -> None:
    scope = {"client": ("eve", os.getuid() + 1), "headers": [(b"sitewarden-caller", b"wang")]}
    assert caller_of(scope) == "eve"


def test_the_port_is_not(server: ApiServer) -> None:
    answer = httpx2.get(f"http://127.0.0.1:{server.port}/api/v1/site", headers={"x-forwarded-for": ""})
    assert answer.status_code == 401


def test_a_stream_tells_what_happens_with_numbers(house: SmallHouse, local: httpx2.Client) -> None:
    with local.stream("GET", "/api/v1/events") as answer:
        heard = messages(answer)
        assert next(heard) == {"retry": "1000"}
        house.read(tank_level=1.5)
        house.swipe()
        first, second = next(heard), next(heard)
    assert (first["event"], json.loads(first["data"])["point"]) == ("reading", "tank.level")
    assert (second["event"], json.loads(second["data"])["why"]) == ("decision", "permit")
    assert int(second["id"]) == int(first["id"]) + 1


def test_a_client_goes_on_where_it_was(house: SmallHouse, local: httpx2.Client) -> None:
    house.read(tank_level=1.0)
    house.read(tank_level=2.0)
    house.swipe()
    headers = {"last-event-id": "1"}
    with local.stream("GET", "/api/v1/events?kinds=reading", headers=headers) as answer:
        heard = messages(answer)
        next(heard)
        message = next(heard)
    assert (message["id"], json.loads(message["data"])["value"]) == ("2", 2.0)


def test_a_client_that_was_too_slow_is_told_so(house: SmallHouse, local: httpx2.Client) -> None:
    house.read(tank_level=0.0)
    local.get("/api/v1/site")
    for number in range(RING + 10):
        house.hub.publish([Reading("tank.level", float(number), house.now())])
    with local.stream("GET", "/api/v1/events", headers={"last-event-id": "0"}) as answer:
        heard = messages(answer)
        next(heard)
        gap, first = next(heard), next(heard)
    assert gap == {"event": "gap", "data": "11"}
    assert json.loads(first["data"])["value"] == 10.0


@pytest.mark.parametrize("path", ["/live/site", "/api/v1/events"])
def test_a_stream_ends_with_its_token(
    house: SmallHouse, server: ApiServer, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("sitewarden.gateway.api.live.BEAT", 0.3)
    token = house.tokens.add("page", Role.GUARD, house.now())
    client = httpx2.Client(headers={"authorization": f"Bearer {token}"}, timeout=5)
    with client, client.stream("GET", f"http://127.0.0.1:{server.port}{path}") as answer:
        heard = messages(answer)
        next(message for message in heard if message.get("event") == "beat")
        house.tokens.revoke("page")
        house.swipe()
        left = list(heard)  # to its end
    assert len(left) <= 3


def test_the_stream_of_a_device_ends_when_a_reload_has_removed_it(
    house: SmallHouse, local: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with local.stream("GET", "/live/device?device=pump-1") as answer:
        heard = messages(answer)
        next(message for message in heard if "data" in message)
        rest = {name: change for name, change in house.board.devices.items() if name != "pump-1"}
        monkeypatch.setattr(house.board, "devices", rest)
        assert not [message for message in heard if message.get("event") != "beat"]  # to its end
    for gone in ("/live/device?device=pump-1", "/live/device", "/live/attic"):
        assert local.get(gone).status_code == 404


@pytest.mark.slow
def test_a_silent_stream_beats(local: httpx2.Client) -> None:
    begun = perf_counter()
    with local.stream("GET", "/live/alarms") as answer:
        heard = (message for message in messages(answer) if message.get("event") == "beat")
        next(heard)
    assert perf_counter() - begun < 4


def test_it_stops_in_a_second_with_streams_open(house: SmallHouse) -> None:
    server = ApiServer(house, Troubles([].append, Clock()))
    server.start()
    token = house.tokens.add("page", Role.VIEWER, house.now())
    client = httpx2.Client(headers={"authorization": f"Bearer {token}"}, timeout=5)
    with client, client.stream("GET", f"http://127.0.0.1:{server.port}/live/site") as answer:
        next(answer.iter_lines())
        begun = perf_counter()
        server.stop()
        assert perf_counter() - begun < 1
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"http://127.0.0.1:{server.port}/livez")


def until(true: Callable[[], object]) -> None:
    end = perf_counter() + 5
    while not true():
        assert perf_counter() < end
        sleep(0.02)


def test_a_taken_port_is_a_trouble_until_it_is_free(
    house: SmallHouse, told: list[Trouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitewarden.gateway.api.server.RETRY", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        house.site = replace(house.site, http=HttpPlan("127.0.0.1", port))
        server = ApiServer(house, Troubles(told.append, Clock()))
        server.start()
        assert [(it.code, it.on) for it in told] == [("page_down", True)]
        assert told[0].params == {"address": "127.0.0.1", "port": port, "error": "Address already in use"}
        transport = httpx2.HTTPTransport(uds=str(house.site.data / SOCKET))
        with httpx2.Client(transport=transport, base_url="http://sitewarden") as client:
            assert client.get("/livez").status_code == 200
        sleep(0.3)
        assert len(told) == 1
    until(lambda: len(told) == 2)
    assert (told[1].code, told[1].on) == ("page_down", False)
    assert httpx2.get(f"http://127.0.0.1:{port}/livez").status_code == 200
    server.stop()


def test_a_server_that_dies_is_told_and_started_again(
    house: SmallHouse, server: ApiServer, told: list[Trouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitewarden.gateway.api.server.RETRY", 0.1)
    with monkeypatch.context() as broken:
        broken.setattr(uvicorn.Server, "on_tick", lambda self, counter: 1 / 0)
        until(lambda: len(told) >= 2)
    assert {it.code for it in told} == {"page_down", "socket_down"}
    assert told[0].params["error"] == "ZeroDivisionError"
    until(lambda: answers(server) and not any({it.code: it.on for it in told}.values()))


def answers(server: ApiServer) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{server.port}/livez").status_code == 200
    except httpx2.ConnectError:
        return False
