"""A lift that travels, opens its doors and traps a passenger."""

from random import Random

from sitewarden.simulators.lift_faces import board_a_face
from sitewarden.simulators.plant.lift import Lift, Phase
from tests.scenarios import site

NOON = 12


def run(lift: Lift, begin: float, seconds: float, step: float = 0.1) -> set[Phase]:
    phases = set()
    for number in range(round(seconds / step)):
        lift.advance(begin + number * step, NOON)
        phases.add(lift.phase)
        assert lift.lowest <= lift.position <= lift.highest
        assert not (lift.door_open and lift.speed), "it never travels with an open door"
        assert abs(lift.speed) < 2.5
    return phases


def faults(lift: Lift, mono: float) -> set[str]:
    lift.advance(mono, NOON)
    at = site.stamp(mono)
    return {name for name, get in board_a_face(lift).items() if name.startswith("fault_") and get(at)}


def test_it_serves_calls_through_every_phase() -> None:
    lift = Lift(Random(1), 0.0)
    assert run(lift, 0.0, 3600.0) == set(Phase) - {Phase.STUCK}
    assert lift.doors > 10
    assert lift.floors_run > 10


def test_it_is_where_it_is_however_often_one_looks() -> None:
    often, seldom = Lift(Random(3), 0.0), Lift(Random(3), 0.0)
    run(often, 0.0, 1000.0)
    often.advance(1000.0, NOON)
    seldom.advance(1000.0, NOON)
    assert (often.position, often.phase, often.doors) == (seldom.position, seldom.phase, seldom.doors)


def test_a_trapped_passenger_is_reported_after_its_time_and_freed_at_a_floor() -> None:
    lift = Lift(Random(2), 0.0)
    run(lift, 0.0, 100.0)
    lift.trap(100.0)
    assert [faults(lift, 100.0 + after) for after in (9.9, 10.0, 44.9, 45.0)] == [
        set(),
        {"fault_unlevelled_trap"},
        {"fault_unlevelled_trap"},
        {"fault_unlevelled_trap", "fault_stop_outside_zone"},
    ]
    assert lift.person
    assert not lift.levelled
    lift.advance(5000.0, NOON)
    assert lift.phase is Phase.STUCK
    lift.free(5000.0)
    lift.advance(5001.0, NOON)
    assert not faults(lift, 5001.0)
    assert lift.levelled
    assert lift.door_open


def test_it_shakes_while_it_travels_and_stands_still_between() -> None:
    lift, shaking = Lift(Random(1), 0.0), dict[Phase, float]()
    for second in range(600):
        lift.advance(second, NOON)
        seen = board_a_face(lift)["vibration_z"](site.stamp(second))
        assert isinstance(seen, float)
        shaking[lift.phase] = max(seen, shaking.get(lift.phase, 0))
    assert 0.3 > shaking[Phase.TRAVELLING] > 3 * shaking[Phase.OPEN] > 0.0
    assert 0.3 < lift.acceleration < 1.5
