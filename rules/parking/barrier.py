"""The arm of each lane: what is asked of it, and whether it does so.

The alarms of an arm: `barrier_stuck` and, under fire, `barrier_not_open` when `opened` does not come in
time; `barrier_forced` when it leaves `closed` and nobody asked.
"""

from dataclasses import replace

from sitewarden.rules.alarms.book import AlarmBook, alarm_id
from sitewarden.rules.cells import Arm, Output, Outputs
from sitewarden.rules.model import Command, Do, Quality, Reading, Stamp
from sitewarden.rules.plan import Lane, SitePlan
from sitewarden.rules.state import State

KEY = "outputs"


class Barriers:
    def __init__(self, state: State, book: AlarmBook, plan: SitePlan) -> None:
        self._state, self._book, self._devices = state, book, plan.devices
        self._lanes = {lane.id: lane for lane in plan.parking.lanes}
        self._outputs = tuple(
            Output(lane.barrier.device, name) for lane in self._lanes.values() for name in _outputs(lane)
        )

    # -- after a start ---------------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        return all(map(self.known, self._lanes.values()))

    def known(self, lane: Lane) -> bool:
        """Whether anything is known of its arm since the start."""
        return self._state.get(_key(lane), Arm) is not None

    def settle(self, at: Stamp) -> None:
        """A crash may have cut a pulse short and left its output on: then the arm would not move again.
        Arms that fire holds have a cell by now and are left alone."""
        for lane in self._lanes.values():
            if not self.known(lane):
                self._state.put(_key(lane), Arm())
                for output in _outputs(lane):
                    self._do(lane, Do.CLEAR, output, ahead=False)

    # -- what another plan had -------------------------------------------------------------------

    @property
    def rewired(self) -> bool:
        """Whether the outputs are not those that the site had before."""
        return set(self._known) != set(self._outputs)

    def let_go(self) -> None:
        """Switches off the outputs that no barrier has any more: nobody else would."""
        for output in self._left:
            if output.device in self._devices:
                self._state.emit(Command(output.device, output.name, Do.CLEAR, ahead=False))
        self._state.put(KEY, Outputs(self._outputs))

    @property
    def _known(self) -> tuple[Output, ...]:
        cell = self._state.get(KEY, Outputs)
        return cell.known if cell else ()

    @property
    def _left(self) -> tuple[Output, ...]:
        return tuple(output for output in self._known if output not in self._outputs)

    def move(self, device: str, output: str) -> bool:
        """Whether the output moves a barrier, or did: nobody else may have a hand in it."""
        return Output(device, output) in (*self._outputs, *self._known)

    # -- what is asked ---------------------------------------------------------------------------

    def open(self, lane: Lane, at: Stamp, until: float) -> None:
        """Opens for a car that has until then to come."""
        arm = replace(self._expected(lane, at), rises_until=until)
        self._state.put(_key(lane), arm)
        self._do(lane, Do.PULSE, lane.barrier.open, lane.barrier.pulse)

    def close(self, lane: Lane) -> None:
        """Closes, where that takes a command. Not while fire holds the arm."""
        if lane.barrier.close:
            self._do(lane, Do.PULSE, lane.barrier.close, lane.barrier.pulse)

    @property
    def all_held(self) -> bool:
        known = set(self._outputs) <= set(self._known)
        return known and all(self.held(lane) for lane in self._lanes.values())

    def hold_all(self, at: Stamp) -> None:
        """Fire: every arm goes up now and stays up, also one that was about to close."""
        for lane in self._lanes.values():
            self._state.put(_key(lane), replace(self._expected(lane, at), held=True))
            self._set(lane)
            if lane.barrier.close:
                self._do(lane, Do.CLEAR, lane.barrier.close, ahead=False)
        self._state.put(KEY, Outputs((*self._outputs, *self._left)))

    def set_again(self, device: str | None = None) -> None:
        """Sets every held output again, or those of one device: it may have restarted."""
        for lane in self._lanes.values():
            if device in (None, lane.barrier.device) and self.held(lane):
                self._set(lane)

    def release(self, lane: Lane, at: Stamp) -> None:
        """The fire is over and an operator has said so."""
        self._state.put(_key(lane), replace(self._arm(lane), held=False, due=None))
        self._book.back(alarm_id("barrier_not_open", lane.id), at)
        self._do(lane, Do.CLEAR, lane.barrier.open)

    def held(self, lane: Lane) -> bool:
        return self._arm(lane).held

    # -- what it does ----------------------------------------------------------------------------

    def opened(self, lane: Lane, reading: Reading) -> None:
        """The limit switch at the top."""
        if reading.quality is not Quality.GOOD:
            return
        arm = self._arm(lane)
        if reading.value:
            self._state.put(_key(lane), replace(arm, opened=True, due=None))
            self._book.back(alarm_id("barrier_stuck", lane.id), reading.at)
            self._book.back(alarm_id("barrier_not_open", lane.id), reading.at)
        else:
            self._state.put(_key(lane), replace(arm, opened=False))
            if arm.held and arm.opened:  # it comes down in a fire
                self._state.put(_key(lane), self._expected(lane, reading.at))

    def closed(self, lane: Lane, reading: Reading) -> None:
        """The limit switch at the bottom."""
        if reading.quality is not Quality.GOOD:
            return
        arm = self._arm(lane)
        if reading.value:
            self._book.back(alarm_id("barrier_forced", lane.id), reading.at)
        elif arm.closed and not arm.held and reading.at.mono > arm.rises_until:
            self._book.raised("barrier_forced", lane.id, reading.at)
        self._state.put(_key(lane), replace(arm, closed=bool(reading.value)))

    def due(self, lane: str, at: Stamp) -> None:
        """`opened` should have come by now."""
        arm = self._arm(self._lanes[lane])
        self._state.put(f"arm/{lane}", replace(arm, due=None))
        self._book.raised("barrier_not_open" if arm.held else "barrier_stuck", lane, at)

    # -- how -------------------------------------------------------------------------------------

    def _arm(self, lane: Lane) -> Arm:
        return self._state.get(_key(lane), Arm) or Arm()

    def _expected(self, lane: Lane, at: Stamp) -> Arm:
        """The arm as it is, to be open soon if it says when it is."""
        arm = self._arm(lane)
        if not lane.barrier.opened or arm.opened:
            return arm
        return replace(arm, due=at.mono + lane.barrier.opens_within)

    def _set(self, lane: Lane) -> None:
        self._do(lane, Do.SET, lane.barrier.open, ahead=False)

    def _do(self, lane: Lane, do: Do, output: str, seconds: float = 0.0, *, ahead: bool = True) -> None:
        self._state.emit(Command(lane.barrier.device, output, do, seconds, ahead))


def _outputs(lane: Lane) -> tuple[str, ...]:
    return tuple(name for name in (lane.barrier.open, lane.barrier.close) if name)


def _key(lane: Lane) -> str:
    return f"arm/{lane.id}"
