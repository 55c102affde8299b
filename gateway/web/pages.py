"""The page: rooms as HTML, the stream that keeps them live, the forms that make something happen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, StreamingResponse

from sitewarden.gateway.api import act
from sitewarden.gateway.api.access import Acknowledger, Configurer, Forgiver, Opener, Resetter, Viewer
from sitewarden.gateway.api.context import StillWelcome, TheHouse, TheStreams, TheWords
from sitewarden.gateway.api.house import DemoControl
from sitewarden.gateway.api.live import frame
from sitewarden.gateway.api.models import CardNumber
from sitewarden.gateway.api.problems import Problem
from sitewarden.gateway.web.door import inside
from sitewarden.gateway.web.rooms import ROOMS, Rooms, Visit

router = APIRouter(default_response_class=HTMLResponse)

STATIC: Final = {path.name: path for path in (Path(__file__).parent / "static").iterdir()}
Back = Annotated[str, Form()]


def _rooms(request: Request) -> Rooms:
    rooms: Rooms = request.app.state.rooms
    return rooms


TheRooms = Annotated[Rooms, Depends(_rooms)]


@router.get("/")
def site(rooms: TheRooms, words: TheWords, caller: Viewer) -> str:
    return rooms.page(Visit(caller, words, "site"))


@router.get("/lanes")
def lanes(rooms: TheRooms, words: TheWords, caller: Viewer) -> str:
    return rooms.page(Visit(caller, words, "lanes"))


@router.get("/alarms")
def alarms(rooms: TheRooms, words: TheWords, caller: Viewer) -> str:
    return rooms.page(Visit(caller, words, "alarms"))


@router.get("/more")
def more(rooms: TheRooms, words: TheWords, caller: Viewer) -> str:
    return rooms.page(Visit(caller, words, "more"))


@router.get("/devices/{device}")
def device(device: str, house: TheHouse, rooms: TheRooms, words: TheWords, caller: Viewer) -> str:
    return rooms.page(Visit(caller, words, "device", _known(house, device)))


@router.get("/live/{room}")
async def live(
    room: str,
    house: TheHouse,
    rooms: TheRooms,
    streams: TheStreams,
    words: TheWords,
    caller: Viewer,
    welcome: StillWelcome,
    device: str = "",
) -> StreamingResponse:
    """The parts of a room whenever they change, as HTML; all of them at first."""
    if room not in ROOMS:
        raise Problem(404, "no_such_room", f"no room {room!r}")
    visit = Visit(caller, words, room, _known(house, device) if device else "")
    shown: dict[str, str] = {}

    def frames() -> Iterator[str]:
        drawn = rooms.parts(visit)
        changed = [html for part, html in drawn.items() if shown.get(part) != html]
        shown.update(drawn)
        if changed:
            yield frame("".join(changed))

    return streams.respond(frames, welcome)


@router.get("/static/{name}")
async def static(name: str, _: Viewer) -> FileResponse:
    if name not in STATIC:
        raise Problem(404, "not_found", f"no file {name!r}")
    return FileResponse(STATIC[name], headers={"cache-control": "private, max-age=3600"})


@router.post("/do/acknowledge")
async def acknowledge(
    house: TheHouse, caller: Acknowledger, alarm: Annotated[str, Form()], back: Back = "/"
) -> RedirectResponse:
    await act.acknowledge(house, caller, alarm)
    return RedirectResponse(inside(back), 303)


@router.post("/do/reset")
async def reset_latch(
    house: TheHouse, caller: Acknowledger, alarm: Annotated[str, Form()], back: Back = "/"
) -> RedirectResponse:
    await act.reset_latch(house, caller, alarm)
    return RedirectResponse(inside(back), 303)


@router.post("/do/open")
async def open_lane(
    house: TheHouse,
    caller: Opener,
    lane: Annotated[str, Form()],
    reason: Annotated[str, Form(max_length=200)],
    back: Back = "/",
) -> RedirectResponse:
    await act.open_lane(house, caller, lane, reason)
    return RedirectResponse(inside(back), 303)


@router.post("/do/forgive")
async def forgive(
    house: TheHouse, caller: Forgiver, card: Annotated[CardNumber, Form()], back: Back = "/"
) -> RedirectResponse:
    await act.forgive(house, caller, card)
    return RedirectResponse(inside(back), 303)


@router.post("/do/reset-fire")
async def reset_fire(house: TheHouse, caller: Resetter, back: Back = "/") -> RedirectResponse:
    await act.reset_fire(house, caller)
    return RedirectResponse(inside(back), 303)


@router.post("/do/press")
def press(
    house: TheHouse,
    _: Configurer,
    name: Annotated[str, Form()],
    target: Annotated[str, Form()] = "",
    value: Annotated[str, Form()] = "",
    back: Back = "/",
) -> RedirectResponse:
    """A button of the demo."""
    try:
        if house.demo is None:
            raise KeyError(name)
        house.demo.press(DemoControl(name, target, value))
    except KeyError:
        raise Problem(404, "no_such_control", f"no control {name!r} for {target!r}") from None
    return RedirectResponse(inside(back), 303)


def _known(house: TheHouse, device: str) -> str:
    if device not in house.board.devices:
        raise Problem(404, "no_such_device", f"no device {device!r}")
    return device
