"""What every sink is to the gateway: a thread that can be started, stopped and asked how it is."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sitewarden.gateway.sinks.answers import Answer, Kind
from sitewarden.gateway.troubles import Troubles


class Lane(StrEnum):
    """What was measured just now does not queue behind what an outage left."""

    LIVE = "live"
    BACKLOG = "backlog"


class Going(StrEnum):
    """How a sink is, in a word."""

    DELIVERING = "delivering"
    CATCHING_UP = "catching_up"  # with what an outage left
    AWAY = "away"


class Transport(Protocol):
    """The way to one server: lines in, what became of them out. For one thread; it retries and buffers
    nothing, and every call returns within the plan's time-out."""

    def prepare(self) -> Answer:
        """Connects, and makes sure of what the server must have; TAKEN: lines may be sent. Called again
        after every failure."""
        ...

    def send(self, lines: Sequence[bytes], lane: Lane) -> Answer: ...

    def tend(self) -> Answer:
        """What there is to do beside lines, such as to notice that the connection is gone. Called once a
        turn after `prepare`, whether or not there are lines; other than TAKEN is a failure like one of
        `send`."""
        return Answer(Kind.TAKEN)

    def site_changed(self) -> None:
        """By a reload, from any thread: some of what was told may be no more. The next `tend` sees to it."""

    def healthy(self) -> bool:
        """Whether the server says of itself that it is well."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """How a sink is, for those who ask."""

    name: str
    up: bool  # the last attempt was taken
    sent: int = 0  # lines or messages that are proven to have arrived, since the start
    waiting: int = 0  # not delivered yet, on both lanes
    lost: int = 0  # rejected, since the start
    since: datetime | None = None  # when `up` changed last
    error: str = ""  # what went wrong last, in the server's words; it may be long over
    error_at: datetime | None = None
    lag: float = 0.0  # s that the oldest line of the live lane waits, or that the server is away
    backlog: int = 0  # of `waiting`, what is late already
    oldest: datetime | None = None  # the first instant of the backlog
    rate: float = 0.0  # lines/s now
    batch: int = 0  # lines a request now
    drained_in: float | None = None  # s until there is no backlog, as fast as it goes now; None: unknown
    draining: bool = False  # as fast as the server takes it, whatever the plan's limit
    dead_letters: int = 0  # rejected lines that are kept apart

    @property
    def going(self) -> Going:
        if not self.up:
            return Going.AWAY
        return Going.CATCHING_UP if self.backlog else Going.DELIVERING


class Sink(Protocol):
    troubles: Troubles

    def start(self) -> None: ...

    def stop(self, timeout: float = 2.0) -> None:
        """Returns within `timeout` s, even while a server hangs."""
        ...

    def site_changed(self) -> None:
        """By a reload: some of what was told may be no more."""
        ...

    def drain(self, on: bool) -> None:
        """Whether the backlog goes as fast as the server takes it, whatever its limit."""
        ...

    def status(self) -> SinkStatus: ...


@dataclass(slots=True)
class Backoff:
    """Growing pauses with jitter, so that a hundred gateways do not come back at one instant."""

    first: float = 0.5  # s
    most: float = 5.0  # s
    _next: float = field(default=0.0, init=False)

    def pause(self) -> float:
        self._next = min(max(self._next * 2, self.first), self.most)
        return random.uniform(self._next / 2, self._next)

    def reset(self) -> None:
        self._next = 0.0
