"""The service desk: cards as they were issued."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query

from sitewarden.drivers.cards.readers import card_forms
from sitewarden.drivers.plan import ReaderPlan
from sitewarden.gateway.api.access import Acquainted, Clerk
from sitewarden.gateway.api.context import TheHouse, TheShapes
from sitewarden.gateway.api.house import House
from sitewarden.gateway.api.models import CardIn, CardNumber, CardOut, CardPatch, PageOut
from sitewarden.gateway.api.problems import Problem
from sitewarden.gateway.api.query import Limit
from sitewarden.gateway.cards import Change
from sitewarden.gateway.issuing import Issuing, Refused
from sitewarden.gateway.tokens import Caller
from sitewarden.rules.model import Direction, Permit

router = APIRouter(prefix="/cards")


@router.get("")
def search(
    house: TheHouse,
    shapes: TheShapes,
    _: Acquainted,
    text: Annotated[str, Query(max_length=100)] = "",
    limit: Limit = 100,
    after: Annotated[str, Query(max_length=100)] = "",
) -> PageOut[CardOut]:
    """By their numbers: those whose number, plate, holder or space contains `text`."""
    found = house.cards.search(text, after, limit + 1)
    page = [shapes.card(permit) for permit in found[:limit]]
    return PageOut(items=page, next=found[limit - 1].card if len(found) > limit else None)


@router.get("/{card}")
def show(card: CardNumber, house: TheHouse, shapes: TheShapes, _: Acquainted) -> CardOut:
    return shapes.card(_known(house.cards.get(card)))


@router.put("/{card}")
def put(card: CardNumber, wanted: CardIn, house: TheHouse, shapes: TheShapes, caller: Clerk) -> CardOut:
    """Issues a card, or replaces what was known of it."""
    issuing, permit = _issuing(house), Permit(card, **_fields(wanted))
    return shapes.card(_alter(house, caller, card, lambda _: issuing.checked(permit)))


@router.patch("/{card}")
def alter(card: CardNumber, wanted: CardPatch, house: TheHouse, shapes: TheShapes, caller: Clerk) -> CardOut:
    """Renews, blocks or corrects: only what is given changes."""
    issuing, fields = _issuing(house), _fields(wanted)

    def change(stored: Permit | None) -> Permit:
        known = _known(stored)
        return issuing.checked(replace(known, **fields), known)

    return shapes.card(_alter(house, caller, card, change))


def _known(permit: Permit | None) -> Permit:
    if permit is None:
        raise Problem(404, "no_such_card", "no such card")
    return permit


def _fields(wanted: CardIn | CardPatch) -> dict[str, Any]:
    fields = wanted.model_dump(exclude_none=True, exclude_unset=isinstance(wanted, CardPatch))
    if "lanes" in fields:
        fields["lanes"] = frozenset(fields["lanes"])
    return fields


def _issuing(house: House) -> Issuing:
    kinds = (link.wire.kind for link in house.site.links if isinstance(link.wire, ReaderPlan))
    parking = house.site.plan.parking
    exits = frozenset(lane.id for lane in parking.lanes if lane.direction is Direction.OUT)
    return Issuing(frozenset(house.board.lanes), exits, parking.private_spaces, card_forms(kinds))


def _alter(house: House, caller: Caller, card: str, change: Change) -> Permit:
    try:
        return house.cards.alter(card, change, caller.name)
    except Refused as refused:
        raise Problem(422, "invalid", str(refused)) from refused
