"""The service desk: cards as they were issued."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query

from sitewarden.gateway.api.access import Acquainted, Clerk
from sitewarden.gateway.api.context import TheHouse, TheShapes
from sitewarden.gateway.api.house import House
from sitewarden.gateway.api.models import CardIn, CardOut, CardPatch
from sitewarden.gateway.api.problems import Problem
from sitewarden.gateway.tokens import Caller
from sitewarden.rules.model import Permit

router = APIRouter(prefix="/cards")


@router.get("")
def search(
    house: TheHouse, shapes: TheShapes, _: Acquainted, text: Annotated[str, Query(max_length=100)] = ""
) -> list[CardOut]:
    """Cards whose number, plate, holder or space contains `text`; all of them without it."""
    return [shapes.card(permit) for permit in (house.cards.search(text) if text else house.cards.all())]


@router.get("/{card}")
def show(card: str, house: TheHouse, shapes: TheShapes, _: Acquainted) -> CardOut:
    return shapes.card(_known(house, card))


@router.put("/{card}")
def put(card: str, wanted: CardIn, house: TheHouse, shapes: TheShapes, caller: Clerk) -> CardOut:
    """Issues a card, or replaces what was known of it."""
    return shapes.card(_issue(house, caller, Permit(card, **_fields(wanted))))


@router.patch("/{card}")
def alter(card: str, wanted: CardPatch, house: TheHouse, shapes: TheShapes, caller: Clerk) -> CardOut:
    """Renews, blocks or corrects: only what is given changes."""
    return shapes.card(_issue(house, caller, replace(_known(house, card), **_fields(wanted))))


def _known(house: House, card: str) -> Permit:
    permit = house.cards.get(card)
    if permit is None:
        raise Problem(404, "no_such_card", "no such card")
    return permit


def _fields(wanted: CardIn | CardPatch) -> dict[str, Any]:
    fields = wanted.model_dump(exclude_none=True, exclude_unset=isinstance(wanted, CardPatch))
    if "lanes" in fields:
        fields["lanes"] = frozenset(fields["lanes"])
    return fields


def _issue(house: House, caller: Caller, permit: Permit) -> Permit:
    if permit.valid_from > permit.valid_to:
        raise Problem(422, "invalid", "valid_from must not lie after valid_to")
    if unknown := permit.lanes - house.board.lanes.keys():
        raise Problem(422, "invalid", f"no such lanes: {', '.join(sorted(unknown))}")
    house.cards.put(permit, caller.name)
    return permit
