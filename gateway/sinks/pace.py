"""How much at once and how fast: what the answer times of a server say about its size of request."""

from dataclasses import dataclass, field
from math import exp

from sitewarden.gateway.sinks.answers import Answer, Kind

LEAST = 100  # lines; 9 kB, a second of a line of 64 kbit/s
QUICK, SLOW = 0.5, 2.0  # s of an answer: twice as much may go, or half as much should
AGAIN = 64  # requests as large as may be, until it is tried again what was too large
WINDOW = 10.0  # s that a rate looks back, about


@dataclass(slots=True)
class Size:
    """Lines a request. It begins small, so that what finds out about a server is a small request; it
    doubles while answers are quick and halves when one is slow, so that nothing waits for long behind it.
    """

    most: int
    lines: int = field(init=False)
    _fits: int = field(init=False)  # the server said that more is too large
    _well: int = field(default=0, init=False)  # requests of that size that were not, since

    def __post_init__(self) -> None:
        self.afresh()

    def afresh(self) -> None:
        self.lines, self._fits, self._well = min(LEAST, self.most), self.most, 0

    def answered(self, sent: int, answer: Answer, took: float) -> None:
        """To so many lines, after so many seconds."""
        if answer.kind is Kind.TOO_LARGE:
            self.too_large(sent)
        elif took > SLOW:
            self.lines = max(self.lines // 2, min(LEAST, self._fits))
        elif took < QUICK and sent >= self.lines and answer.kind is not Kind.LATER:
            self._well += 1
            if self._well >= AGAIN:  # it may have been one large line
                self._fits, self._well = min(self._fits * 2, self.most), 0
            self.lines = min(self.lines * 2, self._fits)

    def too_large(self, sent: int) -> None:
        self.lines = self._fits = max(sent // 2, 1)
        self._well = 0


@dataclass(slots=True)
class Throttle:
    """So many lines a second at most; 0: as many as come."""

    rate: int
    _free_at: float = field(default=0.0, init=False)

    def share(self, lines: int) -> int:
        """Of so many that may go at once: no more than a second's, so that the rate is even."""
        return min(lines, self.rate) if self.rate else lines

    def pause(self, now: float) -> float:
        """s until more may go."""
        return max(self._free_at - now, 0.0)

    def sent(self, lines: int, now: float) -> None:
        if self.rate:
            self._free_at = max(self._free_at, now) + lines / self.rate


@dataclass(slots=True)
class Rate:
    """Lines a second, lately."""

    _value: float = field(default=0.0, init=False)
    _at: float = field(default=0.0, init=False)

    def add(self, lines: int, now: float) -> None:
        self._value, self._at = self.at(now) + lines / WINDOW, now

    def at(self, now: float) -> float:
        return self._value * exp((self._at - now) / WINDOW)
