"""One link's driver, supervised: a driver that raises takes down its own devices and nothing else."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import Protocol

from sitewarden.drivers.base import Counters, Driver, Output
from sitewarden.rules.model import Command, Do, LinkChanged, Reason, Stamp, Trouble

REBUILD_FIRST, REBUILD_MOST = 1.0, 60.0  # s until a driver that raised is built anew, doubling


class Call(StrEnum):
    """The methods of a driver, as values: recordings are made of them."""

    CONNECTED = "connected"
    RECEIVED = "received"
    WOKEN = "woken"
    COMMAND = "command"
    LOST = "lost"


Told = bytes | Command | Reason | None


class Tap(Protocol):
    """Sees everything that is told to a link's driver and everything that it says."""

    def told(self, call: Call, at: Stamp, told: Told) -> None: ...
    def said(self, output: Output) -> None: ...


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


class Line:
    def __init__(self, link: str, build: Callable[[], Driver], before: "Line | None" = None) -> None:
        """`before`: the line that this one replaces, after its link was reconfigured."""
        self.link, self._build = link, build
        self._driver = build()
        self.devices = self._driver.devices
        self._up = False
        self._rebuild_at: float | None = None
        self._failed_at, self._pause = -inf, REBUILD_FIRST
        self._last: dict[tuple[str, str], Command] = dict(before._last) if before else {}  # by output
        self._retell = before is not None
        self._tap: Tap | None = None
        self.wake_at = self._driver.wake_at  # kept, since it is asked for at every turn of every line

    @property
    def counters(self) -> Mapping[str, Counters]:
        return self._driver.counters

    def tell(self, call: Call, at: Stamp, told: Told = None) -> Iterator[Output | Failed]:
        """Calls the driver, unless it is set aside; then only the connection is remembered."""
        yield from self._told(call, at, told)
        self.wake_at = self._driver.wake_at if self._rebuild_at is None else self._rebuild_at

    def _told(self, call: Call, at: Stamp, told: Told) -> Iterator[Output | Failed]:
        if call in (Call.CONNECTED, Call.LOST):
            self._up = call is Call.CONNECTED
        if isinstance(told, Command):
            self._remember(told)
        if self._rebuild_at is not None:
            if call is Call.WOKEN and at.mono >= self._rebuild_at:
                yield from self._rebuilt(at)
            return
        if self._tap:
            self._tap.told(call, at, told)
        try:
            for output in tell(self._driver, call, at, told):
                if self._tap:
                    self._tap.said(output)
                yield output
            if call is Call.CONNECTED and self._retell:
                self._retell = False
                yield from self._told_again(at)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises stays its own affair
            yield from self._set_aside(error, at)

    def _remember(self, command: Command) -> None:
        output = command.device, command.output
        held = output in self._last and self._last[output].do is Do.SET
        if not (held and command.do is Do.PULSE):  # a pulse on a held output leaves it held
            self._last[output] = command

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
        yield from self._afresh(at)

    def listen(self, tap: Tap | None, at: Stamp) -> Iterator[Output | Failed]:
        """Lets `tap` see all from here on, beginning with a new driver, so that a recording needs no
        memory of what was before. None ends it."""
        self._tap = tap
        if tap and self._rebuild_at is None:
            yield from self._afresh(at)
            self.wake_at = self._driver.wake_at

    def _afresh(self, at: Stamp) -> Iterator[Output | Failed]:
        self._driver, self._rebuild_at, self._retell = self._build(), None, True
        if self._up:
            yield from self.tell(Call.CONNECTED, at)

    def _told_again(self, at: Stamp) -> Iterator[Output | Failed]:
        """Tells a new driver what stood with the old one: what was held stays held, and a pulse that
        was under way is ended. No output is left as the old driver's memory alone knew it."""
        for command in [last for last in self._last.values() if last.device in self.devices]:
            do = Do.SET if command.do is Do.SET else Do.CLEAR
            yield from self.tell(Call.COMMAND, at, replace(command, do=do))
