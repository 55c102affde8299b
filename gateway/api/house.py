"""What the API asks of the gateway: one narrow interface, so that neither waits for the other.

`gateway/app.py` is the house; tests build a small one. Everything here may be called from the API's
threads. Nothing here blocks but the stores' read sides, which have connections of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sitewarden.config.plan import Site
from sitewarden.gateway.board import Board
from sitewarden.gateway.cards import Cards
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.journal import Journal, Page
from sitewarden.gateway.ledger.causes import Cause
from sitewarden.gateway.sinks.base import SinkStatus
from sitewarden.gateway.spool.blocks import Letter, Loss, SpoolStats
from sitewarden.gateway.tokens import Tokens
from sitewarden.gateway.trend.trend import Trend
from sitewarden.rules.model import Effect, Operator, Stamp


@dataclass(frozen=True, slots=True)
class Status:
    """How the gateway itself is: the right-hand side of the strip."""

    started: Stamp
    clock_trusted: bool
    sinks: tuple[SinkStatus, ...] = ()
    spool_bytes: int = 0
    spool_limit: int = 0  # bytes; 0: no spool


@dataclass(frozen=True, slots=True)
class Sample:
    """One number for Prometheus. `counter` grows only; otherwise it is a gauge."""

    name: str  # "sitewarden_modbus_timeouts_total"
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    counter: bool = False


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of a new configuration; with `errors` the old one goes on."""

    changed: tuple[str, ...] = ()  # links, devices, rules and sinks that were built anew
    errors: tuple[str, ...] = ()  # file:line:col: path: found, expected


@dataclass(frozen=True, slots=True)
class Recording:
    """Where the bytes of a link go."""

    link: str
    path: str


@dataclass(frozen=True, slots=True)
class DemoControl:
    """A button that makes something happen: see `simulators.controls`. The words of `name` are `demo.<name>`,
    those of `value` `demo.value.<value>` in the catalogue."""

    name: str  # "swipe"
    target: str  # a reader, link, lift, panel … or empty
    value: str = ""  # a card, a kind of fault … or empty


class Demo(Protocol):
    @property
    def controls(self) -> Sequence[DemoControl]: ...

    def press(self, control: DemoControl) -> str:
        """What came of it: `demo.came.<code>` in the catalogue."""
        ...


@dataclass(frozen=True, slots=True)
class Sought:
    """Which gaps of the ledger, the newest first; empty: all."""

    about: str = ""  # a device, with its points, or one point
    cause: str = ""
    since: datetime | None = None  # those that were not over by then
    until: datetime | None = None  # those that had begun by then


class Telemetry(Protocol):
    """What is spooled for the destinations, what was lost, and what a server will never take. Whatever
    looks at the ledger or at dead letters waits for a disk, and raises SpoolFailed."""

    @property
    def stats(self) -> SpoolStats | None:
        """None: telemetry goes nowhere, so nothing is spooled."""
        ...

    def losses(self, sought: Sought, limit: int, after: int | None = None) -> Page[Loss]: ...

    def missing(self) -> Mapping[Cause, int]:
        """Values that came to be missing since the start, by whose affair that is."""
        ...

    def letters(self, limit: int, after: int | None = None) -> Page[Letter]: ...

    def retry(self, ids: Sequence[int]) -> int:
        """Sends dead letters again, to where they were rejected; returns how many of them there were."""
        ...

    def discard(self, ids: Sequence[int]) -> int: ...

    def drain(self, destination: str, on: bool) -> None:
        """Sends the backlog as fast as the server takes it, until there is none. Raises KeyError."""
        ...


class House(Protocol):
    @property
    def site(self) -> Site: ...
    @property
    def board(self) -> Board: ...
    @property
    def hub(self) -> Hub: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def cards(self) -> Cards: ...
    @property
    def trend(self) -> Trend: ...
    @property
    def telemetry(self) -> Telemetry: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def demo(self) -> Demo | None: ...

    def now(self) -> Stamp: ...

    def ready(self) -> Mapping[str, bool]:
        """Whether each part that a readiness probe should wait for is there."""
        ...

    def status(self) -> Status: ...

    def samples(self) -> Iterable[Sample]: ...

    def operate(self, operator: Operator) -> Future[Sequence[Effect]]:
        """Hands it to the core in the main loop; done with what the step returned."""
        ...

    def reload(self) -> Future[Reloaded]: ...

    def record(self, link: str, on: bool) -> Future[Recording]:
        """Starts or ends a recording. Fails with KeyError for a link that the site does not have or that is
        not being recorded, and with OSError when the recording is not in its file."""
        ...
