"""A device is made ill and well by name, and the gateway tells which way."""

import pytest

from sitewarden.rules.model import LinkChanged, Quality, Reading, Reason
from sitewarden.simulators.ailments import Ailment
from sitewarden.simulators.presses import picture
from sitewarden.simulators.world import World
from tests.scenarios import site

T0 = site.START.mono


@pytest.fixture
def world() -> World:
    """Up for five seconds."""
    world = World(site.plan(), site.links(), site.permits(), seed=5, start=site.START)
    world.run(T0 + 5)
    return world


def reasons(world: World, device: str, since: float) -> set[Reason]:
    """Why readings of the device were not good, or NONE."""
    return {
        effect.reason
        for mono, effect in world.effects
        if isinstance(effect, Reading) and effect.point.startswith(f"{device}.") and mono > since
    }


@pytest.mark.parametrize("ailment", Ailment)
def test_a_device_falls_ill_and_is_mended(world: World, ailment: Ailment) -> None:
    well = picture(world.estate)
    world.press("device_fault", f"pump-1/{ailment}")
    assert picture(world.estate) != well
    world.run(T0 + 65)
    world.press("device_mended", "pump-1")
    assert picture(world.estate) == well
    world.run(T0 + 165)
    newest = {
        effect.point: effect.quality
        for _, effect in world.effects
        if isinstance(effect, Reading) and effect.point.startswith("pump-")
    }
    assert world.failures == []
    assert reasons(world, "pump-2", T0 + 6) <= {Reason.NONE}, "the other device on the wire feels nothing"
    half_dead = ailment is Ailment.HALF_DEAD
    assert half_dead or set(newest.values()) == {Quality.GOOD}


def test_a_deaf_device_is_offline_and_a_half_dead_one_lacks_half(world: World) -> None:
    world.press("device_fault", "pump-1/deaf")
    world.press("device_fault", "pump-2/half_dead")
    world.run(T0 + 30)
    down = {e.device for _, e in world.effects if isinstance(e, LinkChanged) and not e.up}
    assert down == {"pump-1"}
    newest = {e.point: e.quality for _, e in world.effects if isinstance(e, Reading)}
    bad = {point for point, quality in newest.items() if quality is not Quality.GOOD and "pump-2" in point}
    assert bad == {"pump-2.speed", "pump-2.power", "pump-2.starts"}


def test_a_fault_that_does_not_exist_is_refused(world: World) -> None:
    for target in ("pump-1", "pump-1/tired", "nowhere/deaf"):
        with pytest.raises(KeyError):
            world.press("device_fault", target)
