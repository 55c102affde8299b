"""The shape of a driver: a device without IO. Bytes and instants in, bytes and events out.

A driver never opens a port, sleeps, logs or reads a clock. Whoever hosts it (the live gateway, the
virtual world, a replay) calls it with stamps and carries its bytes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import Field, dataclass
from typing import Any, ClassVar, Protocol

from sitewarden.rules.model import Command, Event, Reason, Stamp

Output = bytes | Event


class ProtocolError(Exception):
    """The device broke its protocol. Carries what was found and what was expected."""


class Counters(Protocol):
    """A dataclass of ints that only grow, since its driver was built."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


@dataclass(frozen=True, slots=True)
class CardForm:
    """What the numbers look like that a kind of card reader sends, in upper case."""

    pattern: re.Pattern[str]
    words: str  # the same for a person


class Driver(Protocol):
    """What stands at the end of one link: one device, or a bus with all the devices on it."""

    @property
    def devices(self) -> tuple[str, ...]:
        """The names of the devices that go away when this driver does."""
        ...

    @property
    def counters(self) -> Mapping[str, Counters]:
        """By device."""
        ...

    @property
    def wake_at(self) -> float | None:
        """`Stamp.mono` of the next poll or time-out; None: only bytes or commands wake it."""
        ...

    def connected(self, at: Stamp) -> Iterable[Output]:
        """The link is up (again): whatever was half received before is void."""
        ...

    def received(self, data: bytes, at: Stamp) -> Iterable[Output]:
        """Some bytes, split anywhere."""
        ...

    def woken(self, at: Stamp) -> Iterable[Output]:
        """`wake_at` has come; spurious calls do nothing."""
        ...

    def command(self, command: Command, at: Stamp) -> Iterable[Output]:
        """Do something; raises ValueError for an output the device does not have."""
        ...

    def lost(self, at: Stamp, reason: Reason) -> Iterable[Output]:
        """The link went away: every device of this driver is unreachable until `connected`."""
        ...


def no_outputs(device: str, command: Command) -> Iterator[Output]:
    """The `command` of a device that has no outputs."""
    raise ValueError(f"{device} has no output {command.output!r}")
