"""What keeps no gateway from starting."""

import socket
from pathlib import Path

import httpx2
import pytest

from tests.gateway.live import LiveGateway, free_port

pytestmark = pytest.mark.slow

BARE = "site: {{id: test, timezone: UTC, language: en}}\nhttp: {{host: 127.0.0.1, port: {port}}}\n"


def test_the_gateway_runs_while_another_program_has_its_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        gateway = LiveGateway(tmp_path, BARE.format(port=port))
        gateway.start()
        (alarm,) = gateway.ask("GET", "/alarms")
        assert (alarm["code"], alarm["state"]) == ("page_down", "unacknowledged")
        assert f"127.0.0.1, port {port} (Address already in use)" in alarm["text"]
    gateway.until(lambda: gateway.alarms() == {"page_down": "returned_unacknowledged"})
    assert httpx2.get(f"http://127.0.0.1:{port}/livez").status_code == 200
    gateway.end()


def test_a_broken_file_of_tokens_is_an_alarm(tmp_path: Path) -> None:
    gateway = LiveGateway(tmp_path, BARE.format(port=free_port()))
    (tmp_path / "data" / "access.db").write_bytes(bytes(range(256)) * 20)
    gateway.start()
    (alarm,) = gateway.ask("GET", "/alarms")
    assert (alarm["code"], alarm["params"]) == ("access_set_aside", {"file": "access.db.broken-1"})
    gateway.end()
