"""GET: how the site is, and what happened."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
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
    PassageOut,
    PointOut,
    SiteOut,
    TrendOut,
)
from sitewarden.gateway.api.problems import Problem

router = APIRouter()

Limit = Annotated[int, Query(ge=1, le=1000)]
Instant = Annotated[
    AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]
"""One that a store can reckon with: those at the ends of the calendar overflow."""
Before = Annotated[Instant | None, Query(description="only older ones; an instant with its time zone")]


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
def alarm_history(
    house: TheHouse, shapes: TheShapes, _: Viewer, limit: Limit = 100, before: Before = None
) -> list[AlarmChangeOut]:
    return [shapes.alarm_change(change) for change in house.journal.alarm_history(limit, before)]


@router.get("/decisions")
def decisions(
    house: TheHouse, shapes: TheShapes, _: Viewer, limit: Limit = 100, before: Before = None
) -> list[DecisionOut]:
    return [shapes.decision(decision) for decision in house.journal.decisions(limit, before)]


@router.get("/passages")
def passages(
    house: TheHouse,
    shapes: TheShapes,
    _: Viewer,
    limit: Limit = 100,
    before: Before = None,
    lane: str | None = None,
) -> list[PassageOut]:
    return [shapes.passage(passage) for passage in house.journal.passages(limit, before, lane)]


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
