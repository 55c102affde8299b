"""The gateway loses its power at any instant and comes up again from what the disk has."""

import pytest

from sitewarden.rules.model import Decision
from sitewarden.simulators.estate import Switched
from sitewarden.simulators.world import World
from tests.scenarios import site
from tests.scenarios.test_day import check_every_movement_is_explained, check_readings_in_order

T0 = site.START.mono


def world(seed: int = 5, cars_an_hour: float = 0.0) -> World:
    return World(site.plan(), site.links(), site.permits(), seed, site.START, cars_an_hour)


def test_a_fire_survives_a_crash() -> None:
    site_ = world()
    site_.run(T0 + 5)
    site_.press("fire", "panel-1")
    site_.run(T0 + 8)
    site_.crash()
    site_.run(T0 + 20)
    site_.restart()
    site_.press("fire_over", "panel-1")
    site_.run(T0 + 200)
    assert all(gate.arm.opened for gate in site_.estate.gates.values())
    assert [s.on for s in site_.seen if isinstance(s, Switched)] == [True, True]


def test_who_is_inside_survives_a_crash() -> None:
    site_ = world()
    site_.run(T0 + 5)
    card = site.permits()[0].card
    for _ in range(2):
        site_.press("swipe", f"in-1/{card}")
        site_.run(site_.mono + 30)
        site_.crash()
        site_.run(site_.mono + 1)
        site_.restart()
    whys = [effect.why for _, effect in site_.effects if isinstance(effect, Decision)]
    assert whys[:2] == ["permit", "already_inside"]


INSTANTS = (0.005, 0.03, 0.2, 0.5, 0.9, 2.0, 3.5, 5.0, 7.0, 9.0)  # s from the swipe, to the arm down again


def crash_after(seconds: float) -> World:
    """A car is let in, and the power is off for a second some time on its way."""
    site_ = world()
    site_.run(T0 + 5)
    site_.press("swipe", "in-1/valid")
    site_.run(site_.mono + seconds)
    site_.crash()
    site_.run(site_.mono + 1)
    site_.restart()
    site_.run(site_.mono + 60)
    return site_


@pytest.mark.parametrize("seconds", INSTANTS)
def test_a_crash_on_the_way_leaves_no_arm_up_and_moves_none_without_a_record(seconds: float) -> None:
    site_ = crash_after(seconds)
    check_every_movement_is_explained(site_)
    check_readings_in_order(site_)
    arm = site_.estate.gates["in-1"].arm
    assert not arm.open_held, "a pulse that the crash cut short is ended"
    assert arm.closed
    assert not arm.fell_on_car
    assert site_.failures == []
