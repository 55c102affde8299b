"""What is proposed for a bus that cannot keep its intervals: it fits, and less would not do."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.drivers.modbus.points import Profile, Unit
from sitewarden.drivers.modbus.remedy import BAUDS, INTERVALS, Slower, fits, remedies
from sitewarden.drivers.plan import BusPlan, Framing, Port, SerialPort, TcpPort
from tests.drivers.virtual import register

SCAN = {"fast": 0.2, "normal": 1.0, "slow": 10.0}


def unit(n: int, registers: int = 30, scan: str = "normal", turnaround: float = 0.01) -> Unit:
    points = tuple(register(f"r{at}", at, scan=scan) for at in range(registers))
    return Unit(f"u{n}", n + 1, Profile("p", points, turnaround=turnaround), SCAN)


def bus(*units: Unit) -> BusPlan:
    return BusPlan(Framing.RTU, units)


def slowed(units: tuple[Unit, ...], slower: Slower, interval: float) -> BusPlan:
    return bus(
        *(
            replace(
                unit,
                scan={
                    name: max(period, interval)
                    if slower.scan in ("", name) and slower.device in ("", unit.device)
                    else period
                    for name, period in unit.scan.items()
                },
            )
            for unit in units
        )
    )


def test_of_many_much_alike_all_have_to_be_slower() -> None:
    """14 reads of 90 ms each second."""
    found = remedies(SerialPort("p", 9600), bus(*map(unit, range(14))))
    assert (found.baud, found.slower) == (19_200, Slower("", "normal", 1.3))
    assert [len(devices) for devices in found.buses] == [11, 3]


def test_one_that_wants_too_much_is_named() -> None:
    greedy = unit(9, registers=90, scan="fast")
    found = remedies(SerialPort("p", 9600), bus(unit(0), unit(1), greedy))
    assert (found.baud, found.slower) == (19_200, Slower("u9", "fast", 0.31))
    assert found.buses == ()  # not even alone


def test_nothing_is_proposed_that_does_not_help() -> None:
    sleepy = remedies(SerialPort("p", 9600), bus(unit(0, turnaround=1.1)))
    assert (sleepy.baud, sleepy.buses) == (None, ())  # it is the device that is slow
    assert sleepy.slower == Slower("u0", "normal", 1.2)
    far = remedies(TcpPort("gateway", 502), BusPlan(Framing.TCP, (unit(0, turnaround=1.1),)))
    assert (far.baud, far.slower) == (None, Slower("u0", "normal", 1.2))
    endless = remedies(SerialPort("p", 9600), bus(unit(0, turnaround=1e6)))
    assert (endless.baud, endless.slower, endless.buses) == (None, None, ())


UNITS = st.lists(
    st.tuples(st.integers(1, 120), st.sampled_from(list(SCAN)), st.sampled_from([0.005, 0.03, 0.3])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=20, deadline=None)
@given(UNITS, st.sampled_from([SerialPort("p", 9600), TcpPort("gateway", 502, line_baud=19_200)]))
def test_whatever_is_proposed_fits(drawn: list[tuple[int, str, float]], port: Port) -> None:
    units = tuple(unit(n, *each) for n, each in enumerate(drawn))
    if fits(port, bus(*units)):
        return
    found = remedies(port, bus(*units))
    key, now = ("baud", port.baud) if isinstance(port, SerialPort) else ("line_baud", port.line_baud or 0)
    for baud in BAUDS:
        if baud > now and baud <= (found.baud or BAUDS[-1]):
            assert fits(replace(port, **{key: baud}), bus(*units)) == (baud == found.baud)
    if found.slower:
        at = INTERVALS.index(found.slower.interval)
        assert fits(port, slowed(units, found.slower, INTERVALS[at]))
        assert not fits(port, slowed(units, found.slower, INTERVALS[at - 1]))
    for devices in found.buses:
        assert fits(port, bus(*(unit for unit in units if unit.device in devices)))
    if found.buses:
        assert sorted(device for devices in found.buses for device in devices) == sorted(
            unit.device for unit in units
        )
        assert len(found.buses) > 1
