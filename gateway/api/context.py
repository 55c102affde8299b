"""What a route is handed: the house, the caller's language, the caller's shapes.

All of it is in memory, so none of it takes one of the threads (`server.READERS`), nor waits for one: FastAPI
would run it in them if it were not `async`. Who opens a barrier waits for no store.
"""

from typing import Annotated, cast

from fastapi import Depends, Request

from sitewarden.gateway.api.house import House
from sitewarden.gateway.api.language import spoken
from sitewarden.gateway.api.live import Streams, Welcome
from sitewarden.gateway.api.shapes import Shapes
from sitewarden.gateway.words import Vocabulary, Words


async def _house(request: Request) -> House:
    return cast(House, request.app.state.house)


async def _streams(request: Request) -> Streams:
    return cast(Streams, request.app.state.streams)


async def _welcome(request: Request) -> Welcome:
    return cast(Welcome, request.state.welcome)


StillWelcome = Annotated[Welcome, Depends(_welcome)]
"""Whether the caller would still be let in: a stream outlives tokens, sessions and roles."""
TheHouse = Annotated[House, Depends(_house)]
TheStreams = Annotated[Streams, Depends(_streams)]


async def language(request: Request, house: TheHouse) -> str:
    return spoken(request, house.site.language)


async def _words(request: Request, lang: Annotated[str, Depends(language)]) -> Words:
    vocabulary: Vocabulary = request.app.state.vocabulary
    return vocabulary.words(lang)


TheWords = Annotated[Words, Depends(_words)]


async def _shapes(request: Request, house: TheHouse, words: TheWords) -> Shapes:
    return Shapes(house, words, request.state.caller)


TheShapes = Annotated[Shapes, Depends(_shapes)]
