"""What a route is handed: the house, the caller's language, the caller's shapes."""

from collections.abc import Callable
from typing import Annotated, cast

from fastapi import Depends, Request

from sitewarden.gateway.api.house import House
from sitewarden.gateway.api.language import spoken
from sitewarden.gateway.api.live import Streams
from sitewarden.gateway.api.shapes import Shapes
from sitewarden.gateway.words import Vocabulary, Words


def _house(request: Request) -> House:
    return cast(House, request.app.state.house)


def _streams(request: Request) -> Streams:
    return cast(Streams, request.app.state.streams)


def _welcome(request: Request) -> Callable[[], bool]:
    return cast(Callable[[], bool], request.state.welcome)


StillWelcome = Annotated[Callable[[], bool], Depends(_welcome)]
"""Whether the caller would still be let in: a stream outlives tokens, sessions and roles."""
TheHouse = Annotated[House, Depends(_house)]
TheStreams = Annotated[Streams, Depends(_streams)]


def language(request: Request, house: TheHouse) -> str:
    return spoken(request, house.site.language)


def _words(request: Request, lang: Annotated[str, Depends(language)]) -> Words:
    vocabulary: Vocabulary = request.app.state.vocabulary
    return vocabulary.words(lang)


TheWords = Annotated[Words, Depends(_words)]


def _shapes(request: Request, house: TheHouse, words: TheWords) -> Shapes:
    return Shapes(house, words, request.state.caller)


TheShapes = Annotated[Shapes, Depends(_shapes)]
