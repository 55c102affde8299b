"""What may stand behind the question mark: nothing that nobody declared, and pages of what grows."""

from typing import Annotated

from fastapi import Query, Request
from fastapi.dependencies.models import Dependant

from sitewarden.gateway.api.problems import Problem
from sitewarden.gateway.catalogue import LANGUAGES

LANG = "lang"
Limit = Annotated[int, Query(ge=1, le=1000, description="rows of one page")]


async def only_declared(request: Request) -> None:
    """For every route: a misspelt filter must not answer as if it had been heard."""
    known = sorted(_declared(request.scope["route"].dependant) | {LANG})
    if unknown := [name for name in request.query_params if name not in known]:
        found = ", ".join(f"'{name[:40]}'" for name in unknown)
        detail = f"found {found} in the query, expected only {', '.join(known)}"
        raise Problem(422, "unknown_parameter", detail)
    lang = request.query_params.get(LANG, LANGUAGES[0])
    if lang not in LANGUAGES:
        raise Problem(422, "invalid", f"lang: found {lang[:40]!r}, expected {' or '.join(LANGUAGES)}")


def _declared(dependant: Dependant) -> set[str]:
    return {param.alias for param in dependant.query_params}.union(*map(_declared, dependant.dependencies))
