"""Fire opens every barrier of the site and holds it until an operator resets.

    NORMAL -> FIRE   a panel says fire; every further one adds itself
    FIRE   -> HELD   no panel says fire any more
    HELD   -> FIRE   one does again
    HELD   -> NORMAL an operator resets

A fault of a panel or of its line is an alarm and never a fire, nor the end of one: a line that burns
through in a fire goes on being on fire until the panel says otherwise.
"""

from collections.abc import Iterable
from dataclasses import replace

from sitewarden.rules.alarms.book import FIRE, AlarmBook, alarm_id
from sitewarden.rules.cells import Fire, LineCell, Said
from sitewarden.rules.model import (
    FireChange,
    FireKind,
    FireSignal,
    FireStage,
    Operator,
    Quality,
    Reading,
    Stamp,
)
from sitewarden.rules.parking.barrier import Barriers
from sitewarden.rules.parking.lane import Lanes
from sitewarden.rules.plan import FireInput, Lane
from sitewarden.rules.state import State

KEY = "fire"
SET_AGAIN = 5.0  # s: an output that lost its state meanwhile is set again
UNREADABLE = Said(FireKind.FAULT, text="unreadable")


class FireRelease:
    def __init__(
        self,
        state: State,
        book: AlarmBook,
        barriers: Barriers,
        lanes: Lanes,
        plan: Iterable[Lane],
    ) -> None:
        self._state, self._book = state, book
        self._barriers, self._lanes = barriers, lanes
        self._plan = tuple(plan)

    @property
    def settled(self) -> bool:
        return self._barriers.all_held if self._fire else not self._barriers.rewired

    def settle(self, at: Stamp) -> None:
        """After a restart in a fire, and for barriers that were added in one. Those that the site has no
        longer are let go, in a fire only with its reset: until then they stay open too."""
        if self._fire is None:
            self._barriers.let_go()
        elif not self._barriers.all_held:
            self._barriers.hold_all(at)

    def told(self, signal: FireSignal) -> None:
        match signal.kind:
            case FireKind.FIRE:
                self._burns(signal)
            case FireKind.NORMAL:
                self._over(signal)
            case FireKind.FAULT:
                self._fails(signal)

    def reset(self, event: Operator) -> bool:
        """Returns False unless the barriers only wait for this."""
        fire, at = self._fire, event.at
        if fire is None or fire.stage is not FireStage.HELD:
            return False
        self._state.put(KEY, None)
        self._state.emit(FireChange(FireStage.HELD, FireStage.NORMAL, at, by=event.by))
        self._book.reset_fire(event.by, at)
        for lane in self._plan:
            self._barriers.release(lane, at)
            self._lanes.released(lane, at)
        self._barriers.let_go()
        return True

    def came_up(self, device: str) -> None:
        """A device may have lost its outputs while it was away."""
        self._barriers.set_again(device)

    def due(self, _: str, at: Stamp) -> None:
        if fire := self._fire:
            self._state.note(KEY, replace(fire, due=at.mono + SET_AGAIN))
            self._barriers.set_again()

    @property
    def _fire(self) -> Fire | None:
        return self._state.get(KEY, Fire)

    def _burns(self, signal: FireSignal) -> None:
        fire, at, panel = self._fire, signal.at, signal.panel
        before, panels = (fire.stage, fire.panels) if fire else (FireStage.NORMAL, ())
        if panel not in panels:
            panels = (*panels, panel)
        if before is FireStage.FIRE and fire:
            self._state.put(KEY, replace(fire, panels=panels))
        else:
            self._state.put(KEY, Fire(FireStage.FIRE, panels, at.mono + SET_AGAIN))
            self._state.emit(FireChange(before, FireStage.FIRE, at, panel, signal.zone))
            self._barriers.hold_all(at)
        params = {"zone": signal.zone, "component": signal.component, "text": signal.text}
        self._book.back(alarm_id("fire_fault", panel), at)  # who can say so is in order
        self._book.raised(FIRE, panel, at, params)

    def _fails(self, signal: FireSignal) -> None:
        """Another fault than the one that stands is another alarm."""
        params = {"text": signal.text, "zone": signal.zone, "component": signal.component}
        alarm = alarm_id("fire_fault", signal.panel)
        if self._book.params(alarm) != params:
            self._book.back(alarm, signal.at)
        self._book.raised("fire_fault", signal.panel, signal.at, params)

    def _over(self, signal: FireSignal) -> None:
        fire, at, panel = self._fire, signal.at, signal.panel
        self._book.back(alarm_id("fire_fault", panel), at)
        self._book.back(alarm_id(FIRE, panel), at)
        if fire is None or panel not in fire.panels:
            return
        panels = tuple(other for other in fire.panels if other != panel)
        if panels:
            self._state.put(KEY, replace(fire, panels=panels))
        else:
            self._state.put(KEY, replace(fire, panels=(), stage=FireStage.HELD))
            self._state.emit(FireChange(FireStage.FIRE, FireStage.HELD, at, panel))


class FireLines:
    """Supervised contacts: what a line's value means, once it has meant so for the debounce time."""

    def __init__(
        self, state: State, release: FireRelease, plan: Iterable[FireInput], patience: float
    ) -> None:
        """`patience`: s from the start in which a line may be silent or unreadable."""
        self._state, self._release, self._patience = state, release, patience
        self._plan = {line.panel: line for line in plan}

    @property
    def settled(self) -> bool:
        return all(self._state.get(f"line/{panel}", LineCell) for panel in self._plan)

    def settle(self, at: Stamp) -> None:
        """A line of which nothing is ever heard is a fault as well."""
        for panel, line in self._plan.items():
            if not self._state.get(f"line/{panel}", LineCell):
                until = at.mono + self._patience + line.debounce
                self._put(panel, LineCell(None, UNREADABLE, until))

    def read(self, line: FireInput, reading: Reading) -> None:
        cell, said, at = self._cell(line.panel), meaning(line, reading), reading.at
        if said == cell.now:
            self._put(line.panel, LineCell(cell.now))
        elif said != cell.then:
            self._put(line.panel, LineCell(cell.now, said, at.mono + line.debounce))
        cell = self._cell(line.panel)
        if cell.due is not None and cell.due <= at.mono:
            self.due(line.panel, at)

    def due(self, panel: str, at: Stamp) -> None:
        """It has lasted."""
        if said := self._cell(panel).then:
            self._put(panel, LineCell(said))
            self._release.told(FireSignal(panel, said.kind, at, said.zone, panel, said.text))

    def _cell(self, panel: str) -> LineCell:
        return self._state.get(f"line/{panel}", LineCell) or LineCell()

    def _put(self, panel: str, cell: LineCell) -> None:
        self._state.put(f"line/{panel}", cell)


def meaning(line: FireInput, reading: Reading) -> Said:
    """The band that the value falls into; a fault where there is none."""
    value = reading.value
    if reading.quality is Quality.GOOD and isinstance(value, bool | int | float):
        for band in line.bands:
            if band.low <= value < band.high:
                return Said(band.kind, band.zone, band.text)
    return UNREADABLE
