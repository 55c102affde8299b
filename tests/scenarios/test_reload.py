"""Another configuration for a running site, and starts at which something is not there."""

from dataclasses import replace

import pytest

from sitewarden.drivers.plan import BusPlan, LinkPlan
from sitewarden.rules.model import Action, AlarmChange, Operator
from sitewarden.simulators.world import World
from tests.scenarios import site
from tests.scenarios.test_day import raised
from tests.scenarios.test_faults import over

T0 = site.START.mono
CARD = site.permits()[0].card
WITHOUT_EXIT = [link for link in site.links() if link.name != "gate-out"]
ENTRY_ONLY = replace(
    site.plan(),
    devices=site.plan().devices - {"reader-out"},
    parking=replace(site.plan().parking, lanes=site.plan().parking.lanes[:1]),
)


@pytest.fixture
def world() -> World:
    """Up for five seconds."""
    site_ = World(site.plan(), site.links(), site.permits(), seed=5, start=site.START)
    site_.run(T0 + 5)
    return site_


def altered(link: LinkPlan) -> LinkPlan:
    """A bus with another time-out."""
    wire = link.wire
    assert isinstance(wire, BusPlan)
    return replace(link, wire=replace(wire, units=tuple(replace(u, timeout=0.7) for u in wire.units)))


def with_altered(name: str) -> list[LinkPlan]:
    return [altered(link) if link.name == name else link for link in site.links()]


def lifted(world: World) -> dict[str, bool]:
    """By lane: whether its relay holds the arm up."""
    return {lane: gate.arm.open_held for lane, gate in world.estate.gates.items()}


def alarms(world: World) -> set[str]:
    return {effect.alarm.id for _, effect in world.effects if isinstance(effect, AlarmChange)}


def test_a_reload_that_alters_a_bus_goes_unnoticed(world: World) -> None:
    world.reload(site.plan(), with_altered("bus-1"))
    world.run(T0 + 60)
    world.press("swipe", f"in-1/{CARD}")
    world.run(T0 + 65)
    assert world.estate.gates["in-1"].arm.opened
    assert alarms(world) == set()


def test_a_bus_that_is_altered_in_the_middle_of_a_pulse_ends_it(world: World) -> None:
    world.press("swipe", f"in-1/{CARD}")
    while not lifted(world)["in-1"]:
        world.run(world.mono + 0.01)
    world.reload(site.plan(), with_altered("bus-1"))
    world.run(world.mono + 5)
    assert not lifted(world)["in-1"]


def test_a_lane_that_is_taken_away_in_a_fire_is_let_go_with_the_reset(world: World) -> None:
    world.press("fire", "panel-1")
    world.run(T0 + 15)
    world.reload(ENTRY_ONLY, WITHOUT_EXIT)
    world.run(T0 + 60)
    assert lifted(world) == {"in-1": True, "out-1": True}
    world.press("fire_over", "panel-1")
    world.run(T0 + 70)
    world.tell(Operator(Action.RESET_FIRE, "", "guard", world.now))
    world.run(T0 + 75)
    assert lifted(world) == {"in-1": False, "out-1": False}


def test_a_reader_that_was_taken_away_is_heard_no_more(world: World) -> None:
    world.reload(ENTRY_ONLY, WITHOUT_EXIT)
    world.press("swipe", f"out-1/{CARD}")
    world.press("unplug", "gate-out")
    world.press("plug", "gate-out")
    world.run(T0 + 60)
    assert not raised(world, "device_offline")
    assert not world.estate.gates["out-1"].arm.opened


def test_what_is_not_there_at_a_start_is_an_alarm_until_it_comes() -> None:
    world = World(site.plan(), site.links(), site.permits(), seed=5, start=site.START)
    world.crash()
    world.press("unplug", "gate-in")
    world.press("unplug", "bus-1")
    world.restart()
    world.run(T0 + 30)
    gone = {"device_offline:reader-in", "device_offline:io-gate", "device_offline:io-fire"}
    assert alarms(world) == {*gone, "fire_fault:panel-1"}
    world.press("plug", "gate-in")
    world.press("plug", "bus-1")
    world.run(T0 + 60)
    assert over(world, "device_offline")
    assert over(world, "fire_fault")
