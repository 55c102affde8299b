"""Errors as RFC 9457 problem details: a code for programs, a sentence for people."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from sitewarden.rules.model import Value


class Problem(Exception):
    """Ends a request. `code` is stable; `detail` may change. `more`: what a program may want to know beside
    it (RFC 9457, 3.2), and what stands in the words of `code`."""

    def __init__(self, status: int, code: str, detail: str, **more: Value) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.more = status, code, detail, more


def problem(
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Value] = {},
) -> JSONResponse:
    body = {"type": "about:blank", "status": status, "code": code, "detail": detail, **more}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}

Say = Callable[[Request, str, str, Mapping[str, Value]], str]
Page = Callable[[Request, int, str], Response]


def install(app: FastAPI, say: Say, page: Page) -> None:
    """Gives every error of the application this one shape; `say` puts a code, with what is known of it,
    into the caller's language, and `page` draws it for a browser."""

    def told(
        request: Request,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Value] = {},
    ) -> Response:
        detail = say(request, code, detail, more)
        if "text/html" in request.headers.get("accept", ""):
            return page(request, status, detail)
        return problem(status, code, detail, headers, more)

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return told(request, error.status, error.code, error.detail, more=error.more)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        code = CODES.get(error.status_code, "refused")
        return told(request, error.status_code, code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        wrong = error.errors()
        if wrong[0]["type"] == "json_invalid":
            return told(request, 400, "refused", f"body: found no JSON: {wrong[0]['ctx']['error']}")
        return told(request, 422, "invalid", "; ".join(map(_wrong, wrong)))


def _wrong(error: Mapping[str, Any]) -> str:
    """`limit: found '0', input should be …`; what stood in a body may be long or secret, and is not said."""
    place, *path = map(str, error["loc"])
    name = ".".join(path) or place
    expected = f"{error['msg'][:1].lower()}{error['msg'][1:]}"
    found = error["input"]
    if place in ("query", "path") and isinstance(found, str):
        return f"{name}: found {found[:40]!r}, {expected}"
    return f"{name}: {expected}"
