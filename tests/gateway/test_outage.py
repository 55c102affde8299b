"""The disk under a running gateway is slow, or takes nothing: barriers open all the same."""

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import sleep

import pytest

from tests.gateway.live import free_port
from tests.gateway.remains import Remains
from tests.gateway.street import StreetSite

pytestmark = pytest.mark.slow

LIMIT = 0.150  # s a commit may hold up a barrier
BUSY = 0.35  # s that a machine with other things to do may add
SINKS = """\
sinks:
  away: {type: influxdb, version: v1, url: "http://127.0.0.1:%d", bucket: sitewarden}
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[StreetSite]:
    with closing(StreetSite(tmp_path, SINKS % free_port())) as it:
        it.start(30.0)
        yield it


def recorded(site: StreetSite) -> list[str]:
    """The cards that were let in, as the journal has them."""
    with closing(sqlite3.connect(site.site.data / "journal.db")) as db:
        return [str(card) for (card,) in db.execute("SELECT card FROM decisions WHERE verdict = 'granted'")]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another process has begun to write and does not go on: no commit of ours gets through."""
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def refusing(site: StreetSite) -> Iterator[None]:
    """No file of the gateway's process takes a byte more, its log included."""
    assert site.process
    _, hard = resource.prlimit(site.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(site.process.pid, resource.RLIMIT_FSIZE, (512, hard))
    yield
    resource.prlimit(site.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


def test_a_late_commit_holds_up_a_barrier_for_its_limit_and_no_longer(site: StreetSite) -> None:
    assert site.opens(0) < LIMIT
    with locked(site.site.data / "journal.db"):
        assert LIMIT <= site.opens(1) < LIMIT + BUSY
        site.until(lambda: site.alarms().get("journal_late:journal") == "unacknowledged")
        assert recorded(site) == [site.permits[0].card]
    site.until(lambda: site.alarms()["journal_late:journal"] == "returned_unacknowledged")
    assert recorded(site) == [permit.card for permit in site.permits[:2]]
    assert site.opens(2) < LIMIT


def test_a_journal_that_is_shut_for_long_gets_every_record_in_the_end(site: StreetSite) -> None:
    with locked(site.site.data / "journal.db"):
        assert LIMIT <= site.opens(0) < LIMIT + BUSY
        site.until(lambda: site.alarms().get("journal_failed:journal") == "unacknowledged", 15.0)
        site.opens(1)
    site.opens(2)
    site.until(lambda: site.alarms()["journal_failed:journal"] == "returned_unacknowledged")
    assert recorded(site) == [permit.card for permit in site.permits[:3]]


def test_a_disk_that_takes_nothing_stops_no_barrier_and_no_fire(site: StreetSite) -> None:
    site.opens(0)
    log = site.log.stat().st_size
    with refusing(site):
        assert site.opens(1) < LIMIT + BUSY
        alarms = {"journal_failed:journal", "spool_failed:spool"}
        site.until(lambda: alarms <= site.alarms().keys())
        assert site.opens(2) < LIMIT + BUSY
        site.street.burn(True)
        site.until(lambda: site.street.held, 5.0)
        site.street.burn(False)
        site.until(lambda: site.ask("GET", "/site")["fire"]["stage"] == "held")
        assert site.log.stat().st_size == log
    site.ask("POST", "/fire/reset")
    site.until(lambda: not site.street.moves[-1].on)
    assert site.opens(3) < LIMIT
    site.until(lambda: {site.alarms()[alarm] for alarm in alarms} == {"returned_unacknowledged"})
    assert recorded(site) == [permit.card for permit in site.permits[:4]]
    site.street.still = True
    sleep(1.0)  # what the meter said last goes into the spool
    site.end()
    spooled = Remains(site.site.data, site.config.parent / "remains", "away").spooled("count")
    assert spooled == [number for _, number in site.street.shown]
    with closing(sqlite3.connect(site.site.data / "journal.db")) as db:
        stages = [after for (after,) in db.execute("SELECT after FROM fires ORDER BY id")]
    assert stages == ["fire", "held", "normal"]
