"""How the site and its gateway are, as lines of telemetry: what a view of many sites is made of.

    gateway,site=         uptime= clock_trusted= memory= cpu= spool_fill= spool_bytes= queue_dropped=
                          journal_ok= journal_refused=
    sink,site=,sink=      up= lag= waiting= backlog= rate= sent= lost= dead_letters=
    site,site=            inside= places= alarms= unacknowledged= devices= devices_up= fire=
    point,site=,device=,point=,profile=[,unit=]   title=

The first three come every `PAUSE` s, so that silence means that the gateway is down or cannot deliver.

`point` says what a point's number is in, and what it is called. The unit is no tag of the reading itself: a
profile that is corrected would begin a new series and cut every chart in two. It comes at the start, after
a reload and once a day, lest a server that deletes what is old forget it.
"""

import os
import resource
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sitewarden.config.plan import Site
from sitewarden.drivers.modbus.points import Point
from sitewarden.drivers.plan import BusPlan
from sitewarden.gateway.api.house import Status
from sitewarden.gateway.board import Board
from sitewarden.gateway.catalogue import pick
from sitewarden.gateway.sinks.base import SinkStatus
from sitewarden.gateway.sinks.lines import fields, head
from sitewarden.rules.model import AlarmState, Stamp, Value

PAUSE = 30.0  # s
AGAIN = 86_400.0  # s until the points are told again
NEW = (AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED)  # alarms that nobody acknowledged yet

Own = Mapping[str, str]
"""Lines of the gateway's own, to be stamped: heads, and the fields of each."""

_STATM = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """What the gateway takes of its machine."""

    memory: int  # bytes resident
    cpu: float  # s since it started

    @classmethod
    def own(cls) -> "Process":
        used = resource.getrusage(resource.RUSAGE_SELF)
        return cls(int(_STATM.read_text().split()[1]) * _PAGE, used.ru_utime + used.ru_stime)


class Vitals:
    """What of all that is due. For one thread."""

    def __init__(self, site: Callable[[], Site], signs: Callable[[], Own]) -> None:
        """`site`: another one after a reload; `signs`: as `vitals` makes them of the moment."""
        self._site, self._signs = site, signs
        self._described: Site | None = None
        self._next = self._again = 0.0

    def due(self, mono: float) -> Own:
        told: dict[str, str] = {}
        if mono >= self._next:
            self._next = mono + PAUSE
            told |= self._signs()
        site = self._site()
        if site is not self._described or mono >= self._again:
            self._described, self._again = site, mono + AGAIN
            told |= points(site)
        return told


def vitals(
    site: Site,
    board: Board,
    status: Status,
    process: Process,
    queue_dropped: int,
    journal_ok: bool,
    journal_refused: int,
    at: Stamp,
) -> Own:
    """`queue_dropped`: effects that a listener was too slow to take; `journal_refused`: transactions that
    the disk did not take at once. Both, like `cpu`, count from the start of the gateway."""
    gateway: Mapping[str, Value] = {
        "uptime": at.mono - status.started.mono,
        "clock_trusted": status.clock_trusted,
        "memory": process.memory,
        "cpu": process.cpu,
        "spool_fill": status.spool_bytes / status.spool_limit if status.spool_limit else 0.0,
        "spool_bytes": status.spool_bytes,
        "queue_dropped": queue_dropped,
        "journal_ok": journal_ok,
        "journal_refused": journal_refused,
    }
    return {
        head("gateway", site=site.id): fields(**gateway),
        head("site", site=site.id): fields(**_state(site, board)),
        **{head("sink", site=site.id, sink=it.name): fields(**_delivery(it)) for it in status.sinks},
    }


def _state(site: Site, board: Board) -> Mapping[str, Value]:
    alarms = board.open_alarms()
    links = board.devices.values()
    return {
        "inside": board.inside,
        "places": site.plan.parking.places,
        "alarms": len(alarms),
        "unacknowledged": sum(alarm.state in NEW for alarm in alarms),
        "devices": len(links),
        "devices_up": sum(link is not None and link.up for link in links),
        "fire": str(board.fire.stage),
    }


def _delivery(sink: SinkStatus) -> Mapping[str, Value]:
    return {
        "up": sink.up,
        "lag": sink.lag,
        "waiting": sink.waiting,
        "backlog": sink.backlog,
        "rate": sink.rate,
        "sent": sink.sent,
        "lost": sink.lost,
        "dead_letters": sink.dead_letters,
    }


def points(site: Site) -> Own:
    """What each point is called in the site's language, and what its numbers are in."""
    return {
        head(
            "point", site=site.id, device=device, point=point.name, profile=profile, unit=point.unit
        ): fields(title=_title(site, device, point))
        for device, profile, point in _points(site)
    }


def _points(site: Site) -> Iterator[tuple[str, str, Point]]:
    for link in site.links:
        if isinstance(link.wire, BusPlan):
            for unit in link.wire.units:
                for point in unit.profile.points:
                    yield unit.device, unit.profile.name, point


def _title(site: Site, device: str, point: Point) -> str:
    lang = site.language
    return f"{pick(site.titles.get(device, {}), lang, device)} · {pick(point.label, lang, point.name)}"
