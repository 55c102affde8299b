"""GET: how the site is, and what happened."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, Field

from sitewarden.gateway.api.access import Viewer
from sitewarden.gateway.api.context import TheHouse, TheShapes
from sitewarden.gateway.api.models import (
    AlarmChangeOut,
    AlarmOut,
    BucketOut,
    DecisionOut,
    DeviceOut,
    LaneOut,
    Model,
    PageOut,
    PassageOut,
    PointOut,
    SiteOut,
    TrendOut,
    WriteOut,
)
from sitewarden.gateway.api.problems import Problem
from sitewarden.gateway.api.query import Limit
from sitewarden.gateway.journal import Page
from sitewarden.gateway.records import ALARMS, DECISIONS, PASSAGES, WRITES

router = APIRouter()

R = TypeVar("R")
Out = TypeVar("Out", bound=Model)

Instant = Annotated[
    AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]
"""One that a store can reckon with: those at the ends of the calendar overflow."""
Before = Annotated[Instant | None, Query(description="only older ones; an instant with its time zone")]
After = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="what the page before said as `next`")]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows of a history, the newest first."""

    limit: int
    before: datetime | None
    after: int | None


async def _asked(limit: Limit = 100, before: Before = None, after: After = None) -> Asked:
    return Asked(limit, before, after)


Rows = Annotated[Asked, Depends(_asked)]


async def _lane(house: TheHouse, lane: str | None = None) -> str | None:
    if lane is not None and lane not in house.board.lanes:
        raise Problem(404, "no_such_lane", f"no lane {lane[:40]!r}, expected {', '.join(house.board.lanes)}")
    return lane


TheLane = Annotated[str | None, Depends(_lane)]


@router.get("/site")
async def site(shapes: TheShapes, _: Viewer) -> SiteOut:
    return shapes.site()


@router.get("/points")
async def points(house: TheHouse, shapes: TheShapes, _: Viewer, device: str | None = None) -> list[PointOut]:
    """`device`: only the points of this one."""
    if device is not None and device not in house.board.devices:
        raise Problem(404, "no_such_device", f"no device {device!r}")
    return [
        shapes.point(point)
        for point in house.board.points
        if device is None or point.startswith(f"{device}.")
    ]


@router.get("/devices")
async def devices(house: TheHouse, shapes: TheShapes, _: Viewer) -> list[DeviceOut]:
    return [shapes.device(device) for device in house.board.devices]


@router.get("/lanes")
async def lanes(house: TheHouse, shapes: TheShapes, _: Viewer) -> list[LaneOut]:
    return [shapes.lane(lane) for lane in house.board.lanes]


@router.get("/alarms")
async def alarms(house: TheHouse, shapes: TheShapes, _: Viewer) -> list[AlarmOut]:
    """The open ones, worst and oldest first."""
    return [shapes.alarm(alarm) for alarm in house.board.open_alarms()]


@router.get("/alarms/history")
def alarm_history(house: TheHouse, shapes: TheShapes, _: Viewer, asked: Rows) -> PageOut[AlarmChangeOut]:
    """What became of every alarm, the newest first."""
    page = house.journal.page(ALARMS, asked.limit, asked.before, after=asked.after)
    return _page(page, shapes.alarm_change)


@router.get("/decisions")
def decisions(
    house: TheHouse, shapes: TheShapes, _: Viewer, lane: TheLane, asked: Rows
) -> PageOut[DecisionOut]:
    return _page(house.journal.page(DECISIONS, asked.limit, asked.before, lane, asked.after), shapes.decision)


@router.get("/passages")
def passages(
    house: TheHouse, shapes: TheShapes, _: Viewer, lane: TheLane, asked: Rows
) -> PageOut[PassageOut]:
    return _page(house.journal.page(PASSAGES, asked.limit, asked.before, lane, asked.after), shapes.passage)


@router.get("/writes")
def writes(house: TheHouse, shapes: TheShapes, _: Viewer, asked: Rows) -> PageOut[WriteOut]:
    """What was written to points, by whom, and how it ended."""
    return _page(house.journal.page(WRITES, asked.limit, asked.before, after=asked.after), shapes.write)


def _page(page: Page[R], shape: Callable[[R], Out]) -> PageOut[Out]:
    return PageOut(items=[shape(row) for row in page.rows], next=str(page.next) if page.next else None)


@router.get("/trend")
def trend(
    house: TheHouse,
    _: Viewer,
    point: str,
    since: Instant | None = None,
    until: Instant | None = None,
    buckets: Annotated[int, Query(ge=1, le=2000)] = 300,
) -> TrendOut:
    """Least, mean, greatest and last value of equal stretches of time; the last hour by default."""
    if point not in house.board.points:
        raise Problem(404, "no_such_point", f"no point {point!r}")
    end = until or house.now().wall
    start = since or end - timedelta(hours=1)
    if start >= end:
        raise Problem(422, "invalid", "since must lie before until")
    rows = house.trend.query(point, start, end, buckets)
    return TrendOut(
        point=point,
        unit=house.board.points[point].unit,
        since=start,
        until=end,
        rows=[BucketOut(at=r.at, low=r.low, mean=r.mean, high=r.high, last=r.last) for r in rows],
    )
