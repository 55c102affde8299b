"""Pulses and holds, on a wire that loses things."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.drivers.modbus.points import Table
from sitewarden.rules.model import Do, Reason
from tests.drivers.virtual import (
    TURNAROUND,
    Slave,
    Tables,
    Virtual,
    bus,
    coil,
    holding,
    register,
    unit,
)

SLOW = {"fast": 1000.0, "normal": 1000.0, "slow": 1000.0}
OUTPUTS = [coil(f"out{n}", n - 1) for n in range(1, 5)]


def relays() -> Tables:
    return {Table.COIL: dict.fromkeys(range(4), 0)}


def world(*, tcp: bool = False, polled: bool = False, retries: int = 1) -> Virtual:
    """A relay module that is up and read; not `polled`: only what commands bring about is on the wire."""
    scan = {} if polled else {"scan": SLOW}
    io = unit("io", 1, *OUTPUTS, retries=retries, **scan)  # type: ignore[arg-type]
    made = Virtual(bus([io], tcp), Slave({1: relays()}, tcp))
    made.run(0.1)
    made.sent.clear()
    return made


def coils(made: Virtual) -> list[int]:
    return list(made.slave.tables[1][Table.COIL].values())


def writes(made: Virtual) -> list[tuple[float, str]]:
    return [(when, frame[1:-2].hex()) for when, frame in made.sent if frame[1] in (5, 6, 15, 16)]


def test_the_write_goes_out_in_the_same_call() -> None:
    made = world()
    made.command("out2", Do.SET)
    assert writes(made) == [(made.now, "050001ff00")]


def test_a_pulse_is_on_then_off_and_both_are_read_back() -> None:
    made = world()
    start = made.now
    made.command("out1", Do.PULSE, 0.5)
    made.run(0.3)
    assert coils(made) == [1, 0, 0, 0]
    made.run(2)
    assert coils(made) == [0, 0, 0, 0]
    (on_at, on), (off_at, off) = writes(made)
    assert (on, off) == ("050000ff00", "0500000000")
    assert on_at == start
    assert off_at - on_at == pytest.approx(0.5 + TURNAROUND)
    assert [reading.value for reading in made.readings("io.out1")] == [False, True, False]


def test_a_pulse_during_a_pulse_lengthens_it() -> None:
    made = world()
    made.command("out1", Do.PULSE, 0.5)
    made.run(0.4)
    made.command("out1", Do.PULSE, 0.5)
    made.run(0.4)
    assert coils(made)[0] == 1
    made.run(0.2)
    assert coils(made)[0] == 0


def test_fire_during_a_pulse_holds_the_output() -> None:
    made = world()
    made.command("out1", Do.PULSE, 0.5)
    made.run(0.2)
    made.command("out1", Do.SET)
    made.run(60)
    assert coils(made)[0] == 1
    made.command("out1", Do.PULSE, 0.5)
    made.run(60)
    assert coils(made)[0] == 1, "a pulse on a held output leaves it held"
    made.command("out1", Do.CLEAR)
    made.run(1)
    assert coils(made)[0] == 0


@pytest.mark.parametrize("after", [0.0, 0.002, 0.006, 0.49, 0.507, 0.509, 0.512])
def test_fire_at_any_instant_of_a_pulse_wins(after: float) -> None:
    made = world()
    made.command("out1", Do.PULSE, 0.5)
    made.run(after)
    made.command("out1", Do.SET)
    made.run(5)
    assert coils(made)[0] == 1


def test_coils_that_wait_together_go_in_one_write() -> None:
    made = world()
    for n in (1, 2, 3, 4):
        made.command(f"out{n}", Do.SET)
    made.run(0.2)
    assert coils(made) == [1, 1, 1, 1]
    assert [pdu for _, pdu in writes(made)] == ["050000ff00", "0f000100030107"]


def test_a_device_that_cannot_write_several_is_written_one_by_one() -> None:
    made = world()
    made.slave.refuses[15] = 1
    for n in (1, 2, 3, 4):
        made.command(f"out{n}", Do.SET)
    made.run(0.2)
    assert coils(made) == [1, 1, 1, 1]
    assert [pdu[:2] for _, pdu in writes(made)] == ["05", "0f", "05", "05", "05"]


def test_a_refused_output_does_not_keep_the_others_waiting() -> None:
    made = world()
    del made.slave.tables[1][Table.COIL][0]
    made.command("out1", Do.SET)
    made.run(0.1)
    made.command("out3", Do.SET)
    made.run(0.1)
    assert made.slave.tables[1][Table.COIL][2] == 1
    made.slave.tables[1][Table.COIL][0] = 0
    made.run(2)
    assert made.slave.tables[1][Table.COIL][0] == 1, "a set is tried until it is done"


def test_an_unanswered_write_is_tried_again() -> None:
    made = world(retries=2)
    lost = [1]
    made.wire = lambda request, answer: [] if request[1] == 5 and lost and lost.pop() else [(0.005, answer)]
    made.command("out1", Do.SET)
    made.run(1)
    assert [pdu for _, pdu in writes(made)] == ["050000ff00"] * 2
    assert made.readings("io.out1")[-1].value is True


def test_a_pulse_that_cannot_be_delivered_lapses() -> None:
    made = world()
    made.slave.dead.add(1)
    made.command("out1", Do.PULSE, 0.5)
    made.run(40)
    made.slave.dead.clear()
    made.run(60)
    assert coils(made)[0] == 0
    assert "050000ff00" not in [pdu for when, pdu in writes(made) if when > 112]


def test_an_on_that_may_have_arrived_is_followed_by_its_off() -> None:
    made = world()
    made.wire = lambda request, answer: []  # it does as it is told, but its answers are lost
    made.command("out1", Do.PULSE, 0.5)
    made.run(30)
    made.wire = lambda request, answer: [(0.005, answer)]
    made.run(40)
    assert coils(made)[0] == 0


def test_a_pulse_ends_although_the_link_was_away_at_its_end() -> None:
    made = world()
    made.command("out1", Do.PULSE, 0.5)
    made.run(0.2)
    made.lost()
    made.run(300)
    assert coils(made)[0] == 1
    made.connected()
    made.run(0.5)
    assert coils(made)[0] == 0


def test_a_set_waits_for_the_unit_and_is_done_soon_after_its_return() -> None:
    made = world()
    made.slave.dead.add(1)
    made.command("out1", Do.SET)
    made.run(120)
    made.slave.dead.clear()
    made.run(3)
    assert coils(made)[0] == 1


def test_a_held_output_is_set_again_when_the_unit_was_away() -> None:
    made = world(polled=True)
    made.command("out1", Do.SET)
    made.run(2)
    made.slave.dead.add(1)
    made.run(100)
    made.slave.tables[1] = relays()  # it lost its supply
    made.slave.dead.clear()
    made.run(3)
    assert coils(made)[0] == 1


def test_a_held_output_that_falls_without_our_doing_is_set_again() -> None:
    made = world(polled=True)
    made.command("out1", Do.SET)
    made.run(2)
    made.slave.tables[1][Table.COIL][0] = 0
    made.run(1)
    assert coils(made)[0] == 1


def test_a_command_goes_before_the_reads_that_wait() -> None:
    reads = [register(f"p{n}", 200 * n, scan="fast") for n in range(10)]
    io = unit("io", 1, *OUTPUTS, *reads)
    made = Virtual(bus([io]), Slave({1: relays() | holding({200 * n: n for n in range(10)})}, False))
    made.run(0.44)
    assert made.sent[-1][0] < made.now < made.sent[-1][0] + TURNAROUND, "a read is under way, others wait"
    made.command("out1", Do.SET)
    sent = len(made.sent)
    made.run(0.02)
    assert [frame[1] for _, frame in made.sent[sent : sent + 2]] == [5, 1], "and is read back"


def test_commands_for_a_dead_unit_hardly_cost_the_others_anything() -> None:
    io, pump = unit("io", 1, *OUTPUTS), unit("pump", 2, register("p", 0))
    made = Virtual(bus([io, pump]), Slave({1: relays(), 2: holding({0: 1})}, False))
    made.slave.dead.add(1)
    made.run(5)
    made.command("out1", Do.SET)
    made.run(100)
    assert len(made.requests(2)) >= 104
    assert len(made.requests(1)) <= 120


COMMANDS = st.lists(
    st.tuples(
        st.sampled_from([Do.PULSE, Do.SET, Do.CLEAR]),
        st.sampled_from([1, 2]),
        st.floats(0.0, 3.0),
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=60)
@given(COMMANDS)
def test_whatever_is_commanded_and_lost_the_end_is_as_it_was_told(
    commands: list[tuple[Do, int, float, bool]],
) -> None:
    """After a set the output is on, after anything else it comes to be off, answers lost or not."""
    made = world(polled=True)
    held = {1: False, 2: False}
    for do, n, pause, deaf in commands:
        made.wire = (lambda request, answer: []) if deaf else (lambda request, answer: [(0.005, answer)])
        made.command(f"out{n}", do, 0.5)
        held[n] = held[n] if do is Do.PULSE else do is Do.SET
        made.run(pause)
    made.wire = lambda request, answer: [(0.005, answer)]
    made.run(45)
    assert coils(made)[:2] == [held[1], held[2]]
    assert made.links()[-1].reason is Reason.NONE
