"""The Sparkplug transport against a real mosquitto, heard by an independent host application."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sitewarden.config.sinks import Filter, Kind, MqttPlan, Payload
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.outlets import present
from sitewarden.gateway.sinks import answers
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.sinks.mqtt import connection
from sitewarden.gateway.sinks.sparkplug.transport import CALM, SETTLED, SparkplugTransport
from sitewarden.rules.model import LinkChanged, Reading, Reason
from tests.api.small_house import SmallHouse
from tests.gateway.sparkplug_ear import Ear
from tests.gateway.sparkplug_host import Host
from tests.servers import Peer, mosquitto, running, until
from tests.uplink import Uplink, Weather

pytestmark = pytest.mark.server

PLAN = MqttPlan("broker", "127.0.0.1", payload=Payload.SPARKPLUG, group="sites")
TAKEN, LATER = answers.Kind.TAKEN, answers.Kind.LATER


class Stage:
    """A site that tells a broker."""

    def __init__(self, folder: Path, port: int, plan: MqttPlan = PLAN) -> None:
        self.house = SmallHouse(folder)
        self.house.up()
        clock = Clock(wall=lambda: self.house.at.wall, mono=lambda: self.house.at.mono)
        self.transport = SparkplugTransport(
            replace(plan, port=port),
            "cuihu",
            folder,
            lambda: self.house.board,
            lambda: present(self.house.board, self.house.at),
            clock,
        )
        self.lines = Lines("cuihu")

    def send(self, *effects: object, lane: Lane = Lane.LIVE) -> answers.Kind:
        return self.transport.send([line for _, line in self.lines.format(effects)], lane).kind

    def read(self, value: float, lane: Lane = Lane.LIVE) -> answers.Kind:
        return self.send(Reading("tank.level", value, self.house.later(0.1)), lane=lane)

    def close(self) -> None:
        self.transport.close()
        self.house.close()


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    (tmp_path / "broker").mkdir()
    with running(mosquitto(tmp_path / "broker")) as it:
        yield it


@contextmanager
def playing(
    folder: Path, peer: Peer, plan: MqttPlan = PLAN, port: int = 0
) -> Iterator[tuple[Stage, Host, Ear]]:
    with closing(Ear(peer.port)) as ear:
        stage = Stage(folder, port or peer.port, plan)
        with closing(stage):
            yield stage, ear.host, ear
        assert until(lambda: not ear.host.online)
        assert ear.host.complaints == []


def test_a_site_is_born_tells_and_says_goodbye(tmp_path: Path, peer: Peer) -> None:
    with playing(tmp_path, peer) as (it, host, _):
        it.house.read(tank_level=1.5)
        assert it.transport.prepare().kind is TAKEN
        assert until(lambda: len(host.devices) == len(it.house.board.devices))
        assert host.heard[0] == "NBIRTH"
        assert host.current["tank", "level"].value == 1.5
        assert host.current["tank", "level"].properties == {"engUnit": "m"}
        assert [it.read(value) for value in (1.6, 1.7)] == [TAKEN, TAKEN]
        assert until(lambda: host.values("tank", "level") == [1.6, 1.7])
    assert host.heard[-1] == "NDEATH"


def test_what_was_taken_was_heard_without_a_hole(tmp_path: Path, peer: Peer) -> None:
    with playing(tmp_path, peer) as (it, host, _):
        it.transport.prepare()
        for first in range(0, 20_000, 1000):
            lane = Lane.BACKLOG if first % 2000 else Lane.LIVE
            readings = [
                Reading(f"{device}.{point}", float(number), it.house.later(0.001))
                for number in range(first, first + 1000)
                for device, point in ([("tank", "level"), ("lift-a", "speed")][number % 2],)
            ]
            assert it.send(*readings, lane=lane) is TAKEN
        assert until(lambda: len(host.told) == 20_000)
        assert sorted(told.value for told in host.told) == [float(number) for number in range(20_000)]
        assert {told.historical for told in host.told if told.value // 1000 % 2} == {True}
        assert {told.historical for told in host.told if not told.value // 1000 % 2} == {False}


def test_a_host_that_came_late_asks_for_a_birth(tmp_path: Path, peer: Peer) -> None:
    with playing(tmp_path, peer) as (it, host, ear):
        it.transport.prepare()
        it.read(1.5)
        assert until(lambda: host.told)
        it.house.later(CALM)
        ear.ask_for_birth()
        assert until(lambda: it.transport.tend() and host.heard.count("NBIRTH") == 2)
        assert host.bdseqs == [0, 0]
        it.read(1.6)
        assert until(lambda: len(host.told) == 2)


def test_hosts_that_ask_again_and_again_get_a_birth_a_second(tmp_path: Path, peer: Peer) -> None:
    with playing(tmp_path, peer) as (it, host, ear):
        it.transport.prepare()
        for births in (1, 2, 3):
            for _ in range(20):
                ear.ask_for_birth()
                assert it.read(1.5) is TAKEN  # its proof of receipt comes after what was asked for
            it.house.later(CALM)
            assert it.transport.tend().kind is TAKEN
            assert until(lambda births=births: host.heard.count("NBIRTH") > births)
        assert it.read(1.5) is TAKEN
        assert until(lambda: len(host.values("tank", "level")) == 61)
        assert host.heard.count("NBIRTH") <= 1 + 3 * (1 + 20 * 0.1 / CALM)


def test_a_birth_is_asked_for_in_the_middle_of_a_batch(tmp_path: Path, peer: Peer) -> None:
    with playing(tmp_path, peer) as (it, host, ear):
        it.transport.prepare()
        for _ in range(5):
            ear.ask_for_birth()
            readings = [Reading("tank.level", float(n), it.house.later(0.001)) for n in range(2000)]
            assert it.send(*readings) is TAKEN
        assert until(lambda: len(host.told) == 10_000)
        assert host.heard.count("NBIRTH") > 1


def test_commands_that_are_none_are_logged_and_a_retained_one_is_none(tmp_path: Path, peer: Peer) -> None:
    with playing(tmp_path, peer) as (it, host, ear):
        ear.ask_for_birth(retain=True)
        it.transport.prepare()
        for garbage in (b"\xff", b"{}", os.urandom(50), b""):
            ear.command(garbage)
        assert it.read(1.5) is TAKEN
        assert it.transport.tend().kind is TAKEN
        assert until(lambda: host.told)
        assert host.heard.count("NBIRTH") == 1


def test_a_device_that_is_lost_dies_after_its_last_readings(tmp_path: Path, peer: Peer) -> None:
    with playing(tmp_path, peer) as (it, host, _):
        it.transport.prepare()
        lost = LinkChanged("tank", False, it.house.later(1), Reason.TIMEOUT)
        it.house.step(lost)
        it.send(lost, Reading("tank.level", 1.5, it.house.at))
        it.transport.tend()
        assert until(lambda: host.values("", "device/tank/up") == [False])
        assert "tank" in host.devices
        it.house.later(SETTLED)
        it.transport.tend()
        assert until(lambda: host.heard[-1] == "DDEATH/tank")
        it.house.step(LinkChanged("tank", True, it.house.later(1)))
        it.transport.tend()
        assert until(lambda: host.heard[-1] == "DBIRTH/tank")


def test_a_connection_that_was_lost_is_followed_by_one_of_the_next_number(tmp_path: Path, peer: Peer) -> None:
    with Uplink(peer.port) as uplink, playing(tmp_path, peer, port=uplink.port) as (it, host, _):
        it.transport.prepare()
        assert until(lambda: host.online)
        uplink.turn(Weather.REFUSED)
        assert until(lambda: it.transport.tend().kind is LATER)
        assert it.read(1.5) is LATER
        assert [it.transport.prepare().kind for _ in range(3)] == [LATER] * 3
        assert until(lambda: not host.online)
        uplink.turn(Weather.FINE)
        assert it.transport.prepare().kind is TAKEN
        assert it.read(1.5) is TAKEN
        assert until(lambda: host.values("tank", "level") == [1.5])
        assert host.bdseqs == [0, 1]


@pytest.mark.slow
def test_what_a_black_hole_swallowed_was_not_taken(
    tmp_path: Path, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CONNECT", "ANSWER"):
        monkeypatch.setattr(connection, name, 1.0)
    with Uplink(peer.port) as uplink, playing(tmp_path, peer, port=uplink.port) as (it, host, _):
        it.transport.prepare()
        assert it.read(1.0) is TAKEN
        uplink.turn(Weather.BLACK_HOLE)
        swallowed = Reading("tank.level", 2.0, it.house.later(1))
        it.house.step(swallowed)
        assert it.send(swallowed) is LATER
        newer = Reading("tank.level", 3.0, it.house.later(1))
        it.house.step(newer)
        uplink.turn(Weather.FINE)
        assert until(lambda: it.transport.prepare().kind is TAKEN)
        assert it.send(swallowed, newer) is TAKEN
        assert until(lambda: host.values("tank", "level") == [1.0, 2.0, 3.0])
        assert [told.historical for told in host.told if told.device == "tank"] == [False, True, False]


def test_a_reload_is_a_new_birth(tmp_path: Path, peer: Peer) -> None:
    with playing(tmp_path, peer) as (it, host, _):
        it.transport.prepare()
        site = it.house.site
        less = replace(site, links=tuple(link for link in site.links if "tank" not in link.devices))
        it.house.board = it.house.board.carried(less)
        it.transport.site_changed()
        it.transport.tend()
        assert until(lambda: host.heard.count("NBIRTH") == 2)
        it.read(1.5)  # was still on its way
        assert until(lambda: host.heard[-1] == "DDEATH/tank")
        assert host.values("tank", "level") == [1.5]


def test_a_birth_tells_of_nothing_that_is_not_wanted(tmp_path: Path, peer: Peer) -> None:
    plan = replace(PLAN, only=Filter(frozenset({Kind.READING, Kind.ALARM}), ("tank.*",)))
    with playing(tmp_path, peer, plan) as (it, host, _):
        it.house.read(tank_level=1.5, lift__a_speed=1.0)
        assert it.transport.prepare().kind is TAKEN
        assert until(lambda: len(host.devices) == len(it.house.board.devices))
        devices = {device for device, _ in host.types}
        assert devices == {"", "tank"}
        assert not [name for device, name in host.types if not device and name.startswith("fire")]


def test_a_line_that_is_none_is_malformed(tmp_path: Path, peer: Peer) -> None:
    with playing(tmp_path, peer) as (it, host, _):
        it.transport.prepare()
        assert it.transport.send([b"no line"], Lane.LIVE).kind is answers.Kind.MALFORMED
        assert it.transport.send([b'reading,device=a,point=b quality="odd" 1'], Lane.LIVE).kind is (
            answers.Kind.MALFORMED
        )
        assert until(lambda: host.online)
