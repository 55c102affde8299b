"""What of the wall clock goes into records: no step is followed before it has settled, and whatever was
stamped meanwhile can be put right."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sitewarden.gateway.clock import SETTLE, SPANS, Clock, boot_id
from sitewarden.gateway.records import micros
from sitewarden.rules.model import Stamp
from tests.gateway.machine import NOON, Machine

DEAD = datetime(1970, 1, 1, tzinfo=UTC)


def right(clock: Clock, at: Stamp) -> int:
    """The instant of a stamp as it goes into a record, once there is no doubt."""
    offset = clock.offset_ns()
    assert offset is not None
    return offset + clock.boot_ns(at)


def test_a_clock_that_only_runs_is_never_in_doubt() -> None:
    machine = Machine()
    clock = machine.clock()
    at = clock.now()
    assert not clock.doubted(at)
    assert clock.boot_ns(at) == 100 * 10**9
    assert right(clock, at) == clock.present_ns() == micros(NOON) * 1000


def test_what_a_dead_rtc_stamped_comes_right_with_the_network() -> None:
    machine = Machine(wall=DEAD, boot=5.0)
    clock = machine.clock()
    at = clock.now()
    assert clock.doubted(at)
    assert clock.offset_ns() is None
    machine.boot, machine.wall = 605.0, NOON
    assert not clock.doubted(clock.now())
    assert clock.doubted(at)
    assert right(clock, at) == micros(NOON - timedelta(seconds=600)) * 1000


def test_a_step_forward_is_followed_once_it_has_settled() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall += timedelta(hours=1)
    at = clock.now()
    assert (clock.trusted, clock.doubted(at)) == (True, True)
    machine.passes(SETTLE - 1)
    assert clock.doubted(clock.now())
    assert clock.present_ns() == micros(NOON) * 1000 + round((SETTLE - 1) * 1e9)
    machine.passes(1)
    now = clock.now()
    assert not clock.doubted(now)
    assert right(clock, at) == micros(NOON + timedelta(hours=1)) * 1000
    assert clock.present_ns() == micros(now.wall) * 1000


def test_a_slip_that_is_put_right_has_moved_nothing() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall += timedelta(hours=1)
    at = clock.now()
    machine.passes(300)
    clock.now()
    machine.wall -= timedelta(hours=1)
    now = clock.now()
    assert (clock.trusted, clock.doubted(now)) == (True, False)
    assert right(clock, at) == micros(NOON) * 1000


def test_a_second_step_has_to_settle_anew() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall += timedelta(hours=1)
    clock.now()
    machine.passes(SETTLE - 1)
    machine.wall += timedelta(hours=1)
    clock.now()
    machine.passes(SETTLE - 1)
    assert clock.doubted(clock.now())
    machine.passes(1)
    assert not clock.doubted(clock.now())


def test_a_clock_that_was_ahead_holds_back_what_is_of_the_future() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall -= timedelta(hours=1)
    assert clock.doubted(clock.now())
    assert clock.present_ns() == micros(machine.wall) * 1000
    machine.passes(3600)
    assert not clock.doubted(clock.now())


def test_the_present_of_a_dead_rtc_goes_on_from_what_was_believed() -> None:
    machine = Machine(wall=DEAD, boot=5.0)
    clock = machine.clock(Stamp(NOON, 5000.0))
    machine.passes(60)
    assert clock.present_ns() == micros(NOON + timedelta(seconds=60)) * 1000


def test_a_restart_within_the_boot_does_not_move_what_was_stamped_before() -> None:
    machine = Machine(wall=DEAD, boot=5.0)
    clock = machine.clock(Stamp(NOON, 5000.0))
    machine.passes(60)
    at = clock.boot_ns(clock.now())
    machine.passes(60)
    again = machine.clock(Stamp(NOON, 5000.0))
    assert again.boot_ns(again.now()) - at == 60 * 10**9


def test_a_boot_is_told_from_others() -> None:
    assert boot_id() == boot_id() != ""


@given(
    steps=st.lists(st.tuples(st.integers(1, 4000), st.integers(-4000, 4000)), max_size=20),
)
def test_whatever_the_clock_did_all_comes_right_in_the_end(steps: list[tuple[int, int]]) -> None:
    """Seconds that pass, and steps; then the clock is right for long enough."""
    machine, truth = Machine(), NOON
    clock = machine.clock()
    stamps: list[tuple[Stamp, datetime]] = []
    for seconds, step in steps:
        machine.wall += timedelta(seconds=step)
        stamps.append((clock.now(), truth))
        machine.passes(seconds)
        truth += timedelta(seconds=seconds)
        stamps.append((clock.now(), truth))
    machine.wall = truth
    for _ in range(140):  # as long as the clock can have been ahead
        clock.now()
        machine.passes(SETTLE)
        truth += timedelta(seconds=SETTLE)
    assert not clock.doubted(clock.now())
    assert len(clock._doubts) <= SPANS + 1
    for stamp, true in stamps:
        assert right(clock, stamp) == micros(true) * 1000
