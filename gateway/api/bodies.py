"""Bodies are small, and those of the API are JSON. What is not is refused before it is read."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sitewarden.gateway.api.problems import problem

MOST = 64 * 1024  # bytes; the largest there is, a card with a hundred lanes, has a tenth of it
TOO_LARGE = f"the body is longer than {MOST} bytes"


class Bodies:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > MOST:
            await problem(413, "too_large", TOO_LARGE)(scope, receive, send)
        elif scope["path"].startswith("/api/") and _is_there(headers, length) and not _is_json(headers):
            found = headers.get("content-type", "nothing")[:80]
            detail = f"content-type: found {found}, expected application/json"
            await problem(415, "not_json", detail)(scope, receive, send)
        else:
            await self._app(scope, _bounded(receive), send)


def _is_there(headers: Headers, length: str) -> bool:
    return "transfer-encoding" in headers or length.strip("0") != ""


def _is_json(headers: Headers) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _bounded(receive: Receive) -> Receive:
    """For a body that did not say its length beforehand."""
    read = 0

    async def _receive() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MOST:
            raise HTTPException(413, TOO_LARGE)
        return message

    return _receive
