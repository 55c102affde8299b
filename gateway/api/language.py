"""Which language somebody is spoken to in."""

import re
from operator import itemgetter

from fastapi import Request

from sitewarden.gateway.catalogue import LANGUAGES

LANGUAGE_COOKIE = "sitewarden_lang"
RANGE = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?")


def spoken(request: Request, otherwise: str) -> str:
    """Asked for in the address, chosen before, what the browser prefers, or `otherwise`: the site's own."""
    asked = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    return asked if asked in LANGUAGES else preferred(request.headers.get("accept-language", "")) or otherwise


def preferred(accept: str) -> str | None:
    """The one of our languages that comes first in an `Accept-Language` (RFC 9110, 12.5.4), if any does."""
    ranges = [match.groups() for match in map(RANGE.fullmatch, accept.split(",")) if match]
    weighed = [(float(weight or 1), tag.lower()) for tag, weight in ranges if tag.lower() in LANGUAGES]
    best, language = max(weighed, key=itemgetter(0), default=(0.0, ""))
    return language if best > 0 else None
