"""The way in for a person: a one-time link, a pasted token; and out again."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from sitewarden.gateway.api.access import COOKIE, Viewer
from sitewarden.gateway.api.context import TheHouse, TheWords
from sitewarden.gateway.api.language import LANGUAGE_COOKIE
from sitewarden.gateway.catalogue import LANGUAGES
from sitewarden.gateway.tokens import SESSION_LIVES
from sitewarden.gateway.web.signin import onward, sign_in

router = APIRouter()


@router.get("/welcome")
def welcome(request: Request, house: TheHouse, words: TheWords, code: str = "") -> Response:
    """Uses a one-time link up."""
    session = house.tokens.welcome(code, house.now())
    return _let_in(request, words, session)


@router.post("/session")
def session(
    request: Request, house: TheHouse, words: TheWords, token: Annotated[str, Form(max_length=200)]
) -> Response:
    """Opens a session with a token, for this browser."""
    return _let_in(request, words, house.tokens.sign_in(token.strip(), house.now()))


@router.post("/session/end")
def sign_out(request: Request, house: TheHouse, _: Viewer) -> Response:
    house.tokens.sign_out(request.cookies.get(COOKIE, ""))
    response = RedirectResponse("/", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


@router.post("/language")
async def language(_: Viewer, lang: Annotated[str, Form()], back: Annotated[str, Form()] = "/") -> Response:
    """Keeps a language for this browser."""
    response = RedirectResponse(inside(back), 303)
    if lang in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, lang, max_age=365 * 86400, httponly=True, samesite="lax")
    return response


def _let_in(request: Request, words: TheWords, session: str | None) -> Response:
    if session is None:
        return sign_in(words, wrong=True)
    response = onward(words)
    response.set_cookie(
        COOKIE,
        session,
        max_age=int(SESSION_LIVES),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


def inside(path: str) -> str:
    """`path` if it leads to a room of this house, else the first room."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
