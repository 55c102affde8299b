"""From the spool to a Sparkplug host, across kills and a bad uplink: nothing is lost, no rule is broken."""

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from sitewarden.gateway.spool.spool import Spool
from tests.gateway import sparkplug_under_test
from tests.gateway.sparkplug_ear import Ear
from tests.gateway.sparkplug_host import Host
from tests.servers import mosquitto, running, until
from tests.uplink import Uplink, Weather

pytestmark = [pytest.mark.server, pytest.mark.slow]

SECOND = 1_000_000_000  # ns


def fill(spool: Spool, first: int, count: int, at: int) -> None:
    """`count` readings a millisecond apart, numbered from `first`, from `at` ns on."""
    instants = range(at, at + count * 1_000_000, 1_000_000)
    lines = [
        b'reading,site=cuihu,device=tank,point=level value=%d.0,quality="good" %d' % (number, ns)
        for number, ns in enumerate(instants, first)
    ]
    spool.append(lines, instants[0], instants[-1])


def numbers(host: Host) -> set[object]:
    return set(host.values("tank", "level"))


def test_nothing_is_lost_by_kills_and_each_death_has_the_number_of_its_birth(tmp_path: Path) -> None:
    count = 12_000
    with closing(Spool(tmp_path / "spool.db", ["broker"])) as spool:
        for first in range(0, count, 500):
            fill(spool, first, 500, time.time_ns() - (3600 - first // 500) * SECOND)
    (tmp_path / "broker").mkdir()
    with running(mosquitto(tmp_path / "broker")) as peer, closing(Ear(peer.port)) as ear:
        program = sparkplug_under_test.__file__ or ""
        command = [sys.executable, program, str(tmp_path), str(peer.port)]
        for killed in range(3):
            with subprocess.Popen(command) as process:
                heard = len(ear.host.told)
                assert until(lambda heard=heard: len(ear.host.told) > heard + 500, 20.0)
                process.kill()
            assert until(lambda: not ear.host.online)
            assert ear.host.heard[-1] == "NDEATH"
            assert ear.host.bdseqs[-1] == ear.host.bdseq == killed
            assert len(numbers(ear.host)) < count
        subprocess.run(command, check=True, timeout=40)
        assert until(lambda: not ear.host.online)
        assert numbers(ear.host) == {float(number) for number in range(count)}
        assert {told.historical for told in ear.host.told} == {True}
        assert ear.host.complaints == []


def test_a_black_hole_swallows_nothing_for_good_and_what_is_new_comes_first(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    with (
        running(mosquitto(tmp_path / "broker")) as peer,
        Uplink(peer.port) as uplink,
        closing(Ear(peer.port)) as ear,
        closing(Spool(tmp_path / "spool.db", ["broker"])) as spool,
    ):
        it = sparkplug_under_test.carrier(tmp_path, uplink.port, spool)
        it.start()
        sent = 0

        def tell(seconds: float) -> None:
            nonlocal sent
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                fill(spool, sent, 20, time.time_ns() - SECOND // 20)
                sent += 20
                time.sleep(0.05)

        tell(1.0)
        assert until(lambda: len(numbers(ear.host)) == sent)
        uplink.turn(Weather.BLACK_HOLE)
        tell(3.0)
        heard = len(ear.host.told)
        uplink.turn(Weather.FINE)
        back = time.monotonic()
        assert until(lambda: len(ear.host.told) > heard, 10.0)
        assert time.monotonic() - back < 10.0
        tell(0.5)
        assert until(lambda: len(numbers(ear.host)) == sent, 10.0)
        it.stop(6.0)
        assert until(lambda: not ear.host.online)
        assert ear.host.complaints == []
