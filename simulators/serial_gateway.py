"""A box that speaks Modbus TCP on one side and RTU on the other, as most sites have one.

Its serial line carries one request at a time; the others wait for it, whoever asked. For a unit that does
not answer the box speaks itself: exception 11 (V1.1b3, clause 7), unless it is of the silent kind.
"""

from collections import deque
from collections.abc import Iterable

from sitewarden.drivers.modbus.pace import Pace
from sitewarden.rules.model import Stamp
from sitewarden.simulators.frames import Asked, TcpFrames
from sitewarden.simulators.modbus_slave import BROADCAST, SlaveUnit

NO_ANSWER = 11
EXCEPTION = 0x80
TIMEOUT = 1.0  # s


class GatewayLine:
    """The serial side: who waits, and what is on the line.

    `timeout`: s for which it waits for a unit; `silent`: then it says nothing to who had asked.
    """

    def __init__(
        self, units: Iterable[SlaveUnit], pace: Pace, timeout: float = TIMEOUT, silent: bool = False
    ) -> None:
        self.units = {unit.unit.unit_id: unit for unit in units}
        self.pace, self.timeout, self.silent = pace, timeout, silent
        self.wake_at: float | None = None
        self._waiting: deque[tuple[SerialGateway, Asked]] = deque()  # the first one is on the line
        self._answer: bytes | None = None  # to it; None: it is still being sent

    def ask(self, caller: "SerialGateway", asked: Asked, at: Stamp) -> None:
        self._waiting.append((caller, asked))
        if self.wake_at is None:
            self.wake_at = at.mono + self.pace.lasts(len(asked.pdu))

    def woken(self, at: Stamp) -> None:
        while self.wake_at is not None and self.wake_at <= at.mono:
            caller, asked = self._waiting[0]
            if self._answer is None:
                self._answer, self.wake_at = self._heard(asked, at, self.wake_at)
            else:
                caller.answered(asked, self._answer)
                self._waiting.popleft()
                self._answer = None
                self.wake_at = self._next(self.wake_at + self.pace.silence)

    def _next(self, free_at: float) -> float | None:
        return free_at + self.pace.lasts(len(self._waiting[0][1].pdu)) if self._waiting else None

    def _heard(self, asked: Asked, at: Stamp, mono: float) -> tuple[bytes, float]:
        """The answer to a request that has been sent at `mono`, and when it is there."""
        if asked.unit_id == BROADCAST:
            for unit in self.units.values():
                if not unit.deaf:
                    unit.answer(asked.pdu, at, broadcast=True)
            return b"", mono
        addressed = self.units.get(asked.unit_id)
        if addressed and not addressed.deaf and (pdu := addressed.answer(asked.pdu, at)):
            there = max(addressed.ready_at(mono), mono + self.pace.silence) + self.pace.lasts(len(pdu))
            spoilt = addressed.said(pdu) != [pdu]
            if there <= mono + self.timeout and not spoilt:
                return pdu, there
        answer = b"" if self.silent else bytes([asked.pdu[0] | EXCEPTION, NO_ANSWER])
        return answer, mono + self.timeout


class SerialGateway:
    """One connection to the box. Implements `Twin`."""

    def __init__(self, line: GatewayLine) -> None:
        self.line = line
        self._frames = TcpFrames()
        self._answers: list[bytes] = []

    def session(self) -> "SerialGateway":
        """One more connection to the same box."""
        return SerialGateway(self.line)

    @property
    def wake_at(self) -> float | None:
        return 0.0 if self._answers else self.line.wake_at

    def connected(self, at: Stamp) -> Iterable[bytes]:
        self._frames.clear()
        self._answers.clear()
        return ()

    def received(self, data: bytes, at: Stamp) -> Iterable[bytes]:
        for asked in self._frames.requests(data, at.mono):
            if asked:
                self.line.ask(self, asked, at)
        return ()

    def woken(self, at: Stamp) -> Iterable[bytes]:
        self.line.woken(at)
        answers, self._answers = self._answers, []
        return answers

    def answered(self, asked: Asked, pdu: bytes) -> None:
        """The line has done with a request of this connection; an empty `pdu` is no answer."""
        if pdu:
            self._answers.append(self._frames.answer(asked, pdu))
