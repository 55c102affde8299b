"""The small house and clients of each role."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from sitewarden.gateway.api.app import create_app
from sitewarden.gateway.tokens import Role
from tests.api.small_house import SmallHouse


@pytest.fixture
def house(tmp_path: Path) -> Iterator[SmallHouse]:
    house = SmallHouse(tmp_path)
    yield house
    house.close()


@pytest.fixture
def stranger(house: SmallHouse) -> Iterator[TestClient]:
    with TestClient(create_app(house), raise_server_exceptions=True) as client:
        yield client


@pytest.fixture
def client(house: SmallHouse, stranger: TestClient) -> Callable[[Role], TestClient]:
    """A client of a role, by a bearer token."""

    def of(role: Role) -> TestClient:
        token = house.tokens.add(f"the-{role}", role, house.now())
        return TestClient(stranger.app, headers={"authorization": f"Bearer {token}"})

    return of


@pytest.fixture
def engineer(client: Callable[[Role], TestClient]) -> TestClient:
    return client(Role.ENGINEER)
