"""What came of a button of the demo, for whoever pressed it."""

from collections.abc import Mapping
from enum import StrEnum

from sitewarden.simulators.ailments import health
from sitewarden.simulators.controls import Control
from sitewarden.simulators.estate import Estate
from sitewarden.simulators.plant.lift import Phase

WIRE = frozenset({"plug", "unplug"})


class Came(StrEnum):
    """`demo.came.<code>` in the catalogue."""

    DONE = "done"
    ARRIVES = "arrives"  # the car
    QUEUED = "queued"  # behind other cars
    NO_CARD = "no_card"  # of that kind, nothing happened
    SAME = "same"  # it was so before
    UNHEARD = "unheard"  # it happened behind a wire that is unplugged
    BROKEN = "broken"  # it happened behind a fire line that is


def picture(estate: Estate) -> tuple[object, ...]:
    """All that the buttons can alter."""
    return (
        frozenset(estate.unplugged),
        estate.works.torn,
        tuple(pump.fault for pump in estate.pumps.values()),
        tuple(lift.phase is Phase.STUCK for lift in estate.lifts.values()),
        tuple((line.fire, line.broken) for line in estate.lines.values()),
        tuple(gate.cars for gate in estate.gates.values()),
        tuple(health(unit) for unit in estate.units.values()),
    )


def came(estate: Estate, links: Mapping[str, str], control: Control, altered: bool) -> Came:
    """`links`: the link of each device; `control`: without what was chosen; `altered`: whether the picture
    is another than before."""
    gate, line = estate.gates.get(control.target), estate.lines.get(control.target)
    if not altered:
        return Came.NO_CARD if gate else Came.SAME
    if control.name in WIRE:
        return Came.DONE
    if links.get(_device(estate, control.target)) in estate.unplugged:
        return Came.UNHEARD
    if gate:
        return Came.QUEUED if gate.cars > 1 else Came.ARRIVES
    if line and line.broken and control.name.startswith("fire"):
        return Came.BROKEN
    return Came.DONE


def _device(estate: Estate, target: str) -> str:
    """What would tell the gateway of it."""
    if gate := estate.gates.get(target):
        return gate.lane.reader
    panels = {panel.panel: panel.point.partition(".")[0] for panel in estate.plan.fire}
    return panels.get(target, target)
