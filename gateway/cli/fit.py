"""How full the buses of a site are and how old its values become, for `check`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor

from sitewarden.config.words import written
from sitewarden.drivers.modbus.feasible import Forecast, Poll, forecast
from sitewarden.drivers.modbus.points import TURNAROUND
from sitewarden.drivers.plan import BusPlan, LinkPlan, Port, TcpPort
from sitewarden.gateway.cli.common import counted, table

CELLS = 50  # of a bar: the whole of the line's time
SHADES = "█▓▒░"
FREE = "·"
MOST_NAMED = 4  # of the devices of which something is assumed


@dataclass(frozen=True, slots=True)
class Bus:
    link: LinkPlan
    plan: BusPlan
    forecast: Forecast

    @property
    def shares(self) -> Mapping[str, float]:
        """By device, the greatest first; by scan class where there is one device only."""
        if len(self.plan.units) > 1:
            return self.forecast.shares(lambda poll: poll.unit.device)
        return self.forecast.shares(lambda poll: poll.block.scan)

    @property
    def assumed(self) -> Sequence[str]:
        """What is not known of the line and its devices."""
        return [*_assumed_of_devices(self.plan), *_assumed_of_line(self.link.port, self.plan)]


def buses(links: Sequence[LinkPlan]) -> list[Bus]:
    return [
        Bus(link, link.wire, forecast(link.port, link.wire))
        for link in links
        if isinstance(link.wire, BusPlan)
    ]


def _assumed_of_devices(plan: BusPlan) -> Iterator[str]:
    names = [unit.device for unit in plan.units if unit.profile.turnaround_assumed]
    if names:
        more = f" and {counted(len(names) - MOST_NAMED, 'other')}" if len(names) > MOST_NAMED else ""
        of = ", ".join(names[:MOST_NAMED]) + more
        yield f"a turnaround of {written(TURNAROUND)} is assumed, the source does not say: {of}"


def _assumed_of_line(port: Port, plan: BusPlan) -> Iterator[str]:
    if isinstance(port, TcpPort) and not port.line_baud:
        many = ", as if one request were worked on at a time" if plan.outstanding > 1 else ""
        behind = "is there a serial line behind? say its line_baud"
        yield f"only the devices' turnaround is counted{many}; {behind}"


def chart(found: Sequence[Bus]) -> str:
    """A bar for each bus."""
    widest = max(len(bus.link.name) for bus in found)
    lines = ["How much of each line's time the reads take:"]
    for bus in found:
        parts = _parts(bus.shares)
        lines.append(f"{bus.link.name:<{widest}}  {_bar(parts)} {bus.forecast.utilisation:>4.0%}")
        told = (
            f"{shade} {name} {_percent(share)}" for shade, (name, share) in zip(SHADES, parts, strict=False)
        )
        lines += (" " * (widest + 2) + line for line in ("  ".join(told), *bus.assumed) if line)
    return "\n".join(lines)


def ages(found: Sequence[Bus], each_point: bool) -> str:
    """A table of the classes of each device, or of all points."""
    head = "How old values are at best and at worst, with one command at a time and nothing going wrong:"
    if each_point:
        rows = sorted(_each_point(found))
        return f"{head}\n{table(('point', 'every', 'best', 'worst'), rows)}"
    return (
        f"{head}\n{table(('device', 'class', 'every', 'points', 'reads', 'best', 'worst'), _classes(found))}"
    )


def in_numbers(found: Sequence[Bus]) -> Mapping[str, object]:
    """Shares of the time, and s."""
    return {
        "buses": {
            bus.link.name: {
                "utilisation": bus.forecast.utilisation,
                "devices": bus.forecast.shares(lambda poll: poll.unit.device),
                "assumed": "; ".join(bus.assumed),
            }
            for bus in found
        },
        "ages": {
            f"{poll.unit.device}.{point.name}": {
                "every": poll.interval,
                "best": poll.youngest,
                "worst": bus.forecast.oldest(poll),
            }
            for bus in found
            for poll in bus.forecast.polls
            for point in poll.block.points
        },
    }


def _parts(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    """As many as there are shades; the last of them is all the others."""
    named = list(shares.items())
    if len(named) <= len(SHADES):
        return named
    first, others = named[: len(SHADES) - 1], named[len(SHADES) - 1 :]
    return [*first, (counted(len(others), "other"), sum(share for _, share in others))]


def _bar(parts: Sequence[tuple[str, float]]) -> str:
    bar, whole = "", 0.0
    for shade, (_, share) in zip(SHADES, parts, strict=False):
        whole += share
        bar += shade * (ceil(whole * CELLS) - len(bar))
    return bar.ljust(CELLS, FREE)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else f"{share:.1%}"


def _classes(found: Sequence[Bus]) -> Iterator[Sequence[object]]:
    for bus in found:
        classes: dict[tuple[str, str], list[Poll]] = {}
        for poll in bus.forecast.polls:
            classes.setdefault((poll.unit.device, poll.block.scan), []).append(poll)
        for (device, scan), polls in classes.items():
            points = sum(len(poll.block.points) for poll in polls)
            best = min(poll.youngest for poll in polls)
            worst = max(bus.forecast.oldest(poll) for poll in polls)
            yield device, scan, written(polls[0].interval), points, len(polls), *_range(best, worst)


def _each_point(found: Sequence[Bus]) -> Iterator[tuple[str, ...]]:
    for bus in found:
        for poll in bus.forecast.polls:
            age = _range(poll.youngest, bus.forecast.oldest(poll))
            for point in poll.block.points:
                yield f"{poll.unit.device}.{point.name}", written(poll.interval), *age


def _range(best: float, worst: float) -> tuple[str, str]:
    """In whole ms, and never better than it is promised."""
    return written(floor(best * 1000) / 1000), written(ceil(worst * 1000) / 1000)
