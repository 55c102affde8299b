"""What the rules of parking know of cars, cut down to what one swipe is judged by: a recording leaves the
site. Whoever alters what `access.judge` is asked alters this too.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from sitewarden.rules.cells import Grant, LaneCell, Place, Strangers, Swipe
from sitewarden.rules.model import Permit, PermitKind, Stamp
from sitewarden.rules.plan import Lane

PEOPLE = (Place, Strangers, LaneCell, Swipe)
"""The cells that have, or count, cards."""
SOMEBODY = "inside/*"
NEVER = Stamp(datetime(1970, 1, 1, tzinfo=UTC), 0.0)


def unnamed(
    cells: Mapping[str, object], lanes: Iterable[Lane], card: str = "", permit: Permit | None = None
) -> dict[str, object]:
    """Those of `PEOPLE`, of these lanes, with nothing of any card in them but of `card`, and deciding on it
    as they did. Of the other cars there is left how many are inside, that one of them has the space of
    `permit`, and what sort of car may still go through a lane, and for how long.
    """
    met = cells.get("strangers")
    met = met if isinstance(met, Strangers) else Strangers(0)
    own = f"inside/{card}"
    others = [place for key, place in _places(cells) if key != own]
    kept: dict[str, object] = {key: place for key, place in _places(cells) if key == own}
    met = replace(met, balance=met.balance + sum(place.shared for place in others))
    if met != Strangers(0):
        kept["strangers"] = met
    space = permit.space if permit else ""
    if space and any(_certainly_in(place, space, met) for place in others):
        kept[SOMEBODY] = Place(True, PermitKind.PRIVATE, space, NEVER, met.cars)
    for lane in lanes:
        cell, swipe = cells.get(f"lane/{lane.id}"), cells.get(f"swipe/{lane.id}")
        if isinstance(cell, LaneCell):
            grants = tuple(grant if grant.card == card else _nobodys(grant, space) for grant in cell.grants)
            kept[f"lane/{lane.id}"] = replace(cell, grants=grants)
        if isinstance(swipe, Swipe) and swipe.card == card:
            kept[f"swipe/{lane.id}"] = swipe
    return kept


def _places(cells: Mapping[str, object]) -> Iterator[tuple[str, Place]]:
    return ((key, cell) for key, cell in cells.items() if isinstance(cell, Place))


def _certainly_in(place: Place, space: str, met: Strangers) -> bool:
    return place.inside and not place.shared and place.space == space and place.strangers == met.cars


def _nobodys(grant: Grant, space: str) -> Grant:
    return replace(grant, card="", space=space if grant.space == space else "")


def others(cells: Mapping[str, object]) -> dict[str, object]:
    """The cells that know nothing of cars."""
    return {key: cell for key, cell in cells.items() if not isinstance(cell, PEOPLE)}


def plain(permit: Permit) -> Permit:
    """Without whose it is."""
    return replace(permit, holder="", plate="")
