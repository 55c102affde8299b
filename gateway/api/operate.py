"""POST: what an operator can do. `act.py` does it, for the page's forms as well."""

import asyncio

from fastapi import APIRouter

from sitewarden.gateway.api import act, writing
from sitewarden.gateway.api.access import Acknowledger, Configurer, Forgiver, Opener, Resetter, Writer
from sitewarden.gateway.api.context import TheHouse, TheShapes, TheStreams
from sitewarden.gateway.api.models import (
    CardNumber,
    DecisionOut,
    Done,
    OpenIn,
    RecordIn,
    RecordOut,
    ReloadOut,
    WriteIn,
    WriteOut,
)
from sitewarden.gateway.api.problems import Problem

router = APIRouter()


@router.post("/alarms/{alarm:path}/acknowledge")
async def acknowledge(alarm: str, house: TheHouse, caller: Acknowledger) -> Done:
    await act.acknowledge(house, caller, alarm)
    return Done()


@router.post("/alarms/{alarm:path}/reset")
async def reset_latch(alarm: str, house: TheHouse, caller: Acknowledger) -> Done:
    """Lets go of a latched alarm whose cause is over."""
    await act.reset_latch(house, caller, alarm)
    return Done()


@router.post("/lanes/{lane}/open")
async def open_lane(
    lane: str, asked: OpenIn, house: TheHouse, shapes: TheShapes, caller: Opener
) -> DecisionOut:
    return shapes.decision(await act.open_lane(house, caller, lane, asked.reason))


@router.post("/points/{point}/write")
async def write(
    point: str, asked: WriteIn, house: TheHouse, streams: TheStreams, shapes: TheShapes, caller: Writer
) -> WriteOut:
    """Answers once it is known how the write ended, which may take as long as a unit may be away for it."""
    return shapes.write(await writing.write(house, streams, caller, point, asked.value, asked.reason))


@router.post("/fire/reset")
async def reset_fire(house: TheHouse, caller: Resetter) -> Done:
    """Lets the barriers go again, once no panel says fire; 409 before."""
    await act.reset_fire(house, caller)
    return Done()


@router.post("/cards/{card}/forgive")
async def forgive(card: CardNumber, house: TheHouse, caller: Forgiver) -> Done:
    """Whether its car is inside or outside is unknown from now on: the next swipe settles it."""
    await act.forgive(house, caller, card)
    return Done()


@router.post("/reload")
async def reload(house: TheHouse, _: Configurer) -> ReloadOut:
    """Reads the configuration again; 409 with every error when it is refused."""
    reloaded = await asyncio.wrap_future(house.reload())
    if reloaded.errors:
        raise Problem(409, "refused", "\n".join(reloaded.errors))
    return ReloadOut(changed=list(reloaded.changed))


@router.post("/links/{link}/record")
async def record(link: str, asked: RecordIn, house: TheHouse, _: Configurer) -> RecordOut:
    """Starts or ends the recording of a link's bytes."""
    if link not in {plan.name for plan in house.site.links}:
        raise Problem(404, "no_such_link", f"no link {link!r}")
    try:
        recording = await asyncio.wrap_future(house.record(link, asked.on))
    except KeyError:
        raise Problem(409, "not_recorded", f"the link {link!r} is not being recorded") from None
    except OSError as error:
        raise Problem(503, "recording_failed", f"the recording could not be written: {error}") from error
    return RecordOut(link=recording.link, path=recording.path)
