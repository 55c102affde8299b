"""Errors as RFC 9457 problem details: a code for programs, a sentence for people."""

from collections.abc import Callable, Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException


class Problem(Exception):
    """Ends a request. `code` is stable; `detail` may change."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


def problem(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: object
) -> JSONResponse:
    body = {"type": "about:blank", "status": status, "code": code, "detail": detail, **more}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


Page = Callable[[Request, int, str], Response]


def install(app: FastAPI, page: Page) -> None:
    """Gives every error of the application this one shape; `page` draws it for a browser."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return page(request, error.status, error.detail)
        return problem(error.status, error.code, error.detail)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
        return problem(error.status_code, code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        found = [{"at": ".".join(map(str, e["loc"])), "expected": e["msg"]} for e in error.errors()]
        return problem(422, "invalid", "; ".join(f"{e['at']}: {e['expected']}" for e in found), errors=found)
