"""What can be made to happen on the estate, by name: for the buttons of the demo and for tests.

press(estate, "burst_pipe", "", at)
press(estate, "swipe", "in-1/expired", at)     # lane and what kind of card, or the card's digits
press(estate, "line_fault", "panel-1/open", at)
press(estate, "device_fault", "pump-1/slow", at)
press(estate, "unplug", "gate-in", at)         # the host of the estate pulls the plug
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import partial

from sitewarden.rules.model import Stamp
from sitewarden.simulators.ailments import Ailment, ail, heal
from sitewarden.simulators.estate import Estate
from sitewarden.simulators.gate import Car
from sitewarden.simulators.plant.fireline import LineState
from sitewarden.simulators.plant.water import PumpFault

Press = Callable[[Estate, str, Stamp], None]  # estate, target, instant

UNKNOWN_CARD = "00DEADBEEF"
CARD_DIGITS = re.compile("[0-9A-Fa-f]{10}")
BROKEN = {"open": LineState.OPEN, "short": LineState.SHORT}


@dataclass(frozen=True, slots=True)
class Control:
    """A button: what happens, and to what."""

    name: str
    target: str


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
    estate.arrive(lane, Car(_digits(card), hurries=True), at.mono)


def car_arrives(estate: Estate, lane: str, card: str, at: Stamp) -> None:
    """A car joins the lane's queue; `card` is empty for a driver who has none."""
    estate.arrive(lane, Car(_digits(card) if card else ""), at.mono)


def _controls(estate: Estate) -> Iterator[Control]:
    today = estate.start.wall.astimezone(estate.plan.tz).date()
    for lane in estate.gates:
        for kind in CardKind:
            if _card(estate, lane, kind, today):
                yield Control("swipe", f"{lane}/{kind}")
    if estate.pumps:
        yield from (Control(name, "") for name in ("burst_pipe", "mend_pipe"))
    yield from _for_each(estate.pumps, "block_pump", "dry_pump", "unblock_pump")
    yield from _for_each(estate.lifts, "trap_passenger", "free_passenger")
    for panel in estate.lines:
        yield Control("fire", panel)
        yield Control("fire_over", panel)
        for broken in BROKEN:
            yield Control("line_fault", f"{panel}/{broken}")
        yield Control("line_mended", panel)
    for device in estate.units:
        for ailment in Ailment:
            yield Control("device_fault", f"{device}/{ailment}")
        yield Control("device_mended", device)
    yield from _for_each(estate.twins, "unplug", "plug")


def _for_each(targets: Mapping[str, object], *names: str) -> Iterator[Control]:
    for target in targets:
        for name in names:
            yield Control(name, target)


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
            direction = estate.gates[lane].lane.direction
            cards = [
                permit.card
                for permit in estate.permits
                if permit.valid_from <= today <= permit.valid_to
                and not permit.blocked
                and estate.traffic.may_go(permit.card, direction)
            ]
        case digits:
            return digits
    return cards[0] if cards else ""


def _digits(card: str) -> str:
    if not CARD_DIGITS.fullmatch(card):
        raise KeyError(card)
    return card


def _swipe(estate: Estate, target: str, at: Stamp) -> None:
    lane, _, kind = target.partition("/")
    if lane not in estate.gates or not kind:
        raise KeyError(target)
    today = at.wall.astimezone(estate.plan.tz).date()
    if card := _card(estate, lane, kind, today):
        swipe(estate, lane, card, at)


def _car_arrives(estate: Estate, target: str, at: Stamp) -> None:
    lane, _, card = target.partition("/")
    car_arrives(estate, lane, card, at)


def _pipe(torn: bool, estate: Estate, target: str, at: Stamp) -> None:
    if target:
        raise KeyError(target)
    estate.works.torn = torn


def _pump(fault: int, estate: Estate, target: str, at: Stamp) -> None:
    estate.pumps[target].fault = fault


def _fire(on: bool, estate: Estate, target: str, at: Stamp) -> None:
    estate.lines[target].fire = on


def _line_fault(estate: Estate, target: str, at: Stamp) -> None:
    panel, _, broken = target.partition("/")
    estate.lines[panel].broken = BROKEN[broken]


def _line_mended(estate: Estate, panel: str, at: Stamp) -> None:
    estate.lines[panel].broken = None


def _device_fault(estate: Estate, target: str, at: Stamp) -> None:
    device, _, name = target.partition("/")
    if name not in set(Ailment):
        raise KeyError(target)
    ail(estate.units[device], Ailment(name), at.mono)


def _device_mended(estate: Estate, device: str, at: Stamp) -> None:
    heal(estate.units[device])


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
    "line_mended": _line_mended,
    "device_fault": _device_fault,
    "device_mended": _device_mended,
    "unplug": _unplug,
    "plug": _plug,
}
