"""What systemd is told, and what is not its business."""

import socket
from pathlib import Path

import pytest

from sitewarden.gateway.watchdog import Watchdog


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return str(tmp_path / "notify")


def test_systemd_hears_of_a_start_a_heartbeat_and_the_end(address: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        watchdog = Watchdog()
        watchdog.ready()
        watchdog.feed()
        watchdog.stopping()
        assert [systemd.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_systemd_that_does_not_listen_stops_nothing(address: str) -> None:
    watchdog = Watchdog()
    watchdog.feed()  # there is no such socket
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        for _ in range(1000):  # more than its queue holds
            watchdog.feed()
        assert systemd.recv(100) == b"WATCHDOG=1"
    watchdog.stopping()
