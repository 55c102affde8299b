"""The one place where the site decides: an event in, its effects out, nothing else.

    CardRead, Operator, PermitChanged, loop readings  -> parking/
    FireSignal, readings of supervised lines          -> fire.py
    readings, LinkChanged, Trouble, Operator          -> alarms/
    Operator, WriteEnded                              -> writes.py
    Tick                                              -> whichever cell has waited for this instant

All state is in frozen cells (`cells.py`); `save` is a copy of them. A step is complete when it returns.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from sitewarden.rules.alarms.absence import AwayDevices, StalePoints
from sitewarden.rules.alarms.book import AlarmBook, alarm_id
from sitewarden.rules.alarms.conditions import Conditions
from sitewarden.rules.cells import Told
from sitewarden.rules.clock import SiteClock
from sitewarden.rules.fire import FireLines, FireRelease
from sitewarden.rules.leftovers import Leftovers
from sitewarden.rules.model import (
    Action,
    CardRead,
    ClockTrust,
    Effect,
    Event,
    FireSignal,
    LinkChanged,
    Operator,
    Permit,
    PermitChanged,
    Quality,
    Reading,
    Stamp,
    Tick,
    Trouble,
    WriteEnded,
)
from sitewarden.rules.parking.barrier import Barriers
from sitewarden.rules.parking.lane import Lanes
from sitewarden.rules.parking.occupancy import Occupancy
from sitewarden.rules.plan import SitePlan
from sitewarden.rules.state import State
from sitewarden.rules.writes import Writes

Read = Callable[[Reading], None]
Due = Callable[[str, Stamp], None]

AT_ONCE = 0.0  # a core that has not begun yet wants its first tick now


class Core:
    def __init__(
        self,
        plan: SitePlan,
        permits: Iterable[Permit] = (),
        cells: Mapping[str, object] = {},
    ) -> None:
        """`cells`: what `save` or the journal gave. `Core(plan, permits, core.save())` goes on exactly
        as the other would have; after a crash the journal's cells are enough to go on rightly.
        """
        state = self._state = State(cells)
        lanes = plan.parking.lanes
        self._permits = {permit.card: permit for permit in permits}
        self._book = AlarmBook(state, frozenset(rule.id for rule in plan.conditions if rule.latch))
        self._clock = SiteClock(state, self._book, plan.tz)
        self._barriers = Barriers(state, self._book, plan)
        self._occupancy = Occupancy(state)
        self._lanes = Lanes(
            state, self._book, self._barriers, self._occupancy, self._clock, plan.parking, self._permits
        )
        self._fire = FireRelease(state, self._book, self._barriers, self._lanes, lanes)
        self._lines = FireLines(state, self._fire, plan.fire, plan.link_alarm_after)
        self._writes = Writes(state, self._book, self._barriers, plan.devices)
        self._conditions = Conditions(state, self._book, plan.conditions)
        self._stale = StalePoints(state, self._book, plan.stale)
        self._away = AwayDevices(state, self._book, plan.devices, plan.link_alarm_after)
        self._watched = self._routes(plan)
        self._due: Mapping[str, Due] = {
            "arm": self._barriers.due,
            "clock": self._clock.due,
            "contact": self._away.due,
            "fire": self._fire.due,
            "lane": self._lanes.due,
            "line": self._lines.due,
            "timer": self._conditions.due,
            "watch": self._stale.due,
            "write": self._writes.due,
        }
        leftovers = Leftovers(state, self._book, self._fire, plan, self._watched)
        watches = (self._stale, self._away, self._lines)
        self._settling = (leftovers, self._clock, *watches, self._lanes, self._fire, self._barriers)
        self._settled = all(room.settled for room in self._settling)

    def step(self, event: Event) -> Sequence[Effect]:
        if type(event) is Reading and event.point not in self._watched:
            return (event,)
        if isinstance(event, ClockTrust):  # before anything that would believe the clock
            self._clock.trust(event)
        self._time_passes(event.at)
        self._happens(event)
        return self._state.take()

    @property
    def wake_at(self) -> float | None:
        """`Stamp.mono` at which a Tick is needed."""
        return self._state.wake_at if self._settled else AT_ONCE

    @property
    def permits(self) -> tuple[Permit, ...]:
        """As they are now."""
        return tuple(self._permits.values())

    def save(self) -> dict[str, object]:
        """Every cell, by key."""
        return self._state.save()

    # -- events ----------------------------------------------------------------------------------

    def _happens(self, event: Event) -> None:
        match event:
            case Reading():
                self._read(event)
            case CardRead():
                self._lanes.swiped(event)
            case LinkChanged():
                self._state.emit(event)
                self._away.changed(event)
                if event.up:
                    self._fire.came_up(event.device)
            case FireSignal():
                self._fire.told(event)
            case Operator():
                if self._operated(event):
                    self._state.emit(event)
            case WriteEnded():
                self._writes.ended(event)
            case PermitChanged():
                self._permit_changed(event)
            case Trouble():
                self._troubled(event)
            case ClockTrust() | Tick():
                pass

    def _permit_changed(self, event: PermitChanged) -> None:
        if event.permit:
            self._permits[event.card] = event.permit
        else:
            self._permits.pop(event.card, None)
            self._occupancy.forgive(event.card)  # nobody would ever swipe it out again

    def _troubled(self, event: Trouble) -> None:
        alarm, lasts = alarm_id(event.code, event.subject), event.on and event.lasts
        if event.on:
            self._book.raised(event.code, event.subject, event.at, event.params)
        if not lasts:
            self._book.back(alarm, event.at)
        self._state.put(f"trouble/{alarm}", Told() if lasts else None)

    def _operated(self, event: Operator) -> bool:
        """Whether the operator's action was accepted; what is refused leaves no trace."""
        match event.action:
            case Action.ACKNOWLEDGE:
                return self._book.acknowledge(event.target, event.by, event.at)
            case Action.OPEN:
                return self._lanes.operated(event)
            case Action.RESET_FIRE:
                return self._fire.reset(event)
            case Action.RESET_LATCH:
                return self._book.reset(event.target, event.by, event.at)
            case Action.FORGIVE:
                return self._occupancy.forgive(event.target)
            case Action.WRITE:
                return self._write(event)

    def _write(self, event: Operator) -> bool:
        if event.value is None or not event.reason:
            return False
        return self._writes.ask(event.target, event.value, event.by, event.reason, event.at)

    def _read(self, reading: Reading) -> None:
        self._state.emit(reading)
        if reading.quality is Quality.GOOD:
            self._state.note(f"good/{reading.point}", reading)
        for read in self._watched[reading.point]:
            read(reading)

    # -- time ------------------------------------------------------------------------------------

    def _time_passes(self, at: Stamp) -> None:
        """Whatever waited for an instant up to now comes before the event itself."""
        if not self._settled:
            for room in self._settling:
                room.settle(at)
            self._settled = True
        for key in self._state.due(at.mono):
            if self._state.waited(key, at.mono):  # what came before it may have given it more time
                prefix, _, about = key.partition("/")
                self._due[prefix](about, at)

    # -- where a reading goes --------------------------------------------------------------------

    def _routes(self, plan: SitePlan) -> Mapping[str, Sequence[Read]]:
        routes: defaultdict[str, list[Read]] = defaultdict(list)
        for lane in plan.parking.lanes:
            for point, read in (
                (lane.barrier.loop_under, self._lanes.under),
                (lane.barrier.opened, self._barriers.opened),
                (lane.barrier.closed, self._barriers.closed),
            ):
                if point:
                    routes[point].append(partial(read, lane))
        for line in plan.fire:
            routes[line.point].append(partial(self._lines.read, line))
        for condition in plan.conditions:
            routes[condition.point].append(partial(self._conditions.read, condition))
        for stale in plan.stale:
            routes[stale.point].append(partial(self._stale.read, stale))
        return dict(routes)
