"""One link's driver, supervised: a driver that raises takes down its own devices and nothing else."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import Protocol

from sitewarden.drivers.base import Counters, Driver, Output
from sitewarden.rules.model import Command, Do, LinkChanged, Outcome, Reason, Stamp, Trouble, WriteEnded

REBUILD_FIRST, REBUILD_MOST = 1.0, 60.0  # s until a driver that raised is built anew, doubling
PULSE_OVER = 15.0  # s after its length; no driver sends a pulse so much later than it was told


class Call(StrEnum):
    """The methods of a driver, as values: recordings are made of them."""

    CONNECTED = "connected"
    RECEIVED = "received"
    WOKEN = "woken"
    COMMAND = "command"
    LOST = "lost"


Told = bytes | Command | Reason | None


@dataclass(frozen=True, slots=True)
class Failed:
    """A driver raised: our bug. Its devices are set aside until it is built anew."""

    link: str
    error: Exception


def tell(driver: Driver, call: Call, at: Stamp, told: Told = None) -> Iterable[Output]:
    """Calls the driver's method of that name."""
    match call, told:
        case Call.RECEIVED, bytes():
            return driver.received(told, at)
        case Call.WOKEN, None:
            return driver.woken(at)
        case Call.COMMAND, Command():
            return driver.command(told, at)
        case Call.CONNECTED, None:
            return driver.connected(at)
        case Call.LOST, Reason():
            return driver.lost(at, told)
    raise TypeError(f"{call} does not take {told!r}")


@dataclass(frozen=True, slots=True)
class Stood:
    """The last command that an output was given."""

    command: Command
    since: float  # mono

    def perhaps_on(self, mono: float) -> bool:
        """A pulse that may not be over."""
        return self.command.do is Do.PULSE and mono < self.since + self.command.seconds + PULSE_OVER

    @property
    def again(self) -> Command:
        """What a driver that knows nothing of it has to be told: what is held stays held, a pulse that
        was under way is ended."""
        return self.command if self.command.do is Do.SET else replace(self.command, do=Do.CLEAR)


Standing = dict[tuple[str, str], Stood]
"""By device and output. It is the engine's: drivers come and go, outputs stay as they were told."""


class Tap(Protocol):
    """Sees everything that a line is told and everything that it says: another line that is told the same
    says the same."""

    def began(self, stood: Sequence[Stood], at: Stamp) -> None:
        """With a new driver, while the line's outputs stood so."""

    def told(self, call: Call, at: Stamp, told: Told) -> None: ...
    def said(self, output: Output | Failed) -> None: ...


class Line:
    def __init__(self, link: str, build: Callable[[], Driver], standing: Standing) -> None:
        self.link, self._build, self._standing = link, build, standing
        self._driver = build()
        self.devices = self._driver.devices
        self._up = False
        self._rebuild_at: float | None = None
        self._failed_at, self._pause = -inf, REBUILD_FIRST
        self._owed = [stood.again for stood in self._mine()]  # told to the driver once it is connected
        self._tap: Tap | None = None
        self.wake_at = self._driver.wake_at  # kept, since it is asked for at every turn of every line

    @property
    def counters(self) -> Mapping[str, Counters]:
        return self._driver.counters

    def tell(self, call: Call, at: Stamp, told: Told = None) -> Iterator[Output | Failed]:
        """Calls the driver. While it is set aside only the connection is remembered, but for a command:
        that does not wait for the pause to be over."""
        said = self._supervised(call, at, told)
        return said if self._tap is None else _tapped(self._tap, said, call, at, told)

    def _supervised(self, call: Call, at: Stamp, told: Told) -> Iterator[Output | Failed]:
        if call in (Call.CONNECTED, Call.LOST):
            self._up = call is Call.CONNECTED
        if self._rebuild_at is not None and (call is Call.COMMAND or at.mono >= self._rebuild_at):
            yield from self._rebuilt(at)
        if self._rebuild_at is None:
            yield from self._told(call, at, told)
        self.wake_at = self._driver.wake_at if self._rebuild_at is None else self._rebuild_at

    def listen(self, tap: Tap | None, at: Stamp) -> Iterator[Output | Failed]:
        """Lets `tap` see all from here on, beginning with a new driver, so that a recording needs no
        memory of what was before. None ends it."""
        self._tap = tap
        if tap is None:
            return
        if self._rebuild_at is not None:
            yield Trouble("driver_failed", self.link, False, at)
        self._renewed()
        self._failed_at = -inf
        tap.began(self._mine(), at)
        if self._up:
            yield from self.tell(Call.CONNECTED, at)

    def pulses(self, at: Stamp) -> list[Command]:
        """What ends the pulses that may be under way."""
        return [stood.again for stood in self._mine() if stood.perhaps_on(at.mono)]

    def _told(self, call: Call, at: Stamp, told: Told) -> Iterator[Output | Failed]:
        if isinstance(told, Command):
            self._remember(told, at)
        try:
            yield from tell(self._driver, call, at, told)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises stays its own affair
            if isinstance(error, ValueError) and isinstance(told, Command) and told.do is Do.WRITE:
                point = f"{told.device}.{told.output}"
                yield WriteEnded(point, Outcome.REFUSED, at, reason=Reason.ILLEGAL_VALUE)
            elif isinstance(error, ValueError) and isinstance(told, Command):  # there is no such output
                del self._standing[told.device, told.output]
                yield Failed(self.link, error)
            else:
                yield from self._set_aside(error, at)
        if call is Call.CONNECTED:
            owed, self._owed = self._owed, []
            for command in owed:
                if self._rebuild_at is None:
                    yield from self._told(Call.COMMAND, at, command)

    def _remember(self, command: Command, at: Stamp) -> None:
        output = command.device, command.output
        stood = self._standing.get(output)
        if command.do is Do.WRITE:  # is done once: no other driver repeats or undoes it
            self._standing.pop(output, None)
        elif not (command.do is Do.PULSE and stood and stood.command.do is Do.SET):  # what is held stays so
            self._standing[output] = Stood(command, at.mono)

    def _mine(self) -> list[Stood]:
        return [stood for (device, _), stood in self._standing.items() if device in self.devices]

    def _set_aside(self, error: Exception, at: Stamp) -> Iterator[Output | Failed]:
        again = at.mono - self._failed_at < 2 * REBUILD_MOST
        self._pause = min(self._pause * 2, REBUILD_MOST) if again else REBUILD_FIRST
        self._failed_at, self._rebuild_at = at.mono, at.mono + self._pause
        yield Failed(self.link, error)
        for device in self.devices:
            yield LinkChanged(device, False, at, Reason.DRIVER)
        yield Trouble("driver_failed", self.link, True, at, {"error": type(error).__name__})

    def _rebuilt(self, at: Stamp) -> Iterator[Output | Failed]:
        yield Trouble("driver_failed", self.link, False, at)
        self._renewed()
        if self._up:
            yield from self._told(Call.CONNECTED, at, None)

    def _renewed(self) -> None:
        self._driver, self._rebuild_at = self._build(), None
        self._owed = [stood.again for stood in self._mine()]
        self.wake_at = self._driver.wake_at


def _tapped(
    tap: Tap, said: Iterator[Output | Failed], call: Call, at: Stamp, told: Told
) -> Iterator[Output | Failed]:
    tap.told(call, at, told)
    for output in said:
        tap.said(output)
        yield output
