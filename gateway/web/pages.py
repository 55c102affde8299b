"""The page: rooms as HTML, the stream that keeps them live, the forms that make something happen."""

from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)

from sitewarden.gateway.api import act, telemetry, writing
from sitewarden.gateway.api.access import Acknowledger, Configurer, Forgiver, Opener, Resetter, Viewer, Writer
from sitewarden.gateway.api.context import StillWelcome, TheHouse, TheStreams, TheWords
from sitewarden.gateway.api.house import DemoControl
from sitewarden.gateway.api.live import frame
from sitewarden.gateway.api.models import CardNumber
from sitewarden.gateway.api.problems import Problem
from sitewarden.gateway.typed import typed
from sitewarden.gateway.web.door import inside
from sitewarden.gateway.web.history import Sought
from sitewarden.gateway.web.rooms import ROOMS, Rooms, Visit

router = APIRouter(default_response_class=HTMLResponse)

STATIC: Final = {path.name: path for path in (Path(__file__).parent / "static").iterdir()}


async def _rooms(request: Request) -> Rooms:
    rooms: Rooms = request.app.state.rooms
    return rooms


async def _known(house: TheHouse, device: str = "") -> str:
    if device and device not in house.board.devices:
        raise Problem(404, "not_found", f"no device {device!r}")
    return device


async def _back(back: Annotated[str, Form()] = "/") -> Response:
    return RedirectResponse(inside(back), 303)


TheRooms = Annotated[Rooms, Depends(_rooms)]
TheDevice = Annotated[str, Depends(_known)]
Search = Annotated[Sought, Depends()]
Name = Annotated[str, Form()]
Back = Annotated[Response, Depends(_back)]
"""To the room in which the form stood."""


# -- rooms -----------------------------------------------------------------------------------------


@router.get("/")
@router.get("/lanes")
@router.get("/alarms")
@router.get("/telemetry")
@router.get("/more")
def room(request: Request, rooms: TheRooms, words: TheWords, caller: Viewer, sought: Search) -> str:
    return rooms.page(Visit(caller, words, request.url.path.strip("/") or "site", sought=sought))


@router.get("/devices/{device}")
def device(rooms: TheRooms, words: TheWords, caller: Viewer, device: TheDevice) -> str:
    return rooms.page(Visit(caller, words, "device", device))


@router.get("/live/{room}")
async def live(
    room: str,
    house: TheHouse,
    rooms: TheRooms,
    streams: TheStreams,
    words: TheWords,
    caller: Viewer,
    welcome: StillWelcome,
    device: TheDevice,
    sought: Search,
) -> StreamingResponse:
    """The parts of a room whenever they change, as HTML; all of them at first."""
    if room not in ROOMS or (room == "device" and not device):
        raise Problem(404, "not_found", f"no room {room!r}")
    visit = Visit(caller, words, room, device, sought)
    shown: dict[str, str] = {}

    async def frames() -> str | None:
        if device and device not in house.board.devices:  # since a reload
            return None
        drawn = await rooms.live(visit)
        changed = [html for part, html in drawn.items() if shown.get(part) != html]
        shown.update(drawn)
        return frame("".join(changed)) if changed else ""

    return streams.respond(frames, welcome)


@router.get("/static/{name}")
async def static(name: str, _: Viewer) -> FileResponse:
    if name not in STATIC:
        raise Problem(404, "not_found", f"no file {name!r}")
    return FileResponse(STATIC[name], headers={"cache-control": "private, max-age=3600"})


# -- forms -----------------------------------------------------------------------------------------


@router.post("/do/acknowledge")
async def acknowledge(house: TheHouse, caller: Acknowledger, alarm: Name, back: Back) -> Response:
    await act.acknowledge(house, caller, alarm)
    return back


@router.post("/do/reset")
async def reset_latch(house: TheHouse, caller: Acknowledger, alarm: Name, back: Back) -> Response:
    await act.reset_latch(house, caller, alarm)
    return back


@router.post("/do/open")
async def open_lane(
    house: TheHouse,
    caller: Opener,
    lane: Name,
    reason: Annotated[str, Form(max_length=200)],
    back: Back,
) -> Response:
    await act.open_lane(house, caller, lane, reason)
    return back


@router.post("/do/write")
async def write(
    request: Request,
    house: TheHouse,
    streams: TheStreams,
    words: TheWords,
    caller: Writer,
    point: Name,
    value: Annotated[str, Form(max_length=100)],
    reason: Annotated[str, Form(max_length=200)],
    back: Back,
) -> Response:
    """Says what is read back to whoever can show it beside the page."""
    at = house.board.points.get(point)
    try:
        wanted = typed(value, at.kind) if at else value
    except ValueError as error:
        raise Problem(422, "invalid", f"value: {error}") from None
    ended = await writing.write(house, streams, caller, point, wanted, reason)
    if "application/json" not in request.headers.get("accept", ""):
        return back
    read = words.value(point, ended.read)
    return JSONResponse({"detail": f"{words.point(point)} {read}: {words.text(f'outcome.{ended.outcome}')}"})


@router.post("/do/drain")
async def drain(house: TheHouse, caller: Configurer, destination: Name, back: Back) -> Response:
    telemetry.hurry(house, caller, destination)
    return back


@router.post("/do/letter")
def letter(
    house: TheHouse,
    caller: Configurer,
    number: Annotated[int, Form()],
    act: Annotated[telemetry.Deed, Form()],
    back: Back,
) -> Response:
    telemetry.settle(house, caller, act, [number])
    return back


@router.post("/do/forgive")
async def forgive(
    house: TheHouse, caller: Forgiver, card: Annotated[CardNumber, Form()], back: Back
) -> Response:
    await act.forgive(house, caller, card)
    return back


@router.post("/do/reset-fire")
async def reset_fire(house: TheHouse, caller: Resetter, back: Back) -> Response:
    await act.reset_fire(house, caller)
    return back


@router.post("/do/press")
def press(
    request: Request,
    house: TheHouse,
    words: TheWords,
    _: Configurer,
    name: Name,
    back: Back,
    target: Annotated[str, Form()] = "",
    value: Annotated[str, Form()] = "",
) -> Response:
    """A button of the demo; says what came of it to whoever can show it beside the page."""
    try:
        if house.demo is None:
            raise KeyError(name)
        came = house.demo.press(DemoControl(name, target, value))
    except KeyError:
        raise Problem(404, "no_such_control", f"no control {name!r} for {target!r}") from None
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"detail": words.text(f"demo.came.{came}")})
    return back
