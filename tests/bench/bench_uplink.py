"""How soon the first data is through once an uplink is back."""

from collections.abc import Iterator
from contextlib import ExitStack
from time import perf_counter, sleep

from tests.bench.installation import folder
from tests.bench.measure import Figure
from tests.gateway.northbound import Northbound
from tests.uplink import Weather

LASTS = {Weather.BLACK_HOLE: 40.0, Weather.REFUSED: 10.0, Weather.SLOW: 10.0, Weather.SICK: 10.0}  # s
LOOK = 0.05  # s
GIVEN_UP = 30.0  # s


def figures() -> Iterator[Figure]:
    with folder() as path, ExitStack() as end:
        north = Northbound(path, end)
        north.site.until(lambda: all(north.newest))
        for weather, lasts in LASTS.items():
            took = _back(north, weather, lasts)
            for server, seconds in zip(("influxd", "mosquitto"), took, strict=True):
                name = weather.replace(" ", "_")
                note = f"after {lasts:g} s"
                yield Figure(f"uplink.{name}_{server}", seconds, "s", target=10.0, note=note)


def _back(north: Northbound, weather: Weather, lasts: float) -> list[float]:
    """s from the return of each uplink until what was measured after it is there."""
    north.turn(weather)
    sleep(lasts)
    north.turn(Weather.FINE)
    back, begun = north.site.street.shown[-1][1], perf_counter()
    took = [GIVEN_UP, GIVEN_UP]
    while GIVEN_UP in took and perf_counter() - begun < GIVEN_UP:
        for place, newest in enumerate(north.newest):
            if newest > back:
                took[place] = min(took[place], perf_counter() - begun)
        sleep(LOOK)
    return took
