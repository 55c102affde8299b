"""Stamps that go on across restarts, and a wall clock that is not believed blindly."""

from datetime import UTC, datetime, timedelta

from sitewarden.rules.model import Stamp
from tests.gateway.machine import NOON, Machine


def test_a_first_start_takes_the_machine_as_it_is() -> None:
    machine = Machine()
    clock = machine.clock()
    assert clock.now() == Stamp(NOON, 100.0)
    assert clock.trusted
    assert not clock.trust_changed()


def test_mono_goes_on_by_the_time_that_the_gateway_was_off() -> None:
    machine = Machine(boot=3.0)
    clock = machine.clock(Stamp(NOON - timedelta(seconds=60), 5000.0))
    assert clock.now().mono == 5060.0
    machine.passes(10)
    assert clock.now().mono == 5070.0


def test_a_wall_clock_that_steps_does_not_touch_mono() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall += timedelta(hours=8)
    assert clock.now().mono == 100.0
    assert clock.trusted


def test_a_dead_rtc_is_not_believed_until_it_is_past_the_newest_record() -> None:
    machine = Machine(wall=datetime(1970, 1, 1, tzinfo=UTC), boot=5.0)
    clock = machine.clock(Stamp(NOON, 5000.0))
    assert not clock.trusted
    assert clock.trust_changed()
    assert not clock.trust_changed()
    assert clock.now().mono == 5000.0
    machine.passes(3600)
    clock.now()
    assert not clock.trusted
    machine.wall = NOON + timedelta(seconds=1)
    clock.now()
    assert clock.trusted
    assert clock.trust_changed()


def test_a_machine_older_than_the_software_is_wrong_even_without_records() -> None:
    clock = Machine(wall=datetime(2024, 12, 31, tzinfo=UTC)).clock()
    assert not clock.trusted


def test_a_clock_set_back_is_not_believed_but_for_seconds() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall -= timedelta(seconds=4)
    clock.now()
    assert clock.trusted
    machine.wall -= timedelta(minutes=10)
    clock.now()
    assert not clock.trusted


def test_a_clock_that_runs_away_is_not_believed_and_leaves_no_trace() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall += timedelta(days=3650)
    machine.boot += 60
    assert clock.now() == Stamp(NOON + timedelta(seconds=60), 160.0)
    assert not clock.trusted
    machine.wall = NOON + timedelta(seconds=61)
    machine.boot += 1
    last = clock.now()
    assert last == Stamp(machine.wall, 161.0)
    assert clock.trusted
    assert machine.clock(last).trusted


def test_a_boot_in_another_decade_is_not_believed_until_it_is_put_right() -> None:
    machine = Machine(wall=NOON + timedelta(days=3650), boot=5.0)
    clock = machine.clock(Stamp(NOON, 5000.0))
    assert clock.now() == Stamp(NOON, 5000.0)
    assert not clock.trusted
    machine.passes(60)
    machine.wall = NOON + timedelta(days=300)  # it had been off for months
    clock.now()
    assert clock.trusted


def test_time_that_was_really_spent_is_no_leap() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.passes(3 * 366 * 86400)
    clock.now()
    assert clock.trusted


def test_nothing_is_known_of_a_machine_that_began_in_1970() -> None:
    machine = Machine(wall=datetime(1970, 1, 1, tzinfo=UTC), boot=5.0)
    first = machine.clock().now()
    assert first.wall == machine.wall
    clock = Machine(boot=9.0).clock(first)
    assert clock.trusted
    assert clock.now() == Stamp(NOON, 5.0)
