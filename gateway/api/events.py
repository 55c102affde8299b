"""GET /events: the stream for programs. Each message's `event` is its kind, its data an object."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from sitewarden.gateway.api.access import Viewer
from sitewarden.gateway.api.context import StillWelcome, TheShapes, TheStreams
from sitewarden.gateway.api.live import Entry, Happening, frame
from sitewarden.gateway.api.shapes import Shapes

router = APIRouter()


@router.get("/events")
async def events(
    streams: TheStreams,
    shapes: TheShapes,
    _: Viewer,
    welcome: StillWelcome,
    kinds: Annotated[list[Happening] | None, Query()] = None,
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
) -> StreamingResponse:
    """`kinds`: only these. With `Last-Event-ID` it goes on from there; the event `gap` says how many
    messages are gone for good, because this client was away or too slow."""
    wanted = frozenset(kinds or Happening)
    streams.since(0)
    last = streams.newest if last_event_id is None or last_event_id > streams.newest else last_event_id

    async def frames() -> str:
        nonlocal last
        news = streams.since(last)
        if not news:
            return ""
        missed, last = news[0].id - last - 1, news[-1].id
        gap = frame(str(missed), "gap") if missed else ""
        return gap + "".join(shown(entry, shapes) for entry in news if entry.kind in wanted)

    return streams.respond(frames, welcome)


def shown(entry: Entry, shapes: Shapes) -> str:
    return frame(shapes.happening(entry.effect).model_dump_json(), entry.kind, str(entry.id))
