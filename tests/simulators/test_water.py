"""Volume is conserved, pumps obey their curve, the controller keeps the tank between its marks."""

from math import isclose
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.simulators.plant import water
from sitewarden.simulators.plant.sump import Sump
from sitewarden.simulators.plant.water import AREA, Pump, PumpFault, Tank, Waterworks

DAY = 86_400


def works(pumps: int = 2) -> Waterworks:
    return Waterworks([Pump() for _ in range(pumps)], Random(1))


def run(plant: Waterworks, seconds: int, begin: int = 0) -> list[float]:
    levels = []
    for second in range(begin, begin + seconds):
        plant.advance(1.0, second % DAY)
        levels.append(plant.tank.level)
    return levels


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60), st.floats(0, 300)), max_size=50))
def test_the_tank_holds_what_came_less_what_went(flows: list[tuple[float, float, float]]) -> None:
    tank = Tank(level=1.0)
    for inflow, wanted, leak in flows:
        tank.advance(10.0, inflow, wanted, leak)
        assert 0.0 <= tank.level <= water.FULL
    gained = tank.filled - tank.drawn - tank.leaked - tank.spilt
    assert isclose((tank.level - 1.0) * AREA, gained, abs_tol=1e-9)


def test_a_day_in_which_both_pumps_take_their_turns() -> None:
    plant = works()
    levels = run(plant, DAY)
    assert min(levels) > water.ASSIST - 0.1
    assert max(levels) < water.STOP + 0.1
    assert isclose(plant.tank.drawn, water.HOUSEHOLDS * water.PER_DAY, rel_tol=0.02)
    first, second = (pump.starts for pump in plant.pumps)
    assert first > 5
    assert abs(first - second) <= 1


def test_a_running_pump_works_where_the_curves_cross() -> None:
    plant = works(1)
    plant.pumps[0].switch(True)
    plant.tank.level = 1.5
    run(plant, 10)
    pump = plant.pumps[0]
    assert pump.speed == 1.0
    assert 12.0 < pump.flow < 16.0
    assert isclose(pump.head, water.RISE + 1.5 + pump.PIPE * pump.flow**2, rel_tol=0.01)
    assert 2000 < pump.power < 4000
    assert pump.starts == 1


def test_a_torn_pipe_drops_the_pressure_at_once_and_the_level_within_a_minute() -> None:
    plant = works()
    run(plant, 5)
    assert plant.pressure > 2.5
    plant.torn = True
    levels = run(plant, 60)
    assert plant.pressure < 1.5
    assert levels[-1] < 0.8
    run(plant, 600)
    assert plant.tank.level < 0.1
    plant.torn = False
    run(plant, 3600)
    assert plant.tank.level > water.ASSIST


def test_the_other_pump_takes_over_from_one_that_trips() -> None:
    plant = works()
    plant.tank.level = water.START
    run(plant, 10)
    (duty,) = (pump for pump in plant.pumps if pump.running)
    duty.fault = PumpFault.BLOCKED
    run(plant, 10)
    (other,) = (pump for pump in plant.pumps if pump.running)
    assert other is not duty
    assert duty.flow == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_a_sump_never_spills_while_its_pumps_are_well(seed: int) -> None:
    sump = Sump(Random(seed))
    for _ in range(DAY):
        sump.advance(1.0)
        assert 0.0 < sump.level < 1.8
    assert min(pump.starts for pump in sump.pumps) > 5
