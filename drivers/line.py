"""One link's driver, supervised: a driver that raises takes down its own devices and nothing else."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from sitewarden.drivers.base import Driver, Output
from sitewarden.rules.model import Command, LinkChanged, Reason, Stamp, Trouble

REBUILD_FIRST, REBUILD_MOST = 1.0, 60.0  # s until a driver that raised is built anew, doubling


class Call(StrEnum):
    """The methods of a driver, as values: recordings are made of them."""

    CONNECTED = "connected"
    RECEIVED = "received"
    WOKEN = "woken"
    COMMAND = "command"
    LOST = "lost"


Told = bytes | Command | Reason | None
Tap = Callable[[str, Call, Stamp, Told], None]
"""Sees every call to a driver: link, method, instant and argument."""


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
    def __init__(self, link: str, build: Callable[[], Driver], tap: Tap | None = None) -> None:
        self.link, self._build, self.tap = link, build, tap
        self._driver = build()
        self.devices = self._driver.devices
        self._up = False
        self._rebuild_at: float | None = None
        self._failed_at, self._pause = 0.0, REBUILD_FIRST

    @property
    def wake_at(self) -> float | None:
        return self._driver.wake_at if self._rebuild_at is None else self._rebuild_at

    def tell(self, call: Call, at: Stamp, told: Told = None) -> Iterator[Output | Failed]:
        """Calls the driver, unless it is set aside; then only the connection is remembered."""
        if call in (Call.CONNECTED, Call.LOST):
            self._up = call is Call.CONNECTED
        if self._rebuild_at is not None:
            if call is Call.WOKEN and at.mono >= self._rebuild_at:
                yield from self._rebuilt(at)
            return
        if self.tap:
            self.tap(self.link, call, at, told)
        try:
            yield from tell(self._driver, call, at, told)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises stays its own affair
            yield from self._set_aside(error, at)

    def _set_aside(self, error: Exception, at: Stamp) -> Iterator[Output | Failed]:
        again = at.mono - self._failed_at < 2 * REBUILD_MOST
        self._pause = min(self._pause * 2, REBUILD_MOST) if again else REBUILD_FIRST
        self._failed_at, self._rebuild_at = at.mono, at.mono + self._pause
        yield Failed(self.link, error)
        for device in self.devices:
            yield LinkChanged(device, False, at, Reason.DRIVER)
        yield Trouble("driver_failed", self.link, True, at, {"error": type(error).__name__})

    def _rebuilt(self, at: Stamp) -> Iterator[Output | Failed]:
        self._driver, self._rebuild_at = self._build(), None
        yield Trouble("driver_failed", self.link, False, at)
        if self._up:
            yield from self.tell(Call.CONNECTED, at)
