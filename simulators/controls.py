"""What can be made to happen on the estate, by name: for the buttons of the demo and for tests.

press(estate, "burst_pipe", "", at)
press(estate, "swipe", "in-1/expired", at)     # lane and what kind of card, or the card's digits
press(estate, "line_fault", "panel-1/open", at)
press(estate, "unplug", "gate-in", at)         # the host of the estate pulls the plug
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import partial

from sitewarden.rules.model import Direction, Stamp
from sitewarden.simulators.estate import Estate
from sitewarden.simulators.gate import Car
from sitewarden.simulators.plant.fireline import LineState
from sitewarden.simulators.plant.water import PumpFault

Press = Callable[[Estate, str, Stamp], None]  # estate, target, instant

UNKNOWN_CARD = "00DEADBEEF"


@dataclass(frozen=True, slots=True)
class Control:
    """A button. `label` is a code for the catalogue; `target` is what it acts on."""

    name: str
    target: str
    label: str


class CardKind(StrEnum):
    VALID = "valid"
    EXPIRED = "expired"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


def press(estate: Estate, name: str, target: str, at: Stamp) -> None:
    """Raises KeyError for a control or target that the estate does not have."""
    PRESSES[name](estate, target, at)


def controls(estate: Estate) -> tuple[Control, ...]:
    """Every button that makes sense on this estate, in the order a page shows them."""
    return tuple(_controls(estate))


def swipe(estate: Estate, lane: str, card: str, at: Stamp) -> None:
    """A car stands at the lane's reader, and its driver holds the card out at once."""
    estate.gates[lane].arrive(Car(card, hurries=True), at.mono)


def car_arrives(estate: Estate, lane: str, card: str, at: Stamp) -> None:
    """A car joins the lane's queue; `card` is empty for a driver who has none."""
    estate.gates[lane].arrive(Car(card), at.mono)


def _controls(estate: Estate) -> Iterator[Control]:
    today = estate.start.wall.astimezone(estate.plan.tz).date()
    for lane in estate.gates:
        for kind in CardKind:
            if _card(estate, lane, kind, today):
                yield Control("swipe", f"{lane}/{kind}", f"control.swipe_{kind}")
    if estate.pumps:
        yield from (Control(name, "", f"control.{name}") for name in ("burst_pipe", "mend_pipe"))
    yield from _for_each(estate.pumps, "block_pump", "unblock_pump")
    yield from _for_each(estate.lifts, "trap_passenger", "free_passenger")
    for panel in estate.lines:
        yield Control("fire", panel, "control.fire")
        yield Control("fire_over", panel, "control.fire_over")
        for broken in (LineState.OPEN, LineState.SHORT):
            yield Control("line_fault", f"{panel}/{broken}", f"control.line_{broken}")
        yield Control("line_mended", panel, "control.line_mended")
    yield from _for_each(estate.twins, "unplug", "plug")


def _for_each(targets: Mapping[str, object], *names: str) -> Iterator[Control]:
    for target in targets:
        for name in names:
            yield Control(name, target, f"control.{name}")


def _card(estate: Estate, lane: str, kind: str, today: date) -> str:
    """A card of that kind that fits the lane; "" when the site has none."""
    match kind:
        case CardKind.UNKNOWN:
            return UNKNOWN_CARD
        case CardKind.EXPIRED:
            cards = [permit.card for permit in estate.permits if permit.valid_to < today]
        case CardKind.BLOCKED:
            cards = [permit.card for permit in estate.permits if permit.blocked]
        case CardKind.VALID:
            wanted = estate.gates[lane].lane.direction is Direction.OUT
            cards = [
                permit.card
                for permit in estate.permits
                if permit.valid_from <= today <= permit.valid_to
                and not permit.blocked
                and estate.traffic.is_home(permit.card) is wanted
            ]
        case digits:
            return digits
    return next(iter(cards), "")


def _swipe(estate: Estate, target: str, at: Stamp) -> None:
    lane, _, kind = target.partition("/")
    today = at.wall.astimezone(estate.plan.tz).date()
    if card := _card(estate, lane, kind, today):
        swipe(estate, lane, card, at)


def _car_arrives(estate: Estate, target: str, at: Stamp) -> None:
    lane, _, card = target.partition("/")
    car_arrives(estate, lane, card, at)


def _pipe(torn: bool, estate: Estate, target: str, at: Stamp) -> None:
    estate.works.torn = torn


def _pump(fault: int, estate: Estate, target: str, at: Stamp) -> None:
    estate.pumps[target].fault = fault


def _fire(on: bool, estate: Estate, target: str, at: Stamp) -> None:
    estate.lines[target].fire = on


def _line_fault(estate: Estate, target: str, at: Stamp) -> None:
    panel, _, broken = target.partition("/")
    estate.lines[panel].broken = LineState(broken) if broken else None


def _unplug(estate: Estate, target: str, at: Stamp) -> None:
    if target not in estate.twins:
        raise KeyError(target)
    estate.unplugged.add(target)


def _plug(estate: Estate, target: str, at: Stamp) -> None:
    estate.unplugged.discard(target)


PRESSES: Mapping[str, Press] = {
    "swipe": _swipe,
    "car_arrives": _car_arrives,
    "burst_pipe": partial(_pipe, True),
    "mend_pipe": partial(_pipe, False),
    "block_pump": partial(_pump, PumpFault.BLOCKED),
    "dry_pump": partial(_pump, PumpFault.DRY),
    "unblock_pump": partial(_pump, PumpFault.NONE),
    "trap_passenger": lambda estate, lift, at: estate.lifts[lift].trap(at.mono),
    "free_passenger": lambda estate, lift, at: estate.lifts[lift].free(at.mono),
    "fire": partial(_fire, True),
    "fire_over": partial(_fire, False),
    "line_fault": _line_fault,
    "line_mended": _line_fault,
    "unplug": _unplug,
    "plug": _plug,
}
