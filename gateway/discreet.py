"""What the rules know of people, cut down to what one swipe is judged by: a recording leaves the site."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from sitewarden.rules.cells import LaneCell, Place, Strangers, Swipe
from sitewarden.rules.model import Permit
from sitewarden.rules.plan import SitePlan

PEOPLE = (Place, Strangers, LaneCell, Swipe)
"""The cells that have, or count, cards."""


def unnamed(
    cells: Mapping[str, object], plan: SitePlan, card: str = "", permit: Permit | None = None
) -> dict[str, object]:
    """Those of `PEOPLE`, of the plan's lanes, with no card in them but `card`, and deciding on it as they
    did: the other cars inside are counted as strangers are, one that has its private space has no number.
    """
    met = cells.get("strangers")
    met = met if isinstance(met, Strangers) else Strangers(0)
    others = {key: cell for key, cell in _places(cells) if key != f"inside/{card}"}
    kept: dict[str, object] = {key: cell for key, cell in _places(cells) if key not in others}
    if counted := sum(place.shared for place in others.values()):
        met = replace(met, balance=met.balance + counted)
    if met != Strangers(0):
        kept["strangers"] = met
    for place in others.values():
        taken = place.inside and not place.shared and place.strangers == met.cars
        if permit and permit.space and taken and place.space == permit.space:
            kept["inside/"] = place
    for lane in plan.parking.lanes:
        cell, swipe = cells.get(f"lane/{lane.id}"), cells.get(f"swipe/{lane.id}")
        if isinstance(cell, LaneCell):
            grants = tuple(g if g.card == card else replace(g, card="") for g in cell.grants)
            kept[f"lane/{lane.id}"] = replace(cell, grants=grants)
        if isinstance(swipe, Swipe) and swipe.card == card:
            kept[f"swipe/{lane.id}"] = swipe
    return kept


def _places(cells: Mapping[str, object]) -> Iterator[tuple[str, Place]]:
    return ((key, cell) for key, cell in cells.items() if isinstance(cell, Place))


def others(cells: Mapping[str, object]) -> dict[str, object]:
    """The cells that know nobody."""
    return {key: cell for key, cell in cells.items() if not isinstance(cell, PEOPLE)}


def plain(permit: Permit) -> Permit:
    """Without whose it is."""
    return replace(permit, holder="", plate="")
