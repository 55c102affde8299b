"""The gateway's own troubles, told once when they begin and once when they are over."""

from collections.abc import Mapping

from sitewarden.gateway.clock import Clock
from sitewarden.gateway.hub import Report
from sitewarden.rules.model import Trouble, Value


class Troubles:
    """Remembers what one store or sink has told, so that it may say the same every time."""

    def __init__(self, report: Report, clock: Clock) -> None:
        self._report, self._clock = report, clock
        self._on: dict[tuple[str, str], Mapping[str, Value]] = {}
        self._hushed = False

    def hush(self) -> None:
        """Whoever tells is told to stop: nothing new from here on, only what is over."""
        self._hushed = True

    def on(self, code: str, subject: str, params: Mapping[str, Value], *, lasts: bool = True) -> None:
        if not self._hushed and self._on.get((code, subject)) != params:
            self._on[code, subject] = params
            self._report(Trouble(code, subject, True, self._clock.now(), params, lasts))

    def off(self, code: str, subject: str) -> None:
        if self._on.pop((code, subject), None) is not None:
            self._report(Trouble(code, subject, False, self._clock.now()))

    def all_off(self) -> None:
        """Nobody will say so any more."""
        for code, subject in list(self._on):
            self.off(code, subject)

    def set(self, code: str, subject: str, on: bool, params: Mapping[str, Value]) -> None:
        if on:
            self.on(code, subject, params)
        else:
            self.off(code, subject)
