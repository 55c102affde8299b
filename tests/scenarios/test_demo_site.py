"""The example site that everybody starts with, alive in virtual time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sitewarden.config.profile import load_profile
from sitewarden.config.site import Site, load
from sitewarden.drivers.plan import BusPlan
from sitewarden.rules.model import Decision, Quality, Reading
from sitewarden.simulators.controls import controls
from sitewarden.simulators.estate import Estate
from sitewarden.simulators.world import World
from tests.scenarios import site as example

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture(scope="module")
def demo() -> Site:
    return load(CONFIG / "demo/site.yaml")


def points(demo: Site) -> Iterator[str]:
    for link in demo.links:
        if isinstance(link.wire, BusPlan):
            for unit in link.wire.units:
                yield from (f"{unit.device}.{point.name}" for point in unit.profile.points)


def test_every_point_reads_well(demo: Site) -> None:
    world = World(demo.plan, demo.links, example.permits(), 1, example.START, cars_an_hour=400.0)
    world.run(example.START.mono + 60)
    readings = {effect.point: effect for _, effect in world.effects if isinstance(effect, Reading)}
    assert set(readings) == set(points(demo))
    assert {name: reading for name, reading in readings.items() if reading.quality is not Quality.GOOD} == {}
    assert any(isinstance(effect, Decision) for _, effect in world.effects)


@pytest.mark.slow
def test_every_button_can_be_pressed(demo: Site) -> None:
    world = World(demo.plan, demo.links, example.permits(), 1, example.START)
    for number, control in enumerate(controls(world.estate)):
        world.run(example.START.mono + 3.0 * number)
        world.press(control.name, control.target)
    world.run(example.START.mono + 400)
    assert world.failures == []
    assert world.estate.unplugged == set()


@pytest.mark.parametrize(
    "name",
    ["grundfos-cim", "level-4-20ma", "lift-monitor-a", "supervised-input-4", "two-pump-sump"],
)
def test_the_plant_shows_itself_in_points_that_the_profile_has(name: str) -> None:
    profile = load_profile(name, [CONFIG / "profiles"])
    link = example.one_unit(profile)
    estate = Estate(example.bare_plan(), [link], [], 1, example.START)
    assert set(estate.sources["unit"].inputs) <= {point.name for point in profile.points}
