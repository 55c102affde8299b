"""What a stranger's browser is shown: a form for a token. It needs no other file, since all the others
need a token, and its one style is allowed by its hash."""

import base64
import hashlib
from html import escape
from pathlib import Path
from typing import Final

from fastapi.responses import HTMLResponse

from sitewarden.gateway.words import Words

STYLE: Final = Path(__file__).with_name("static").joinpath("door.css").read_text(encoding="utf-8")
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
}


def sign_in(words: Words, wrong: bool = False) -> HTMLResponse:
    """The form, as the body of a 401. `wrong`: what was typed before opened nothing."""
    alert = f"<p role=alert>{escape(words.text('ui.signin.wrong'))}</p>" if wrong else ""
    return _page(
        words,
        f"<form method=post action=/session><h1>{escape(words.site)}</h1>{alert}"
        f"<label for=t>{escape(words.text('ui.signin.token'))}</label>"
        "<input id=t name=token type=password autocomplete=current-password required autofocus>"
        f"<button>{escape(words.text('ui.signin'))}</button>"
        f"<p>{escape(words.text('ui.signin.how'))}</p></form>",
        401,
    )


def onward(words: Words) -> HTMLResponse:
    """Goes to the page by itself. A redirect would not do: the browser withholds a fresh `Strict`
    cookie from one that another site's link led to."""
    return _page(
        words,
        f"<p><a href=/>{escape(words.site)}</a></p>",
        200,
        "<meta http-equiv=refresh content='0;url=/'>",
    )


def sorry(words: Words, status: int, detail: str) -> HTMLResponse:
    """An error, for a person whose form came without scripts."""
    back = f"<button>{escape(words.text('ui.back'))}</button>"
    return _page(words, f"<form method=get action=/><h1>{escape(detail)}</h1>{back}</form>", status)


def _page(words: Words, body: str, status: int, head: str = "") -> HTMLResponse:
    html = (
        f"<!doctype html><html lang={words.text('ui.htmllang')}><meta charset=utf-8>{head}"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{escape(words.site)}</title><style>{STYLE}</style>{body}"
    )
    return HTMLResponse(html, status, HEADERS)
