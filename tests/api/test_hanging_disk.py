"""A disk that hangs holds whoever reads from it, and nobody else: a barrier is opened meanwhile."""

import socket
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from threading import Event
from time import perf_counter, sleep

import httpx2
import pytest

from sitewarden.gateway.api.server import READERS, ApiServer
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.tokens import Role
from sitewarden.gateway.troubles import Troubles
from sitewarden.gateway.web.rooms import DRAWERS
from sitewarden.rules.model import AlarmChange, FireKind, FireSignal
from tests.api.small_house import SmallHouse


@pytest.fixture
def server(house: SmallHouse) -> Iterator[ApiServer]:
    server = ApiServer(house, Troubles([].append, Clock()))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def token(house: SmallHouse) -> str:
    return house.tokens.add("booth", Role.GUARD, house.now())


@pytest.fixture
def guard(server: ApiServer, token: str) -> Iterator[httpx2.Client]:
    headers = {"authorization": f"Bearer {token}"}
    with httpx2.Client(headers=headers, timeout=3, base_url=f"http://127.0.0.1:{server.port}") as client:
        yield client


def asked(server: ApiServer, request: str) -> socket.socket:
    """Somebody who waits for the answer."""
    waiting = socket.create_connection(("127.0.0.1", server.port))
    waiting.sendall(request.replace("\n", "\r\n").encode())
    return waiting


def acts(house: SmallHouse, guard: httpx2.Client) -> list[int]:
    house.step(FireSignal("panel", FireKind.FIRE, house.later(1)))
    house.step(FireSignal("panel", FireKind.NORMAL, house.later(1)))
    return [
        guard.get("/livez").status_code,
        guard.post("/api/v1/fire/reset").status_code,
        guard.post("/api/v1/lanes/entrance/open", json={"reason": "visitor"}).status_code,
        guard.post("/do/open", data={"lane": "exit", "reason": "visitor"}).status_code,
    ]


def test_a_crowd_that_waits_for_the_disk_holds_no_act(
    house: SmallHouse, server: ApiServer, guard: httpx2.Client, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    well, waiting = Event(), []

    def hangs(limit: int) -> list[AlarmChange]:
        waiting.append(limit)
        well.wait(30)
        return []

    monkeypatch.setattr(house.journal, "alarm_history", hangs)
    with ExitStack() as crowd:
        crowd.callback(well.set)
        for path in ["/live/alarms"] * 3 * DRAWERS + ["/alarms"] * 2 * READERS:
            request = f"GET {path} HTTP/1.1\nhost: site\nauthorization: Bearer {token}\n\n"
            crowd.enter_context(asked(server, request))
        end = perf_counter() + 5
        while len(waiting) < DRAWERS + READERS:
            assert perf_counter() < end
            sleep(0.02)
        assert acts(house, guard) == [200, 200, 200, 303]
        assert len(waiting) == DRAWERS + READERS  # threads, however many there are who look


def test_somebody_who_signs_in_holds_no_act(
    house: SmallHouse, server: ApiServer, guard: httpx2.Client, token: str
) -> None:
    body = f"token={token}"
    form = f"content-type: application/x-www-form-urlencoded\ncontent-length: {len(body)}"
    with closing(sqlite3.connect(house.site.data / "access.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with asked(server, f"POST /session HTTP/1.1\nhost: site\n{form}\n\n{body}") as signing_in:
            signing_in.settimeout(0.3)
            with pytest.raises(TimeoutError):
                signing_in.recv(1)
            assert acts(house, guard) == [200, 200, 200, 303]
            other.execute("ROLLBACK")
            signing_in.settimeout(5)
            assert signing_in.recv(100).startswith(b"HTTP/1.1 200")
