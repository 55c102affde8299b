"""What a bus is said to keep, against every way in which its reads can fall due."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import inf, lcm
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitewarden.drivers.modbus.bus import Bus
from sitewarden.drivers.modbus.feasible import Forecast, forecast
from sitewarden.drivers.modbus.points import Point, Profile, Unit
from sitewarden.drivers.modbus.wire import Tcp
from sitewarden.drivers.plan import BusPlan, Framing, Parity, SerialPort, TcpPort
from sitewarden.simulators.drift import Drift
from sitewarden.simulators.modbus_slave import ModbusSlave, SlaveUnit
from tests.drivers.paced import Paced
from tests.drivers.virtual import coil, register

Job = tuple[int, int]  # ms that it takes, and its interval
NETWORK = TcpPort("gateway", 502)


def unit(device: str, *points: Point, turnaround: float = 0.01, **scan: float) -> Unit:
    intervals = {"fast": 0.2, "normal": 1.0, "slow": 10.0} | scan
    return Unit(device, 1, Profile(device, points, turnaround=turnaround), intervals)


def of(*units: Unit, port: SerialPort | TcpPort = NETWORK, outstanding: int = 1) -> Forecast:
    framing = Framing.TCP if isinstance(port, TcpPort) else Framing.RTU
    return forecast(port, BusPlan(framing, units, outstanding=outstanding))


def jobs(*given: Job, outstanding: int = 1) -> Forecast:
    """A device for each job: over the network nothing but its turnaround counts."""
    units = (
        unit(str(n), register("r", 0), turnaround=takes / 1000, normal=interval / 1000)
        for n, (takes, interval) in enumerate(given)
    )
    return of(*units, outstanding=outstanding)


def worst(given: Sequence[Job], firsts: Sequence[float], abreast: int = 1) -> dict[int, float]:
    """interval -> ms from due to done, at most, when the jobs are due first at these instants: the plainest
    scheduler there can be."""
    end = 3 * lcm(*(interval for _, interval in given)) + max(firsts)
    waiting = sorted(
        (first + n * interval, first + (n + 1) * interval, takes, interval)
        for (takes, interval), first in zip(given, firsts, strict=True)
        for n in range(int((end - first) / interval))
    )
    longest = dict.fromkeys((interval for _, interval in given), 0.0)
    free = [0.0] * abreast
    while waiting:
        now = max(min(free), waiting[0][0])
        job = min((job for job in waiting if job[0] <= now), key=lambda job: job[1])
        waiting.remove(job)
        due, _, takes, interval = job
        free[free.index(min(free))] = now + takes
        longest[interval] = max(longest[interval], now + takes - due)
    return longest


def phases(given: Sequence[Job]) -> Iterator[tuple[float, ...]]:
    """Every ms, and the instant before."""
    yield from product(
        *([n + early for n in range(interval) for early in (0, 0.999)] for _, interval in given)
    )


SETS = [
    [(1, 4), (1, 4)],
    [(1, 3), (2, 6)],
    [(1, 2), (1, 3)],
    [(2, 5), (3, 7)],
    [(1, 3), (1, 4), (2, 12)],
    [(1, 3), (1, 4), (3, 8)],
    [(1, 4), (2, 8), (1, 8)],
]


@pytest.mark.parametrize("given", SETS, ids=str)
def test_the_response_is_the_worst_that_any_phase_brings(given: list[Job]) -> None:
    found: dict[int, float] = {}
    for firsts in phases(given):
        for interval, longest in worst(given, firsts).items():
            found[interval] = max(found.get(interval, 0.0), longest)
    reckoned = {round(interval * 1000): 1000 * s for interval, s in jobs(*given).steady.items()}
    assert reckoned == pytest.approx(found, abs=0.01)


JOBS = st.lists(st.tuples(st.integers(1, 8), st.sampled_from([4, 6, 10, 12, 15, 20])), min_size=1, max_size=6)


@given(JOBS, st.lists(st.floats(0, 20), min_size=6, max_size=6), st.integers(1, 3), st.booleans())
def test_no_read_is_done_later_than_was_said(
    given: list[Job], firsts: list[float], outstanding: int, in_turn: bool
) -> None:
    """Whoever takes several requests at once may work on them in turn."""
    said = jobs(*given, outstanding=outstanding)
    if said.utilisation < 1:
        for interval, longest in worst(given, firsts[: len(given)], 1 if in_turn else outstanding).items():
            assert longest <= said.steady[interval / 1000] * 1000 + 1e-6


@pytest.mark.parametrize(("interval", "fits"), [(0.3, False), (0.9, False), (1.1, True)])
def test_what_fits_is_kept_by_a_device_that_takes_requests_at_once_and_answers_in_turn(
    interval: float, fits: bool
) -> None:
    """Sixteen reads of 50 ms, four of which may be out."""
    device = unit("u", *(register(f"r{n}", 200 * n) for n in range(16)), turnaround=0.05, normal=interval)
    said = of(device, outstanding=4)
    slave = SlaveUnit(device, Drift(device.profile, Random(1)))
    slave.turnaround = 0.05
    world = Paced(Bus("bus", Tcp(window=4), [device]), ModbusSlave(Framing.TCP, [slave]))
    world.run(30)
    assert slave.in_turn
    assert not said.late if fits else said.late
    assert (world.bus.counters["u"].skipped == 0) == fits


def test_what_a_line_cannot_do_has_no_bound() -> None:
    full = jobs((2, 4), (2, 4))
    assert full.utilisation == pytest.approx(1.0)
    assert (full.steady, full.oldest(full.polls[0])) == ({0.004: inf}, inf)
    assert full.late == full.polls


def test_one_read_at_9600_baud() -> None:
    """8 characters, 10 ms, 7 characters, 3.5 of silence: 18.5 * 10 bits, at once and without anybody else."""
    alone = of(unit("pump", register("r", 0)), port=SerialPort("p", 9600))
    (poll,) = alone.polls
    assert poll.cost == pytest.approx(0.01 + 185 / 9600)
    assert poll.youngest == pytest.approx(0.01 + 70 / 9600)
    assert alone.utilisation == pytest.approx(poll.cost)
    assert alone.oldest(poll) == pytest.approx(1 + poll.cost)
    behind = of(unit("pump", register("r", 0)), port=TcpPort("gateway", 502, line_baud=9600))
    assert behind.utilisation == pytest.approx(0.01 + 11 * 18.5 / 9600)


def test_a_command_makes_values_older_but_no_read_late() -> None:
    """The write and its read-back go first. Who misses a beat by that is not said to be late."""
    port, point = SerialPort("p", 9600, Parity.EVEN), coil("out", 0)
    alone = of(unit("io", point), port=port)
    (poll,) = alone.polls
    write = poll.cost + 2 * 11 / 9600  # its answer is two bytes longer
    assert alone.commanded[0.2] - alone.steady[0.2] == pytest.approx(write + poll.cost)
    often = of(unit("io", point, fast=0.05), port=port)
    assert not often.late
    assert often.oldest(often.polls[0]) == pytest.approx(0.05 + often.commanded[0.05] + poll.cost)


def test_what_is_told_to_all_units_is_written_and_never_read() -> None:
    everyone = Unit("all", 0, Profile("io", (coil("out", 0),)))
    port = SerialPort("p", 9600)
    said = of(everyone, unit("pump", register("r", 0)), port=port)
    assert [poll.unit.device for poll in said.polls] == ["pump"]
    assert said.commanded[1.0] - said.steady[1.0] == pytest.approx(0.1 + 80 / 9600)
    assert len(of(everyone).polls) == 1  # over Modbus TCP it is a unit as any other


def test_big_buses_are_reckoned() -> None:
    big = unit("big", *(register(f"r{n}", n) for n in range(10_000)))
    scans = ["fast", "normal", "normal", "slow"]
    blocks = [register(f"r{n}", 200 * n, scan=scan) for n, scan in enumerate(scans)]
    many = [unit(f"u{n}", *blocks, turnaround=0.001, fast=1.0, normal=2.0) for n in range(60)]
    each = [unit(f"u{n}", *blocks, turnaround=0.001, fast=1 + n / 9e2, normal=2 + n / 7e2, slow=9 + n / 5e2)
            for n in range(60)]  # fmt: skip
    for number, units in ((80, [big]), (240, many), (240, each)):
        said = of(*units, port=NETWORK if units == [big] else SerialPort("p", 115_200))
        assert len(said.polls) == number
        assert 0.4 < said.utilisation < 1
        assert not said.late
