"""The whole gateway but the IO: bytes and instants in, bytes, transactions and effects out.

The engine holds the driver of every link, the core and the write-ahead gate, and carries what one says
to the next. The live gateway, the virtual world and the tests host this same object; what they add is
only how bytes, time and commits come about.

    received(link, bytes, at) -> driver -> Event -> core.step -> Effect -> write ahead -> driver.command

Every call returns what is to be done, in order.
"""

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sitewarden.drivers.base import Counters, Driver, Output
from sitewarden.drivers.line import Call, Failed, Line, Standing, Tap, Told
from sitewarden.rules.ahead import LIMIT, Ticket, WriteAhead
from sitewarden.rules.core import Core
from sitewarden.rules.model import Command, Effect, Event, Reading, Reason, Stamp, Tick, Trouble


@dataclass(frozen=True, slots=True)
class Send:
    """Put `data` on the wire of `link`."""

    link: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """Make `ticket.records` durable in one transaction, then call `Engine.committed`."""

    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Publish:
    """Tell everybody who listens past the decision."""

    effects: tuple[Effect, ...]


Todo = Send | Commit | Publish | Failed
_Flow = Iterator[tuple[str, Output | Failed]]  # what a link's driver says, with the link's name


class Engine:
    def __init__(
        self,
        core: Core,
        links: Mapping[str, Callable[[], Driver]],
        limit: float = LIMIT,
    ) -> None:
        """`links`: how each link's driver is built; `limit`: s a record may hold up a command."""
        self._ahead = WriteAhead(limit)
        self._standing: Standing = {}
        self._lines: dict[str, Line] = {}
        self._link_of: dict[str, str] = {}
        self.adopt(core, links, (), limit)

    @property
    def wake_at(self) -> float | None:
        """When `woken` is to be called next (`Stamp.mono`)."""
        due = [line.wake_at for line in self._lines.values()]
        due += self.core.wake_at, self._ahead.wake_at
        return min((at for at in due if at is not None), default=None)

    def adopt(
        self, core: Core, links: Mapping[str, Callable[[], Driver]], kept: Container[str], limit: float
    ) -> None:
        """Goes on with another configuration. The lines of `kept` links stay as they are; every other
        one is built anew or gone, and the host has reported it `lost` before."""
        self.core, self._ahead.limit = core, limit
        self._lines = {
            link: self._lines[link] if link in kept else Line(link, build, self._standing)
            for link, build in links.items()
        }
        self._link_of = {device: link for link, line in self._lines.items() for device in line.devices}

    @property
    def counters(self) -> Mapping[str, Counters]:
        """By device, what its driver has counted."""
        return {device: counts for line in self._lines.values() for device, counts in line.counters.items()}

    # -- what the host says ----------------------------------------------------------------------

    def connected(self, link: str, at: Stamp) -> list[Todo]:
        return self._run(self._tell(link, Call.CONNECTED, at))

    def received(self, link: str, data: bytes, at: Stamp) -> list[Todo]:
        return self._run(self._tell(link, Call.RECEIVED, at, data))

    def lost(self, link: str, at: Stamp, reason: Reason = Reason.LINK_DOWN) -> list[Todo]:
        return self._run(self._tell(link, Call.LOST, at, reason))

    def event(self, event: Event) -> list[Todo]:
        """Something that no wire brought: an operator, a changed permit, the gateway's own trouble."""
        return self._run(iter([("", event)]))

    def committed(self, number: int, at: Stamp) -> list[Todo]:
        return self._run(self._released(*self._ahead.committed(number, at), at))

    def refused(self, number: int, at: Stamp) -> list[Todo]:
        """The transaction cannot be made durable; what waited for it goes on without."""
        return self._run(self._released(*self._ahead.refused(number, at), at))

    def listen(self, link: str, tap: Tap | None, at: Stamp) -> list[Todo]:
        """Lets `tap` see all that this link's driver is told and says; None ends it."""
        return self._run((link, output) for output in self._lines[link].listen(tap, at))

    def calm(self, links: Iterable[str], at: Stamp) -> list[Todo]:
        """Ends the pulses that are under way on these links, which are about to be closed."""
        return self._run(self._ordered([off for link in links for off in self._lines[link].pulses(at)], at))

    def woken(self, at: Stamp) -> list[Todo]:
        """Runs every timer that is due."""
        return self._run(self._due(at))

    # -- how it goes on from there ---------------------------------------------------------------

    def _run(self, flow: _Flow) -> list[Todo]:
        """Carries everything to its end: bytes to the wire, events through the core, and on."""
        todo: list[Todo] = []
        published: list[Effect] = []
        waiting = deque([flow])
        while waiting:
            for link, output in waiting.popleft():
                match output:
                    case bytes():
                        todo.append(Send(link, output))
                    case Failed():
                        todo.append(output)
                    case event:
                        effects = self.core.step(event)
                        published += effects
                        if type(event) is Reading and len(effects) == 1:
                            continue  # nothing but the reading itself: by far the most there is
                        ticket, commands = self._ahead.submit(effects, event.at)
                        waiting.append(self._ordered(commands, event.at))
                        if ticket:
                            todo.append(Commit(ticket))
        if published:
            todo.append(Publish(tuple(published)))
        return todo

    def _due(self, at: Stamp) -> _Flow:
        yield from self._released(*self._ahead.overdue(at), at)
        for link, line in self._lines.items():
            if line.wake_at is not None and line.wake_at <= at.mono:
                yield from self._tell(link, Call.WOKEN, at)
        if self.core.wake_at is not None and self.core.wake_at <= at.mono:
            yield "", Tick(at)

    def _released(self, commands: Iterable[Command], troubles: Iterable[Trouble], at: Stamp) -> _Flow:
        yield from self._ordered(commands, at)
        for trouble in troubles:
            yield "", trouble

    def _ordered(self, commands: Iterable[Command], at: Stamp) -> _Flow:
        for command in commands:
            if link := self._link_of.get(command.device):  # a reload may have taken the device away
                yield from self._tell(link, Call.COMMAND, at, command)

    def _tell(self, link: str, call: Call, at: Stamp, told: Told = None) -> _Flow:
        for output in self._lines[link].tell(call, at, told):
            yield link, output
