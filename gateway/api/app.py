"""The application: health, the API, the page, behind one gate."""

from collections.abc import Mapping

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from sitewarden.gateway.api import cards, events, health, operate, problems, read, telemetry
from sitewarden.gateway.api.access import Gate
from sitewarden.gateway.api.bodies import Bodies
from sitewarden.gateway.api.house import House
from sitewarden.gateway.api.language import spoken
from sitewarden.gateway.api.live import Streams
from sitewarden.gateway.api.query import only_declared
from sitewarden.gateway.web import door, pages
from sitewarden.gateway.web.rooms import Rooms, Visit
from sitewarden.gateway.web.signin import sorry
from sitewarden.gateway.words import Vocabulary, Words
from sitewarden.rules.model import Value


def create_app(house: House) -> FastAPI:
    app = FastAPI(
        title="Sitewarden",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(only_declared)],
    )
    app.state.house = house
    app.state.streams = Streams(house)
    app.state.vocabulary = Vocabulary(lambda: house.site)
    app.state.rooms = Rooms(house)
    problems.install(app, _in_words, _error_page)
    app.include_router(health.router)
    api = APIRouter(prefix="/api/v1")
    for part in (read, operate, cards, events, telemetry):
        api.include_router(part.router)
    app.include_router(api)
    app.include_router(door.router)
    app.include_router(pages.router)
    app.add_middleware(Bodies)
    app.add_middleware(Gate, house=house)
    return app


def _in_words(request: Request, code: str, detail: str, more: Mapping[str, Value]) -> str:
    return _words(request).problem(code, detail, more)


def _error_page(request: Request, status: int, detail: str) -> Response:
    words, caller = _words(request), getattr(request.state, "caller", None)
    if caller is None:
        return sorry(words, status, detail)
    rooms: Rooms = request.app.state.rooms
    return HTMLResponse(rooms.page(Visit(caller, words, "sorry"), detail=detail), status)


def _words(request: Request) -> Words:
    house: House = request.app.state.house
    vocabulary: Vocabulary = request.app.state.vocabulary
    return vocabulary.words(spoken(request, house.site.language))
