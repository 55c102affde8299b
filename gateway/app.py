"""The one place where the parts are wired together: stores, core, links, sinks and the API.

`App` is also the house that the API asks (gateway/api/house.py): whatever comes from another thread is
handed to the main loop here.
"""

import asyncio
import fcntl
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import structlog

from sitewarden.config.apart import load
from sitewarden.config.errors import ConfigErrors
from sitewarden.config.plan import Site
from sitewarden.gateway.api.house import Demo, Recording, Reloaded, Sample, Status
from sitewarden.gateway.api.server import ApiServer
from sitewarden.gateway.board import Board
from sitewarden.gateway.cards import Cards
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.database import make_private
from sitewarden.gateway.host import Host
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.journal import Journal
from sitewarden.gateway.measures import Tally, samples, site_samples, telemetry_samples
from sitewarden.gateway.outlets import Outlets
from sitewarden.gateway.prompt import be_prompt
from sitewarden.gateway.spool.file import spool_ballast
from sitewarden.gateway.spool.spool import SpoolFailed
from sitewarden.gateway.tapes import Tapes
from sitewarden.gateway.tokens import Tokens
from sitewarden.gateway.troubles import Troubles
from sitewarden.gateway.vitals import Own, Process, Vitals, vitals
from sitewarden.gateway.watchdog import Watchdog
from sitewarden.rules.core import Core
from sitewarden.rules.model import Effect, Event, Operator, PermitChanged, Stamp, Trouble, Value

log = structlog.get_logger()

FOLLOW = 0.5  # s between two looks for cards that the service centre changed, and at the disk's reserve
REMEMBER = 30.0  # s between two notes of the newest instant, for a clock that must go on from there
RECALLED = 1000  # newest decisions, and passages, among which a start looks for the last of each lane


class DataDirectoryBusy(Exception):
    """Another gateway runs on this data directory."""


