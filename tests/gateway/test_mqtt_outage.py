"""Hundreds of numbers a second to a broker behind a bad uplink, by a process that is killed: none is lost."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.gateway.witness import Witness, witness
from tests.servers import mosquitto, running, until
from tests.uplink import Uplink, Weather

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
ANSWER = 2.0  # s
WITHIN = 10.0  # s from the broker's return to the first new number
TOPIC = "point/pump-1/pressure"


class Sender:
    def __init__(self, spool: Path, port: int) -> None:
        self._spool, self._port = spool, port
        self.spooled = 0
        self.start()

    def start(self) -> None:
        numbers = (str(self._port), str(self.spooled), str(ANSWER))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.gateway.telling_under_test", str(self._spool), *numbers],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )

    def kill(self) -> None:
        """And remembers how far it had come for certain. Up to a commit more may be in the spool."""
        self._process.kill()
        said, _ = self._process.communicate()
        self.spooled = max([self.spooled, *map(int, said.split())])


@contextmanager
def sending(spool: Path, port: int) -> Iterator[Sender]:
    it = Sender(spool, port)
    try:
        yield it
    finally:
        it.kill()


def heard(seen: Witness) -> set[int]:
    """As they came about, and as history."""
    told = list[dict[str, float]]()
    for topic, payload, _ in list(seen.heard):
        if topic.endswith(TOPIC):
            told.append(json.loads(payload))
        elif topic.endswith("/history/point"):
            told += json.loads(payload)
    return {int(it["value"]) for it in told}


def newest(seen: Witness) -> int:
    said = seen.said(TOPIC)
    return int(json.loads(said[-1])["value"]) if said else -1


@pytest.mark.parametrize(
    ("weather", "lasts"), [(Weather.BLACK_HOLE, 12.0), (Weather.REFUSED, 6.0), (Weather.SLOW, 6.0)]
)
def test_nothing_is_lost_behind_a_bad_uplink_though_the_sender_is_killed(
    tmp_path: Path, weather: Weather, lasts: float
) -> None:
    spool = tmp_path / "spool.db"
    with (
        running(mosquitto(tmp_path)) as peer,
        Uplink(peer.port, 20_000) as uplink,
        witness(peer) as seen,
        sending(spool, uplink.port) as sender,
    ):
        assert until(lambda: newest(seen) > 100, 20.0)
        uplink.turn(weather)
        sleep(lasts / 2)
        sender.kill()
        before = sender.spooled
        sender.start()
        sleep(lasts / 2)
        uplink.turn(Weather.FINE)
        back = monotonic()
        assert until(lambda: newest(seen) >= before, WITHIN), f"{newest(seen)} of {before}"
        assert monotonic() - back < WITHIN
        sleep(1.0)
        sender.kill()
        numbers = sender.spooled
        sender.start()
        assert until(lambda: set(range(numbers)) <= heard(seen), 60.0), sorted(
            set(range(numbers)) - heard(seen)
        )[:10]


def test_nothing_is_lost_while_a_broker_goes_and_comes_back(tmp_path: Path) -> None:
    """The broker remembers on its disk what it acknowledged, and who wants it."""
    kept = ("persistence true", f"persistence_location {tmp_path}/", "autosave_interval 1")
    with (
        running(mosquitto(tmp_path, *kept)) as peer,
        witness(peer, lasting="witness") as seen,
        sending(tmp_path / "spool.db", peer.port) as sender,
    ):
        assert until(lambda: newest(seen) > 100, 20.0)
        for _ in range(2):
            peer.stop()
            sleep(1.0)
            peer.start()
            count = newest(seen)
            assert until(lambda count=count: newest(seen) > count, WITHIN)  # type: ignore[misc]
        sender.kill()
        numbers = sender.spooled
        sender.start()
        assert until(lambda: set(range(numbers)) <= heard(seen), 30.0)


def test_the_retained_state_only_goes_forward_whatever_happens(tmp_path: Path) -> None:
    with (
        running(mosquitto(tmp_path)) as peer,
        Uplink(peer.port) as uplink,
        witness(peer, f"sitewarden/cuihu/{TOPIC}") as seen,
        sending(tmp_path / "spool.db", uplink.port) as sender,
    ):
        for _ in range(4):
            count = newest(seen)
            assert until(lambda count=count: newest(seen) > count, 20.0)  # type: ignore[misc]
            uplink.turn(Weather.REFUSED)
            sleep(0.3)
            sender.kill()
            sender.start()
            uplink.turn(Weather.FINE)
        sleep(2.0)
    instants = [json.loads(payload)["at"] for payload in seen.said(TOPIC)]
    assert instants == sorted(instants)
    assert len(set(instants)) > 100
