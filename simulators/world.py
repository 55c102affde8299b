"""The virtual world: the real engine, core and drivers against the estate, in virtual time.

A discrete-event loop jumps from one instant to the next at which something is due: bytes that arrive,
a commit that ends, a driver's poll, a car. Nothing waits and nothing is random but by the seed, so the
same seed gives byte for byte the same log, as fast as the processor goes.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from hashlib import sha256
from heapq import heappop, heappush
from itertools import count

from sitewarden.drivers.base import Driver
from sitewarden.drivers.engine import Commit, Engine, Publish, Send, Todo
from sitewarden.drivers.line import Failed
from sitewarden.drivers.plan import BusPlan, LinkPlan, build
from sitewarden.rules.ahead import LIMIT, Ticket
from sitewarden.rules.core import Core
from sitewarden.rules.model import Effect, Event, Permit, Reading, Stamp
from sitewarden.rules.plan import SitePlan
from sitewarden.simulators.controls import press
from sitewarden.simulators.disk import Disk
from sitewarden.simulators.estate import Estate, Seen
from sitewarden.simulators.wire import Wire, char_time

DELAY = 0.003  # s from the last bit to the program that reads it, both ways
PATIENCE = 1000  # times an engine may want to be woken at one instant


class World:
    """`effects`: everything the core decided, with the instant; `seen`: what an onlooker in the street
    saw; `failures`: drivers that raised; `lines`: the log, kept only if `keep`."""

    def __init__(
        self,
        plan: SitePlan,
        links: Sequence[LinkPlan],
        permits: Sequence[Permit],
        seed: int,
        start: Stamp,
        cars_an_hour: float | None = 0.0,
        keep: bool = False,
    ) -> None:
        self.effects: list[tuple[float, Effect]] = []
        self.seen: list[Seen] = []
        self.failures: list[Failed] = []
        self.lines: list[str] | None = [] if keep else None
        self.estate = Estate(plan, links, permits, seed, start, cars_an_hour, self._saw)
        self.disk = Disk(Estate.chance(seed, "disk"))
        self.mono = start.mono
        self._plan, self._links, self._permits, self._start = plan, links, permits, start
        self._echoes = {link.name for link in links if isinstance(link.wire, BusPlan) and link.wire.echo}
        self.to_field: Mapping[str, Wire] = {link.name: self._wire(seed, link, "out") for link in links}
        self.to_gateway: Mapping[str, Wire] = {link.name: self._wire(seed, link, "in") for link in links}
        self._log = sha256()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._epoch = dict.fromkeys(self.estate.twins, 0)  # of each link: one more with every plug
        self._unplugged: set[str] = set()
        self._field_at: float | None = self.estate.wake_at
        self._engine: Engine | None = None
        self._engine_at: float | None = None
        self.restart()

    @property
    def now(self) -> Stamp:
        return Stamp(self._start.wall + timedelta(seconds=self.mono - self._start.mono), self.mono)

    @property
    def core(self) -> Core:
        return self._up.core

    def log_digest(self) -> str:
        """SHA-256 over all lines of the log so far."""
        return self._log.hexdigest()

    # -- what tests do to it ---------------------------------------------------------------------

    def run(self, until: float) -> None:
        """Lets everything happen that is due up to `until` (`Stamp.mono`)."""
        again, last = 0, -1.0
        while (due := self._next()) is not None and due <= until:
            again = again + 1 if due <= last else 0
            assert again < PATIENCE, f"time stands still at {last}"
            last = self.mono = max(due, self.mono)
            if self._heap and self._heap[0][0] <= due:
                heappop(self._heap)[2]()
            elif self._field_at is not None and self._field_at <= due:
                self._field_wakes()
            elif self._engine:
                self._do(self._engine.woken(self.now))
        self.mono = until

    def later(self, mono: float, act: Callable[[], None]) -> None:
        """Schedules `act`, for faults and for whatever else a test wants to happen."""
        heappush(self._heap, (mono, next(self._numbers), act))

    def press(self, name: str, target: str = "") -> None:
        """One of the estate's controls, see `controls.py`."""
        self._note(f"control {name} {target}")
        press(self.estate, name, target, self.now)
        self._field_settles()

    def tell(self, event: Event) -> None:
        """Something that no wire brings: an operator, a changed permit."""
        if self._engine:
            self._do(self._engine.event(event))

    def crash(self) -> None:
        """The gateway loses its power; only what is committed survives."""
        self._note("crash")
        self._engine = self._engine_at = None

    def restart(self) -> None:
        """The gateway comes up again with what the disk has."""
        self._note("start")
        core = Core(self._plan, self._permits, self.disk.cells())
        self._engine = Engine(core, self._drivers)
        self._connect(self._links)

    def reload(self, plan: SitePlan, links: Sequence[LinkPlan]) -> None:
        """The gateway goes on with another configuration, as a live one does (gateway/host.py). The estate
        stays as it was built: `links` may be altered or gone, and not new."""
        self._note("reload")
        before, self._plan, self._links = self._links, plan, links
        for link in before:
            if link not in links and link.name not in self._unplugged:
                self._epoch[link.name] += 1
                self._do(self._up.lost(link.name, self.now))
        kept = {link.name for link in links if link in before}
        core = Core(plan, self.core.permits, self.core.save())
        self._up.adopt(core, self._drivers, kept, LIMIT)
        self._connect([link for link in links if link not in before])

    @property
    def _up(self) -> Engine:
        assert self._engine, "the gateway is down"
        return self._engine

    @property
    def _drivers(self) -> Mapping[str, Callable[[], Driver]]:
        return {link.name: partial(build, link) for link in self._links}

    def _connect(self, links: Sequence[LinkPlan]) -> None:
        for link in links:
            if link.name not in self._unplugged:
                self._epoch[link.name] += 1
                self._do(self._up.connected(link.name, self.now))
        self._do(())

    # -- time ------------------------------------------------------------------------------------

    def _next(self) -> float | None:
        heap_at = self._heap[0][0] if self._heap else None
        return min((at for at in (heap_at, self._field_at, self._engine_at) if at is not None), default=None)

    def _field_wakes(self) -> None:
        at = self.now
        self.estate.woken(at)
        for link, twin in self.estate.twins.items():
            if twin.wake_at is not None and twin.wake_at <= at.mono:
                for data in twin.woken(at):
                    self._field_says(link, data)
        self._field_settles()

    def _field_settles(self) -> None:
        """The controls may have pulled a plug, and something may be due earlier than before."""
        if self.estate.unplugged != self._unplugged:
            for link in self.estate.twins:
                self._replug(link, link not in self.estate.unplugged)
        soonest = self.estate.wake_at
        for twin in self.estate.twins.values():
            due = twin.wake_at
            if due is not None and due < soonest:
                soonest = due
        self._field_at = soonest

    def _replug(self, link: str, plugged: bool) -> None:
        if plugged is (link not in self._unplugged):
            return
        self._unplugged ^= {link}
        self._epoch[link] += 1
        if self._engine is None or not self._served(link):
            return
        answer = self._engine.connected if plugged else self._engine.lost
        self._do(answer(link, self.now))

    def _served(self, name: str) -> bool:
        """Whether the gateway has a link of that name: a reload may have taken it away."""
        return any(link.name == name for link in self._links)

    # -- wires and the disk ----------------------------------------------------------------------

    @staticmethod
    def _wire(seed: int, link: LinkPlan, way: str) -> Wire:
        return Wire(Estate.chance(seed, f"{link.name}/{way}"), char_time(link), DELAY)

    def _do(self, todos: Sequence[Todo]) -> None:
        for todo in todos:
            match todo:
                case Send(link, data):
                    self._note(f"> {link} {data.hex()}")
                    for mono, piece in self.to_field[link].send(data, self.mono):
                        self.later(mono, partial(self._field_hears, link, piece, self._epoch[link]))
                case Commit(ticket):
                    done = self.disk.begin(self.mono)
                    self.later(done, partial(self._committed, ticket, self._engine))
                case Publish(effects):
                    self._publish(effects)
                case Failed():
                    self.failures.append(todo)
                    self._note(f"failed {todo.link} {todo.error!r}")
        self._engine_at = self._engine.wake_at if self._engine else None

    def _field_hears(self, link: str, data: bytes, epoch: int) -> None:
        if epoch == self._epoch[link] and link not in self._unplugged:
            if link in self._echoes:
                self._gateway_hears(link, data, epoch)
            for answer in self.estate.twins[link].received(data, self.now):
                self._field_says(link, answer)
            self._field_settles()

    def _field_says(self, link: str, data: bytes) -> None:
        if link not in self._unplugged:
            for mono, piece in self.to_gateway[link].send(data, self.mono):
                self.later(mono, partial(self._gateway_hears, link, piece, self._epoch[link]))

    def _gateway_hears(self, link: str, data: bytes, epoch: int) -> None:
        if self._engine and epoch == self._epoch[link] and self._served(link):
            self._note(f"< {link} {data.hex()}")
            self._do(self._engine.received(link, data, self.now))

    def _committed(self, ticket: Ticket, engine: Engine | None) -> None:
        """`engine`: the one that asked; a crash forgets what was not yet durable."""
        if engine is None or engine is not self._engine:
            return
        durable = self.disk.end(ticket, self.mono)
        self._note(f"{'commit' if durable else 'refused'} {ticket.number} {len(ticket.records)}")
        answer = engine.committed if durable else engine.refused
        self._do(answer(ticket.number, self.now))

    # -- the log ---------------------------------------------------------------------------------

    def _publish(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            self.effects.append((self.mono, effect))
            match effect:
                case Reading(point, value, at, quality, reason):
                    self._note(f"{point} {value!r} {at.mono:.6f} {quality} {reason}")
                case _:
                    self._note(repr(effect))

    def _saw(self, seen: Seen) -> None:
        self.seen.append(seen)
        self._note(repr(seen))

    def _note(self, line: str) -> None:
        line = f"{self.mono:.6f} {line}\n"
        self._log.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)
