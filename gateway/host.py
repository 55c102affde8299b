"""The engine, live: the main loop's links, timers and commits around it.

Everything here runs in the main asyncio loop and returns at once; what takes time (disk, network,
rendering) belongs to other threads, which answer through `call_soon_threadsafe`.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

import structlog

from sitewarden.drivers.engine import Commit, Engine, Publish, Send, Todo
from sitewarden.drivers.line import Failed, Tap
from sitewarden.drivers.plan import LinkPlan, build
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.database import is_refusal
from sitewarden.gateway.journal import Journal
from sitewarden.gateway.links import Link
from sitewarden.rules.core import Core
from sitewarden.rules.model import ClockTrust, Effect, Event, Reason, Tick, Trouble

log = structlog.get_logger()

BEAT = 1.0  # s between two looks at the clock; each feeds the watchdog
NOTE = -1  # no ticket has this number
CALM = 0.3  # s in which a bus confirms that the pulses on it have ended
TELL = 0.005  # s until the listeners are told: each wakes, and wants the interpreter that a commit needs now


@dataclass(slots=True)
class HostCounters:
    steps: int = 0  # calls into the engine
    effects: int = 0
    commits: int = 0
    refused: int = 0  # transactions that the journal could not take at once
    lost: int = 0  # of them, those that it does not try again
    drivers_failed: int = 0


class Host:
    def __init__(
        self,
        core: Core,
        plans: Iterable[LinkPlan],
        limit: float,
        clock: Clock,
        journal: Journal,
        publish: Callable[[Sequence[Effect]], None],
        alive: Callable[[], None],
    ) -> None:
        """`limit`: s a record may hold up a command; `publish` must not block, and comes a moment late;
        `alive` is called every second in which the core has stepped."""
        self.plans = {plan.name: plan for plan in plans}
        self.engine = Engine(core, {name: partial(build, plan) for name, plan in self.plans.items()}, limit)
        self.links = {name: Link(plan, self) for name, plan in self.plans.items()}
        self.counters = HostCounters()
        self._clock, self._journal, self._publish, self._alive = clock, journal, publish, alive
        self._loop = asyncio.get_running_loop()
        self._answers: dict[int, tuple[Future[Sequence[Effect]], Sequence[Effect]]] = {}
        self._untold: list[Effect] = []
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0
        self._beats: asyncio.TimerHandle | None = None
        self._stepped_at = clock.now().mono
        self._refused = False

    def start(self) -> None:
        self.event(ClockTrust(self._clock.trusted, self._clock.now()))  # before anything believes the clock
        for link in self.links.values():
            link.start()
        self._beat()

    async def stop(self) -> None:
        await self._close(self.links)
        for timer in (self._timer, self._beats):
            if timer:
                timer.cancel()
        self._tell()

    async def adopt(
        self, remake: Callable[[Core], Core], plans: Iterable[LinkPlan], limit: float
    ) -> list[str]:
        """Goes on with other plans; returns the links that changed. Equal ones do not notice.

        `remake` makes the new core from the old one. The swap itself takes no time in which an event
        could come in between.
        """
        new = {plan.name: plan for plan in plans}
        kept = {name for name, plan in new.items() if self.plans.get(name) == plan}
        await self._close(self.links.keys() - kept)
        self._tell()  # the last words of the old links belong to the old site
        builds = {name: partial(build, plan) for name, plan in new.items()}
        self.engine.adopt(remake(self.engine.core), builds, kept, limit)
        changed = sorted((self.plans.keys() | new.keys()) - kept)
        self._forget([plan for name, plan in self.plans.items() if name not in kept])
        self.plans = new
        self.links = {name: self.links[name] if name in kept else Link(new[name], self) for name in new}
        for name in new.keys() - kept:
            self.links[name].start()
        self._arm()
        return changed

    async def _close(self, names: Collection[str]) -> None:
        """No relay stays on because its link was closed in the middle of a pulse."""
        if ends := self.engine.calm(names, self._clock.now()):
            self._perform(ends)
            await asyncio.sleep(CALM)
        await asyncio.gather(*(self.links[name].stop() for name in names))

    def _forget(self, gone: Iterable[LinkPlan]) -> None:
        """With a driver goes what it failed at: nobody else would say that it is over."""
        now = self._clock.now()
        for subject in (subject for plan in gone for subject in (plan.name, *plan.devices)):
            self.event(Trouble("driver_failed", subject, False, now))

    def ready(self) -> dict[str, bool]:
        """Whether the core steps, and whether its decisions become durable."""
        return {
            "core": self._clock.now().mono - self._stepped_at < 5 * BEAT,
            "journal": self._journal.alive and not self._refused,
        }

    # -- what the links say ----------------------------------------------------------------------

    def connected(self, link: str) -> None:
        self._perform(self.engine.connected(link, self._clock.now()))

    def received(self, link: str, data: bytes) -> None:
        self._perform(self.engine.received(link, data, self._clock.now()))

    def lost(self, link: str, reason: Reason) -> None:
        self._perform(self.engine.lost(link, self._clock.now(), reason))

    # -- what everybody else says ----------------------------------------------------------------

    def event(self, event: Event) -> None:
        self._perform(self.engine.event(event))

    def operate(self, event: Event, answer: Future[Sequence[Effect]]) -> None:
        """Steps the core; `answer` has the effects once they are durable, or why they cannot be so."""
        todo = self.engine.event(event)
        effects = [effect for part in todo if isinstance(part, Publish) for effect in part.effects]
        ticket = next((part.ticket for part in todo if isinstance(part, Commit)), None)
        if ticket:
            self._answers[ticket.number] = answer, effects
        self._perform(todo)
        if ticket is None:
            self._settle(answer, effects)

    def note(self) -> None:
        """Has the journal remember this instant: so it is known that the disk takes records, or takes them
        again, while nothing happens."""
        self._journal.submit((), partial(self._committed, NOTE), self._clock.now())

    def listen(self, link: str, tap: Tap | None) -> None:
        self._perform(self.engine.listen(link, tap, self._clock.now()))

    # -- how it goes on --------------------------------------------------------------------------

    def _perform(self, todo: Sequence[Todo]) -> None:
        self.counters.steps += 1
        for part in todo:
            match part:
                case Send(link, data):
                    self.links[link].send(data)
                case Commit(ticket):
                    self._journal.submit(ticket.records, partial(self._committed, ticket.number))
                case Publish(effects):
                    self.counters.effects += len(effects)
                    if not self._untold:
                        self._loop.call_later(TELL, self._tell)
                    self._untold += effects
                case Failed(link, error):
                    self.counters.drivers_failed += 1
                    log.error("driver.failed", link=link, exc_info=error)
        self._arm()

    def _committed(self, number: int, error: BaseException | None) -> None:
        """The journal's thread says so."""
        self._loop.call_soon_threadsafe(self._answered, number, error)

    def _answered(self, number: int, error: BaseException | None) -> None:
        self._refused = error is not None
        if error is None:
            self.counters.commits += 1
            self._perform(self.engine.committed(number, self._clock.now()))
        else:
            self.counters.refused += 1
            self.counters.lost += not is_refusal(error)
            log.error("journal.refused", error=str(error))
            self._perform(self.engine.refused(number, self._clock.now()))
        if number in self._answers:
            self._settle(*self._answers.pop(number), error)

    def _settle(
        self, answer: Future[Sequence[Effect]], effects: Sequence[Effect], error: BaseException | None = None
    ) -> None:
        """Answers, unless whoever asked has given up meanwhile. They may look at once at what they did."""
        self._tell()
        if not answer.set_running_or_notify_cancel():
            return
        if error:
            answer.set_exception(error)
        else:
            answer.set_result(effects)

    def _tell(self) -> None:
        untold, self._untold = self._untold, []
        if untold:
            self._publish(untold)

    def _arm(self) -> None:
        """Sets the one timer to the engine's next instant. One that is too early stays, and is set anew when
        it is over: the time-out of a request moves on with every answer."""
        due = self.engine.wake_at
        if due is None or (self._timer and self._armed_for <= due):
            return
        if self._timer:
            self._timer.cancel()
        self._armed_for = due
        self._timer = self._loop.call_later(max(due - self._clock.mono(), 0.0), self._due)

    def _due(self) -> None:
        self._timer = None
        self._perform(self.engine.woken(self._clock.now()))

    def _beat(self) -> None:
        self._beats = self._loop.call_later(BEAT, self._beat)
        now = self._clock.now()
        if self._clock.trust_changed():
            self.event(ClockTrust(self._clock.trusted, now))
        self.event(Tick(now))
        self._stepped_at = now.mono
        self._alive()
