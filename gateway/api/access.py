"""Who may do what. Nothing but the health checks and the sign-in answers to strangers.

`Gate` stands before every route and knows the caller; each route says with its caller's type (`Viewer`,
`Opener` …) what that caller must be allowed.
"""

from collections.abc import Mapping
from enum import StrEnum
from http.cookies import CookieError, SimpleCookie
from typing import Annotated
from urllib.parse import urlsplit

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sitewarden.gateway.api.house import House
from sitewarden.gateway.api.language import spoken
from sitewarden.gateway.api.problems import Problem, problem
from sitewarden.gateway.tokens import Caller, Role
from sitewarden.gateway.web.signin import sign_in
from sitewarden.gateway.words import Words

COOKIE = "sitewarden_session"
KEEPERS = 2  # threads that look callers up, for nothing else: whoever acts needs one
OPEN = frozenset({"/livez", "/readyz", "/welcome", "/session"})
POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Permission(StrEnum):
    READ = "read"  # the site, with cards and plates masked
    PERSONAL = "personal"  # who drives: full card numbers, plates, holders
    ACKNOWLEDGE = "acknowledge"
    OPEN = "open"  # a barrier, by hand
    RESET_FIRE = "reset_fire"
    CARDS = "cards"  # issue, renew, block
    FORGIVE = "forgive"  # a card whose passage was missed
    WRITE = "write"  # a value to a point of a device
    CONFIGURE = "configure"  # reload, record, the demo's controls


_LOOK = frozenset({Permission.READ})
_KNOW = _LOOK | {Permission.PERSONAL, Permission.FORGIVE}
ALLOWED: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _LOOK,
    Role.GUARD: _KNOW | {Permission.ACKNOWLEDGE, Permission.OPEN, Permission.RESET_FIRE},
    Role.DESK: _KNOW | {Permission.CARDS},
    Role.ENGINEER: frozenset(Permission),
}


def may(caller: Caller, permission: Permission) -> bool:
    return permission in ALLOWED[caller.role]


class Needs:
    """The dependency of a route: its caller, who has been found to have the permission."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> Caller:
        caller: Caller = request.state.caller
        if not may(caller, self.permission):
            roles = ", ".join(role for role in Role if self.permission in ALLOWED[role])
            lacks = f"the role {caller.role} lacks the permission {self.permission}"
            raise Problem(403, "forbidden", f"{lacks}; roles that have it: {roles}")
        return caller


Viewer = Annotated[Caller, Depends(Needs(Permission.READ))]
Acquainted = Annotated[Caller, Depends(Needs(Permission.PERSONAL))]
Acknowledger = Annotated[Caller, Depends(Needs(Permission.ACKNOWLEDGE))]
Opener = Annotated[Caller, Depends(Needs(Permission.OPEN))]
Resetter = Annotated[Caller, Depends(Needs(Permission.RESET_FIRE))]
Clerk = Annotated[Caller, Depends(Needs(Permission.CARDS))]
Forgiver = Annotated[Caller, Depends(Needs(Permission.FORGIVE))]
Writer = Annotated[Caller, Depends(Needs(Permission.WRITE))]
Configurer = Annotated[Caller, Depends(Needs(Permission.CONFIGURE))]


class Gate:
    """Lets a request through once it knows who is calling: a token, a session or the local socket."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        self._app, self._house = app, house
        self._keepers = CapacityLimiter(KEEPERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        headers = Headers(scope=scope)
        if scope["method"] not in SAFE and not same_origin(headers):
            await problem(403, "cross_origin", "the form was sent by another site")(scope, receive, send)
            return
        if scope["path"] not in OPEN:
            caller = await self._caller(scope, headers)
            if caller is None:
                await self._stranger(Request(scope))(scope, receive, send)
                return

            async def welcome() -> bool:
                return await self._caller(scope, headers) == caller

            scope.setdefault("state", {}).update(caller=caller, welcome=welcome)
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope, headers: Headers) -> Caller | None:
        if name := scope.get("sitewarden.local"):  # whoever the file system lets open the Unix socket
            return Caller(name, Role.ENGINEER)
        return await to_thread.run_sync(self._known, headers, limiter=self._keepers)

    def _known(self, headers: Headers) -> Caller | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme:
            return self._house.tokens.bearer(token.strip()) if scheme.lower() == "bearer" else None
        session = session_of(headers)
        return self._house.tokens.session(session, self._house.now()) if session else None

    def _stranger(self, request: Request) -> ASGIApp:
        if "text/html" in request.headers.get("accept", ""):
            site = self._house.site
            return sign_in(Words(site, spoken(request, site.language)))
        return problem(401, "unauthorized", "a bearer token is needed", {"www-authenticate": "Bearer"})


def _with_headers(send: Send) -> Send:
    async def _send(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return _send


def session_of(headers: Headers) -> str | None:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None


def same_origin(headers: Headers) -> bool:
    """A browser says where a form stood; other programs say nothing, and bring no cookie by accident.

    `Sec-Fetch-Site` is what browsers send (W3C Fetch Metadata, 2.3), `Origin` what the older ones do.
    """
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    if origin := headers.get("origin"):
        return urlsplit(origin).netloc == headers.get("host")
    return True
