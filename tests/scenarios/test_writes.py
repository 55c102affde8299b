"""A write from the operator's word to the device and back, in the whole estate."""

import pytest

from sitewarden.drivers.modbus.points import Table
from sitewarden.rules.model import (
    Action,
    AlarmChange,
    Command,
    Do,
    Keep,
    Operator,
    Outcome,
    Value,
    Write,
)
from sitewarden.rules.writes import PATIENCE
from sitewarden.simulators.world import World
from tests.scenarios import site
from tests.scenarios.test_day import raised

T0 = site.START.mono
LAMP = "io-gate.out7"


@pytest.fixture
def world() -> World:
    """Up for five seconds."""
    made = World(site.plan(), site.links(), site.permits(), seed=5, start=site.START)
    made.run(T0 + 5)
    return made


def write(world: World, value: Value, point: str = LAMP) -> None:
    world.tell(Operator(Action.WRITE, point, "engineer", world.now, "test", value))


def writes(world: World) -> list[tuple[float, Write]]:
    return [(mono, effect) for mono, effect in world.effects if isinstance(effect, Write)]


def lamp(world: World) -> bool:
    return bool(world.estate.units["io-gate"].registers.read(Table.COIL, 6, 1, world.now)[0])


def test_a_value_is_at_the_device_and_its_record_complete_within_half_a_second(world: World) -> None:
    write(world, True)
    world.run(T0 + 5.5)
    ((_, ended),) = writes(world)
    assert lamp(world)
    assert (ended.point, ended.value, ended.before, ended.read) == (LAMP, True, False, True)
    assert (ended.by, ended.note, ended.outcome) == ("engineer", "test", Outcome.VERIFIED)
    assert not raised(world, "write_lapsed")


def test_while_the_wire_is_away_it_lapses_and_is_not_done_later(world: World) -> None:
    world.press("unplug", "bus-1")
    world.run(T0 + 6)
    write(world, True)
    world.run(T0 + 30)
    ((mono, ended),) = writes(world)
    assert ended.outcome is Outcome.LAPSED
    assert mono == pytest.approx(T0 + 6 + PATIENCE, abs=0.01)
    assert raised(world, "write_lapsed")
    world.press("plug", "bus-1")
    world.run(T0 + 90)
    assert not lamp(world)
    assert len(writes(world)) == 1


def test_a_crash_and_a_start_tell_of_it_and_do_not_write_it_again(world: World) -> None:
    world.press("unplug", "bus-1")
    world.run(T0 + 6)
    write(world, True)
    world.run(T0 + 7)
    world.crash()
    world.run(T0 + 8)
    world.press("plug", "bus-1")
    world.restart()
    world.run(T0 + 60)
    assert [ended.outcome for _, ended in writes(world)] == [Outcome.LAPSED]
    assert not lamp(world)


def test_a_reload_in_between_costs_no_outcome(world: World) -> None:
    world.press("unplug", "bus-1")
    world.run(T0 + 6)
    write(world, True)
    less = tuple(link for link in site.links() if link.name != "bus-1")
    world.reload(site.bare_plan(), less)
    world.run(T0 + 30)
    assert [ended.outcome for _, ended in writes(world)] == [Outcome.LAPSED]


def test_in_a_fire_nobody_writes_what_moves_a_barrier(world: World) -> None:
    world.press("fire", "panel-1")
    world.run(T0 + 10)
    before = len(world.effects)
    for point in ("io-gate.out1", "io-gate.out2"):
        write(world, False, point)
    world.run(T0 + 20)
    after = [effect for _, effect in world.effects[before:]]
    assert not [effect for effect in after if isinstance(effect, Write | Operator)]
    assert not [effect for effect in after if isinstance(effect, Command) and effect.do is not Do.SET]
    assert world.estate.units["io-gate"].registers.read(Table.COIL, 0, 2, world.now) == [1, 1]


def test_a_write_is_on_the_disk_before_it_is_on_the_wire(world: World) -> None:
    write(world, True)
    asked = [effect for _, effect in world.effects if isinstance(effect, Command) and effect.do is Do.WRITE]
    assert [command.ahead for command in asked] == [True]
    kept = [effect.key for _, effect in world.effects if isinstance(effect, Keep) and effect.cell]
    assert f"write/{LAMP}" in kept
    assert not lamp(world)
    world.run(T0 + 6)
    assert lamp(world)
    assert not [change for _, change in world.effects if isinstance(change, AlarmChange)]
