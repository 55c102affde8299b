"""A bad uplink in front of a real InfluxDB and a real broker, and a gateway that is killed meanwhile."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest

from tests.gateway.northbound import Northbound, heard, stored
from tests.uplink import Weather

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(180)]

WITHIN = 10.0  # s from the uplink's return to the first data
COMMIT = timedelta(seconds=1.5)  # what a power cut may take: the group commit, and a busy machine


@pytest.fixture
def north(tmp_path: Path) -> Iterator[Northbound]:
    with ExitStack() as stack:
        yield Northbound(tmp_path, stack)


@pytest.mark.parametrize(
    ("weather", "lasts"),
    [
        (Weather.BLACK_HOLE, 40.0),
        (Weather.REFUSED, 10.0),
        (Weather.SLOW, 12.0),
        (Weather.SICK, 10.0),
    ],
)
def test_nothing_is_lost_and_the_first_data_is_through_within_seconds(
    north: Northbound, weather: Weather, lasts: float
) -> None:
    site, street = north.site, north.site.street
    site.until(lambda: all(north.newest))
    north.turn(weather)
    sleep(lasts / 2)
    crash = north.crash()
    sleep(lasts / 2)
    north.turn(Weather.FINE)
    back = street.shown[-1][1]
    site.until(lambda: min(north.newest) > back, WITHIN)
    north.settle()

    looks = [number for _, number in street.shown]
    lost = {number for at, number in street.shown if crash - COMMIT < at <= crash + COMMIT}
    rows = stored(north.influx)
    assert rows == sorted(set(rows)), "in order and once"
    assert set(looks) - set(rows) <= lost
    site.until(lambda: set(looks) - heard(north.seen) <= lost)
