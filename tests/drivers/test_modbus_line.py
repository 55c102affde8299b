"""A full line in virtual time: how its time is used, what dead units cost the others, how long a command
waits."""

from itertools import pairwise
from random import Random

import pytest

from sitewarden.drivers.modbus.points import PROBES
from sitewarden.drivers.modbus.station import PROBE_MOST
from sitewarden.rules.model import Command, Do
from tests.drivers.full_line import (
    CHARACTER,
    PACE,
    POINTS,
    TURNAROUND,
    boxed_line,
    full_line,
)
from tests.drivers.virtual import Slave, Virtual, bus, holding, register
from tests.drivers.virtual import unit as one

AT_ONCE = 0.001  # s; due again as soon as it was read: the line never rests


def test_the_line_is_used_to_its_limit() -> None:
    line = full_line(AT_ONCE)
    assert sum(len(unit.profile.points) for unit in line.units) == POINTS
    line.world.run(120)
    assert line.rounds() * line.must_last() >= 0.95 * 120
    for unit in line.units:
        assert line.delivered(unit) >= int(line.rounds()) * len(line.requests(unit)), unit.device


def test_what_is_asked_for_in_vain_is_no_use_of_the_line() -> None:
    """The figure counts what came: with spoilt answers it falls, however busy the line is."""
    line = full_line(AT_ONCE)
    line.noisy(0.01)
    line.world.run(120)
    spoilt = sum(counters.garbled for counters in line.world.bus.counters.values())
    assert spoilt > 100
    assert line.rounds() * line.must_last() < 0.7 * 120


@pytest.mark.parametrize("share", [PROBES, 0.01], ids=["by default", "less"])
def test_two_dead_units_cost_the_others_no_more_than_the_share_of_the_probes(share: float) -> None:
    period = full_line(AT_ONCE).must_last() / 0.9
    line = full_line(period, share)
    line.world.run(10)
    line.dead(3, 7)
    since, before = line.world.now, {unit.device: line.delivered(unit) for unit in line.units}
    line.world.run(600)
    for unit in line.units:
        beats = 600 / period * len(line.requests(unit))
        if unit.unit_id not in (3, 7):
            assert line.delivered(unit) - before[unit.device] >= 0.93 * beats, unit.device
    asked = sum(line.asked(unit, since) for unit in line.units if unit.unit_id in (3, 7))
    longest = 0.3 + PACE.lasts(5) + PACE.lasts(2 + 2 * 60)
    assert asked * longest <= (share + 0.01) * 600, "the first time-outs and their retries included"


def test_a_unit_that_revives_when_all_are_dead_is_back_within_one_probe_interval() -> None:
    line = full_line(2.0)
    line.world.run(10)
    line.dead(*range(1, 13))
    line.world.run(300)
    assert not any(line.world.links(unit.device)[-1][1] for unit in line.units)
    line.dead(*(n for n in range(1, 13) if n != 5))
    revived = line.world.now
    line.world.run(PROBE_MOST)
    back, up = line.world.links("unit-5")[-1]
    assert up
    assert back - revived <= PROBE_MOST


@pytest.mark.parametrize("silent", [False, True], ids=["exception-11", "silent"])
@pytest.mark.parametrize("timeout", [0.5, 1.0])
def test_a_dead_unit_behind_a_gateway_leaves_no_gap_in_the_others(timeout: float, silent: bool) -> None:
    line = boxed_line(timeout, silent)
    line.dead(3)
    line.world.run(300)
    for unit in line.units:
        if unit.unit_id != 3:
            counters = line.world.bus.counters[unit.device]
            assert counters.answers >= 0.98 * 300
            answered = [mono for mono, frame in line.world.heard if frame[6] == unit.unit_id]
            assert max(after - before for before, after in pairwise(answered)) < 2.0
            assert [up for _, up in line.world.links(unit.device)] == [True]
    assert len(line.world.links("unit-3")) == 1


def test_a_unit_that_dies_behind_a_gateway_costs_the_others_two_beats_at_most() -> None:
    line = boxed_line(1.0, silent=True)
    line.world.run(10)
    line.dead(3)
    line.world.run(60)
    for unit in line.units:
        if unit.unit_id != 3:
            answered = [mono for mono, frame in line.world.heard if frame[6] == unit.unit_id]
            assert max(after - before for before, after in pairwise(answered)) < 2.5
            assert line.world.bus.counters[unit.device].timeouts == 0
    assert [up for _, up in line.world.links("unit-3")] == [True, False]


@pytest.mark.parametrize("silent", [False, True], ids=["exception-11", "silent"])
def test_two_units_that_die_together_behind_a_gateway_take_no_other_with_them(silent: bool) -> None:
    """The gateway waits 1 s for each of them, and for each retry; so long nobody is served."""
    line = boxed_line(1.0, silent)
    line.world.run(10)
    line.dead(3, 4)
    line.world.run(120)
    for unit in line.units:
        links = [up for _, up in line.world.links(unit.device)]
        assert links == ([True, False] if unit.unit_id in (3, 4) else [True])
        answered = [mono for mono, frame in line.world.heard if frame[6] == unit.unit_id]
        if unit.unit_id not in (3, 4):
            assert max(after - before for before, after in pairwise(answered)) <= 5.0


def test_those_that_are_left_behind_a_gateway_come_back_however_many_die() -> None:
    line = boxed_line(1.0, silent=True)
    line.world.run(10)
    line.dead(2, 3, 4, 5)
    line.world.run(60)
    assert line.world.links("unit-1")[-1][1]
    answers = line.world.bus.counters["unit-1"].answers
    line.world.run(60)
    assert line.world.bus.counters["unit-1"].answers - answers >= 0.8 * 60, "each probe takes the gateway 1 s"


def test_over_a_network_that_makes_nobody_wait_the_one_that_lives_is_soon_read_again() -> None:
    """Nine of ten units of one connection die. Who is asked next answers at once: no gateway waits there."""
    units = [one(f"u{n}", n, register("r", 0)) for n in range(1, 11)]
    world = Virtual(bus(units, tcp=True), Slave({n: holding({0: n}) for n in range(1, 11)}, True))
    world.run(10)
    world.slave.dead.update(range(2, 11))
    world.run(60)
    assert max(after - before for before, after in pairwise(world.requests(1))) <= 7.0
    assert {link.device: link.up for link in world.links()} == {f"u{n}": n == 1 for n in range(1, 11)}


def test_a_command_waits_for_one_exchange_at_most() -> None:
    line, chance = full_line(AT_ONCE), Random(7)
    line.world.run(5)
    longest = PACE.exchange(5, 2 + 2 * 60, TURNAROUND)
    waits = []
    for n in range(200):
        line.world.run(chance.uniform(0.2, 0.6))
        told = line.world.now
        line.world.command(Command("unit-12", f"out{n % 4}", Do.SET if n % 8 < 4 else Do.CLEAR))
        line.world.run(2 * longest)
        waits.append(
            next(mono for mono, frame in line.world.asked if mono >= told and frame[1] in (5, 15)) - told
        )
    assert max(waits) <= longest + CHARACTER
    assert min(waits) >= 0.0
