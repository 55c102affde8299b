"""One thing goes wrong at a time, and the rest of the estate does not notice."""

import pytest

from sitewarden.drivers.modbus.points import Table
from sitewarden.rules.model import (
    Action,
    AlarmChange,
    AlarmState,
    Decision,
    FireChange,
    Operator,
    Passage,
    Quality,
    Reading,
    Reason,
)
from sitewarden.simulators.estate import Switched
from sitewarden.simulators.gate import Car
from sitewarden.simulators.world import World
from tests.scenarios import site
from tests.scenarios.test_day import raised

T0 = site.START.mono
CARD = site.permits()[0].card


@pytest.fixture
def world() -> World:
    """Up for five seconds."""
    site_ = World(site.plan(), site.links(), site.permits(), seed=5, start=site.START)
    site_.run(T0 + 5)
    return site_


def over(world: World, rule: str) -> bool:
    return any(
        isinstance(effect, AlarmChange)
        and effect.alarm.id.partition(":")[0] == rule
        and effect.alarm.state in (AlarmState.RETURNED, AlarmState.NORMAL)
        for _, effect in world.effects
    )


def readings(world: World, device: str, since: float) -> list[Reading]:
    return [
        effect
        for mono, effect in world.effects
        if isinstance(effect, Reading) and effect.point.startswith(f"{device}.") and mono >= since
    ]


def test_an_arm_that_does_not_move_is_reported(world: World) -> None:
    world.estate.gates["in-1"].arm.blocked = True
    world.press("swipe", f"in-1/{CARD}")
    world.run(T0 + 20)
    assert raised(world, "barrier_stuck")
    assert not [effect for _, effect in world.effects if isinstance(effect, Passage)]


def test_a_car_on_anothers_bumper_is_an_unexplained_passage(world: World) -> None:
    world.press("swipe", f"in-1/{CARD}")
    world.estate.arrive("in-1", Car(tailgates=True), world.mono)
    world.run(T0 + 30)
    passages = [effect.card for _, effect in world.effects if isinstance(effect, Passage)]
    assert passages == [CARD, ""]
    assert raised(world, "unexplained_passage")


def test_a_dead_unit_takes_only_its_own_points_down(world: World) -> None:
    world.estate.units["pump-2"].deaf = True
    world.run(T0 + 60)
    assert {reading.reason for reading in readings(world, "pump-2", T0 + 6) if reading.value is not None} == {
        Reason.TIMEOUT
    }
    assert all(reading.quality is Quality.GOOD for reading in readings(world, "pump-1", T0 + 6))
    assert raised(world, "device_offline")
    world.estate.units["pump-2"].deaf = False
    world.run(T0 + 180)
    assert readings(world, "pump-2", T0 + 61)[-1].quality is Quality.GOOD
    assert over(world, "device_offline")


def test_registers_that_a_device_does_not_have_cost_only_themselves(world: World) -> None:
    world.estate.units["pump-1"].registers.refused[Table.HOLDING, 301] = 2
    world.run(T0 + 20)
    newest = {reading.point: reading for reading in readings(world, "pump-1", T0)}
    bad = {point for point, reading in newest.items() if reading.quality is not Quality.GOOD}
    assert bad == {"pump-1.flow"}
    assert newest["pump-1.flow"].reason is Reason.ILLEGAL_ADDRESS


def test_a_slow_unit_is_still_read(world: World) -> None:
    world.estate.units["tank-1"].turnaround = 0.2
    world.estate.works.tank.level = 1.0
    world.run(T0 + 8)
    assert any(reading.value == pytest.approx(1.0, abs=0.02) for reading in readings(world, "tank-1", T0 + 5))


@pytest.mark.parametrize("fault", ["open", "short"])
def test_a_broken_fire_line_is_a_fault_and_no_fire(world: World, fault: str) -> None:
    world.press("line_fault", f"panel-1/{fault}")
    world.run(T0 + 10)
    assert raised(world, "fire_fault")
    assert not [effect for _, effect in world.effects if isinstance(effect, FireChange)]
    assert world.estate.gates["in-1"].arm.closed
    world.press("line_mended", "panel-1")
    world.run(T0 + 15)
    assert over(world, "fire_fault")


def test_a_fire_in_the_middle_of_a_passage_keeps_the_arm_up(world: World) -> None:
    world.press("swipe", f"in-1/{CARD}")
    world.run(T0 + 5.3)
    world.press("fire", "panel-1")
    world.run(T0 + 120)
    for gate in world.estate.gates.values():
        assert gate.arm.opened
    assert [seen.on for seen in world.seen if isinstance(seen, Switched) and seen.output == "out2"] == [True]


def test_a_box_that_was_unplugged_in_the_fire_opens_when_it_is_back(world: World) -> None:
    world.press("fire", "panel-1")
    world.run(T0 + 6)
    world.press("unplug", "bus-1")
    gate = world.estate.gates["in-1"]
    gate.arm.hold_open(False, world.mono)
    gate.arm.close(world.mono)
    world.run(T0 + 30)
    assert gate.arm.closed
    world.press("plug", "bus-1")
    world.run(T0 + 45)
    assert gate.arm.open_held
    assert gate.arm.opened


def test_an_unplugged_reader_is_an_alarm_and_works_again_when_it_is_back(world: World) -> None:
    world.press("unplug", "gate-in")
    world.press("swipe", f"in-1/{CARD}")
    world.run(T0 + 60)
    assert not [effect for _, effect in world.effects if isinstance(effect, Decision)]
    assert raised(world, "device_offline")
    world.press("plug", "gate-in")
    world.press("swipe", f"in-1/{CARD}")
    world.run(T0 + 90)
    assert [effect.card for _, effect in world.effects if isinstance(effect, Passage)] == [CARD]


def test_an_operator_opens_and_the_car_is_explained(world: World) -> None:
    world.press("car_arrives", "in-1/")
    world.tell(Operator(Action.OPEN, "in-1", "guard", world.now, "visitor of 3-1201"))
    world.run(T0 + 30)
    assert [effect.card for _, effect in world.effects if isinstance(effect, Passage)] == [""]
    assert not raised(world, "unexplained_passage")
