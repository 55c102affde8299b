"""What would help a bus that cannot keep its intervals. Whatever is proposed here was reckoned and fits."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf

from sitewarden.drivers.modbus.feasible import forecast
from sitewarden.drivers.modbus.points import Unit
from sitewarden.drivers.plan import BusPlan, Port, SerialPort

BAUDS = (1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200)  # that devices on RS-485 can be set to
INTERVALS = tuple(digits / 10.0**places for places in range(3, -3, -1) for digits in range(10, 100))
"""s, from 10 ms to 9900 s, with two digits each."""
MUCH = 3  # times


@dataclass(frozen=True, slots=True)
class Slower:
    """At least this interval for a scan class, of one device or (`device` empty) of all; or (`scan` empty)
    for all classes."""

    device: str
    scan: str
    interval: float


@dataclass(frozen=True, slots=True)
class Remedies:
    baud: int | None  # the lowest at which it fits
    slower: Slower | None  # the one that changes least
    buses: tuple[tuple[str, ...], ...]  # the devices of each; empty: one of them fits on no bus


def remedies(port: Port, bus: BusPlan) -> Remedies:
    """For a bus whose forecast has reads that are late."""
    return Remedies(_baud(port, bus), _slower(port, bus), _shared_out(port, bus))


def fits(port: Port, bus: BusPlan) -> bool:
    return not forecast(port, bus).late


def _baud(port: Port, bus: BusPlan) -> int | None:
    faster: Iterable[tuple[int, Port]]
    if isinstance(port, SerialPort):
        faster = [(baud, replace(port, baud=baud)) for baud in BAUDS if baud > port.baud]
    else:
        line = port.line_baud
        faster = [(baud, replace(port, line_baud=baud)) for baud in BAUDS if line and baud > line]
    return next((baud for baud, quicker in faster if fits(quicker, bus)), None)


def _slower(port: Port, bus: BusPlan) -> Slower | None:
    """What takes most of the line's time first: one class of one device, one of all, all of all. Only if
    that is not enough anything becomes very much slower."""
    now = forecast(port, bus)
    options = {
        **now.shares(lambda poll: (poll.unit.device, poll.block.scan)),
        **now.shares(lambda poll: ("", poll.block.scan)),
        **now.shares(lambda poll: ("", "")),
    }
    for times in (MUCH, inf):
        for (device, scan), share in options.items():
            if now.utilisation - share < 1 and (interval := _least(port, bus, device, scan, times)):
                return Slower(device, scan, interval)
    return None


def _least(port: Port, bus: BusPlan, device: str, scan: str, times: float) -> float | None:
    """The shortest interval for it with which the bus fits, if that is at most so many times the present."""
    present = min(
        unit.scan[name]
        for unit in bus.units
        if device in ("", unit.device)
        for name in {point.scan for point in unit.profile.points}
        if scan in ("", name)
    )
    intervals = [interval for interval in INTERVALS if interval <= present * times]

    def slowed(unit: Unit, interval: float) -> Unit:
        classes = [name for name in unit.scan if device in ("", unit.device) and scan in ("", name)]
        return replace(unit, scan={**unit.scan, **{n: max(unit.scan[n], interval) for n in classes}})

    def enough(interval: float) -> bool:
        return fits(port, replace(bus, units=tuple(slowed(unit, interval) for unit in bus.units)))

    if not intervals or not enough(intervals[-1]):
        return None
    return intervals[bisect_left(intervals, True, key=enough)]


def _shared_out(port: Port, bus: BusPlan) -> tuple[tuple[str, ...], ...]:
    """The unit with most to do first, each on the first bus on which there is room for it."""
    shares = forecast(port, bus).shares(lambda poll: poll.unit.device)
    buses: list[list[Unit]] = []
    for unit in sorted(bus.units, key=lambda unit: -shares.get(unit.device, 0.0)):
        room = (units for units in [*buses, []] if fits(port, replace(bus, units=(*units, unit))))
        if (units := next(room, None)) is None:
            return ()
        if not units:
            buses.append(units)
        units.append(unit)
    return tuple(tuple(unit.device for unit in units) for units in buses)