class App:
    def __init__(self, site: Site, demo: Demo | None = None) -> None:
        self.site, self.demo = site, demo
        make_private(site.data)
        self.journal = Journal(site.data / "journal.db", spool_ballast(site.data))
        self.clock = Clock(self.journal.newest())
        self.started = self.now()
        self.cards = Cards(site.data / "journal.db")
        self.tokens = Tokens(site.data / "access.db")
        self.hub = Hub()
        own = Vitals(lambda: self.site, self._signs).due
        self.outlets = Outlets(
            site, self.hub, self.clock, self._report, lambda: self.board, self.operate, own
        )
        self.trend, self.telemetry = self.outlets.trend, self.outlets.telemetry
        # Before the cards are read: a change in between is told twice, not never.
        self._revision = self.cards.revision()
        permits, self._unknown = self.cards.all(), len(self.cards.unreadable())
        cells, broken = self.journal.cells()
        core = Core(site.plan, permits, cells)
        self.board = Board(site, core.save())
        self.board.apply(self.journal.decisions(RECALLED)[::-1])
        self.board.apply(self.journal.passages(RECALLED)[::-1])
        self.tally = Tally()
        self.watchdog = Watchdog()
        self.host: Host
        self.page_error = ""  # why the page was down at the start
        self._core, self._broken = core, broken
        self.tapes = Tapes(site.data / "recordings")
        self._loop: asyncio.AbstractEventLoop
        self._troubles = Troubles(self._report, self.clock)
        self._stopping, self._reloading = asyncio.Event(), asyncio.Lock()

    # -- its life --------------------------------------------------------------------------------

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Runs until SIGTERM, SIGINT or `stop`; SIGHUP reloads. `started` is called once all is up."""
        self._loop = loop = asyncio.get_running_loop()
        self.host = Host(
            self._core,
            self.site.links,
            self.site.commit_limit,
            self.clock,
            self.journal,
            self._publish,
            self.watchdog.feed,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        api = ApiServer(self, Troubles(self._report, self.clock))
        be_prompt()
        self.outlets.start()
        self.host.start()
        chores = [
            loop.create_task(self._chore("cards", FOLLOW, self._follow_cards)),
            loop.create_task(self._chore("clock", REMEMBER, self._remember)),
            loop.create_task(self._chore("disk", FOLLOW, self._watch_disk)),
        ]
        self._say_what_was_set_aside()
        await loop.run_in_executor(None, api.start)
        self.page_error = api.page_error
        self.watchdog.ready()
        log.info("gateway.started", site=self.site.id, url=self.site.http.url)
        started()
        try:
            await self._stopping.wait()
        finally:
            self.watchdog.stopping()
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await self.host.stop()
            await loop.run_in_executor(None, self._close, api)
            log.info("gateway.stopped", site=self.site.id)

    def stop(self) -> None:
        """Ends `run`. Called in the main loop."""
        self._stopping.set()

    def _close(self, api: ApiServer) -> None:
        api.stop()
        self.outlets.stop()
        self.tapes.close()
        self.journal.close()
        self.tokens.close()

    def _publish(self, effects: Sequence[Effect]) -> None:
        self.board.apply(effects)
        self.tally.count(effects)
        self.hub.publish(effects)

    def _say_what_was_set_aside(self) -> None:
        carried: Mapping[str, Value] = {"cards": len(self._core.permits)}
        for code, part, file, more in (
            ("journal_set_aside", "journal", self.journal.set_aside, carried),
            ("access_set_aside", "access", self.tokens.set_aside, {}),
        ):
            if file:
                params = {"file": file.name, **more}
                self._trouble(Trouble(code, part, True, self.now(), params, lasts=False))
        for kind, count in Counter(key.partition("/")[0] for key in self._broken).items():
            self._trouble(Trouble("state_unreadable", kind, True, self.now(), {"count": count}, lasts=False))
        if self._unknown:
            params = {"count": self._unknown}
            self._trouble(Trouble("cards_unreadable", "cards", True, self.now(), params, lasts=False))

    async def _chore(self, name: str, pause: float, act: Callable[[], Awaitable[None]]) -> None:
        """Does it again and again; what goes wrong is an alarm until it goes well."""
        failed = False
        while True:
            try:
                await act()
            except Exception as error:
                log.exception("chore.failed", chore=name)
                failed = self._in_trouble(name, True, failed, {"error": type(error).__name__})
            else:
                failed = self._in_trouble(name, False, failed, {})
            await asyncio.sleep(pause)

    def _in_trouble(self, chore: str, now: bool, before: bool, params: Mapping[str, Value]) -> bool:
        if now is not before:
            self._trouble(Trouble("chore_failed", chore, now, self.now(), params))
        return now

    async def _follow_cards(self) -> None:
        """Cards are written to the journal by the command line and the API; the core learns of it here."""
        self._revision, changed = await self._loop.run_in_executor(
            None, self.cards.changed_since, self._revision
        )
        for card, permit in changed.items():
            self.host.event(PermitChanged(card, permit, self.now()))

    async def _remember(self) -> None:
        self.host.note()

    async def _watch_disk(self) -> None:
        """The reserve is given up silently, by whoever meets the full disk, and taken again where there is
        plenty; until then somebody has time to make room."""
        reserved = await self._loop.run_in_executor(None, lambda: self.journal.in_reserve)
        self._troubles.set("disk_full", "disk", not reserved, {"folder": str(self.site.data)})

    # -- the gateway's own troubles --------------------------------------------------------------

    def _report(self, trouble: Trouble) -> None:
        """From any thread: a store or a sink is in trouble, or out of it."""
        self._loop.call_soon_threadsafe(self._trouble, trouble)

    def _trouble(self, trouble: Trouble) -> None:
        log.warning(
            "trouble" if trouble.on else "trouble.over",
            code=trouble.code,
            subject=trouble.subject,
            **trouble.params,
        )
        self.host.event(trouble)

    # -- what the API asks, from its own thread --------------------------------------------------

    def now(self) -> Stamp:
        return self.clock.now()

    def ready(self) -> Mapping[str, bool]:
        return self.host.ready()

    def status(self) -> Status:
        return self.outlets.status(self.started, self.clock.trusted)

    def samples(self) -> Iterator[Sample]:
        status = self.status()
        yield from site_samples(self.site, self.board, self.tally, status)
        yield from samples(self.host, self.hub)
        yield from telemetry_samples(status, self.telemetry)

    def _signs(self) -> Own:
        """For the telemetry, in the spool's thread."""
        dropped = sum(queue.dropped for queue in self.hub.subscriptions)
        journal, refused = self.ready()["journal"], self.host.counters.refused
        return vitals(
            self.site, self.board, self.status(), Process.own(), dropped, journal, refused, self.now()
        )

    def operate(self, operator: Operator) -> Future[Sequence[Effect]]:
        answer: Future[Sequence[Effect]] = Future()
        self._loop.call_soon_threadsafe(self.host.operate, operator, answer)
        return answer

    def event(self, event: Event) -> None:
        self._loop.call_soon_threadsafe(self.host.event, event)

    def record(self, link: str, on: bool) -> Future[Recording]:
        return asyncio.run_coroutine_threadsafe(self._record(link, on), self._loop)

    def reload(self) -> Future[Reloaded]:
        return asyncio.run_coroutine_threadsafe(self._reload(), self._loop)

    # -- recordings ------------------------------------------------------------------------------

    async def _record(self, link: str, on: bool) -> Recording:
        if on:
            if not self.tapes.runs(link):
                plan = self.host.plans[link]
                tape = self.tapes.start(plan, self.site.plan, lambda: self.host.engine.core, self.now())
                self.host.listen(link, tape)
            return Recording(link, str(self.tapes.path(link)))
        file = self.tapes.take(link)
        if link in self.host.plans:
            self.host.listen(link, None)
        await self._loop.run_in_executor(None, file.close)
        return Recording(link, str(file.path))

    # -- reload ----------------------------------------------------------------------------------

    def _hung_up(self) -> None:
        """SIGHUP: nobody waits for the answer, so it stands in the log."""
        self._hang_up = self._loop.create_task(self._reload())

    async def _reload(self) -> Reloaded:
        """Checks the configuration file first; a wrong one changes nothing. What is equal goes on."""
        async with self._reloading:
            reloaded = await self._reloaded()
        for error in reloaded.errors:
            log.error("reload.refused", error=error)
        if not reloaded.errors:
            log.info("reload.done", changed=reloaded.changed)
        return reloaded

    async def _reloaded(self) -> Reloaded:
        try:
            site = await self._loop.run_in_executor(None, load, self.site.source)
        except ConfigErrors as wrong:
            return Reloaded(errors=tuple(str(error) for error in wrong.errors))
        fixed = [
            key for key in ("id", "data", "http", "spool") if getattr(site, key) != getattr(self.site, key)
        ]
        if fixed:
            return Reloaded(
                errors=tuple(f"{site.source}: {key} changed, which needs a restart" for key in fixed)
            )
        try:
            return Reloaded(changed=tuple(await self._adopt(site)))
        except (OSError, SpoolFailed) as error:
            return Reloaded(errors=(f"{site.source}: {error}",))

    async def _adopt(self, site: Site) -> list[str]:
        other_rules = site.plan != self.site.plan

        def remake(core: Core) -> Core:
            return Core(site.plan, core.permits, core.save()) if other_rules else core

        changed = ["rules"] if other_rules else []
        changed += await self._loop.run_in_executor(None, self.outlets.adopt, site)  # it can still refuse
        links = await self.host.adopt(remake, site.links, site.commit_limit)
        self.tapes.altered(links)
        self.board = self.board.carried(site)
        self.outlets.site_changed()
        self.site = site
        return changed + links


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Holds the data directory for this process; DataDirectoryBusy when another has it."""
    make_private(data)
    with (data / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirectoryBusy(f"another gateway runs on {data}") from None
        yield
