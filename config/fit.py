"""Whether the buses can do what is asked of them; where one cannot, what would help."""

from collections.abc import Iterator, Sequence

from sitewarden.config.document import Document
from sitewarden.config.words import written
from sitewarden.drivers.modbus.feasible import Forecast, Poll, forecast
from sitewarden.drivers.modbus.remedy import Remedies, remedies
from sitewarden.drivers.plan import BusPlan, LinkPlan

MOST_NAMED = 4  # of the scan classes that take most of the time
MOST_POINTS = 3  # of each class
MOST_DEVICES = 12  # that are shared out by name


def fit(document: Document, links: Sequence[LinkPlan]) -> None:
    """Notes every bus that cannot keep its intervals. While anything else is wrong nothing is reckoned."""
    if document.errors:
        return
    for link in links:
        if isinstance(link.wire, BusPlan) and (now := forecast(link.port, link.wire)).late:
            hint = "; or ".join(_helps(remedies(link.port, link.wire)))
            document.wrong(
                ("links", link.name),
                "every read done before it is due again",
                f"this would fit: {hint}" if hint else "no interval and no bus is enough for it",
                found=_found(now),
                at_key=True,
            )


def _found(now: Forecast) -> str:
    """Each scan class of each device with its points: what it takes, or how late it comes."""
    if now.utilisation >= 1:
        shares = now.shares(_class)
        told = [f"{_named(now, name)} {share:.0%}" for name, share in shares.items()]
        return f"reads that take {now.utilisation:.0%} of the line's time: {_first(told)}"
    late = {_class(poll): poll for poll in now.late}
    told = [
        f"{_named(now, name)} {written(now.steady[poll.interval])} instead of {written(poll.interval)}"
        for name, poll in late.items()
    ]
    return f"reads that take too long: {_first(told)}"


def _class(poll: Poll) -> tuple[str, str]:
    return poll.unit.device, poll.block.scan


def _named(now: Forecast, name: tuple[str, str]) -> str:
    device, scan = name
    points = [point.name for poll in now.polls if _class(poll) == name for point in poll.block.points]
    return f"{device} {scan} ({_first(points, MOST_POINTS)})"


def _first(told: Sequence[str], most: int = MOST_NAMED) -> str:
    more = f" and {len(told) - most} more" if len(told) > most else ""
    return ", ".join(told[:most]) + more


def _helps(found: Remedies) -> Iterator[str]:
    if found.baud:
        yield f"{found.baud} baud"
    if slower := found.slower:
        which = f"the scan class {slower.scan!r}" if slower.scan else "every scan class"
        yield f"{which} of {slower.device or 'every device'} at {written(slower.interval)}"
    if found.buses:
        few = sum(map(len, found.buses)) <= MOST_DEVICES
        names = ", with " + " | ".join(map(" ".join, found.buses)) if few else ""
        yield f"{len(found.buses)} links{names}"
