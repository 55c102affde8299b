"""A bus and a twin at the two ends of a line that takes its time, in virtual time."""

import heapq
from collections.abc import Iterable
from itertools import count
from math import inf
from random import Random

from sitewarden.drivers.base import Output
from sitewarden.drivers.modbus.bus import Bus
from sitewarden.rules.model import Command, Event, LinkChanged, Reading
from sitewarden.simulators.base import Twin
from sitewarden.simulators.wire import Wire
from tests.drivers.virtual import stamp

BUS, TWIN = 0, 1  # who hears


class Paced:
    """`asked`: when each request went out, and its bytes; `heard`: what came, and when; `said`: what the
    bus made of it. `echo`: the adapter hands back what it sends."""

    def __init__(self, bus: Bus, twin: Twin, character: float = 0.0, echo: bool = False) -> None:
        self.bus, self.twin, self._echo = bus, twin, echo
        self.now = 100.0
        self.asked: list[tuple[float, bytes]] = []
        self.heard: list[tuple[float, bytes]] = []
        self.said: list[Event] = []
        self._ways = Wire(Random(0), character), Wire(Random(1), character)
        self._coming: list[tuple[float, int, int, bytes]] = []
        self._numbers = count()
        twin.connected(stamp(self.now))
        self._take(bus.connected(stamp(self.now)))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self._next()) <= end:
            self.now = max(self.now, due)
            at = stamp(self.now)
            if self._coming and self._coming[0][0] <= self.now:
                _, _, who, data = heapq.heappop(self._coming)
                if who == BUS:
                    self.heard.append((self.now, data))
                    self._take(self.bus.received(data, at))
                else:
                    self._answer(self.twin.received(data, at))
            elif (self.twin.wake_at or inf) <= self.now:
                self._answer(self.twin.woken(at))
            else:
                self._take(self.bus.woken(at))
        self.now = end

    def command(self, command: Command) -> None:
        self._take(self.bus.command(command, stamp(self.now)))

    def readings(self, point: str = "") -> list[Reading]:
        return [event for event in self.said if isinstance(event, Reading) and point in ("", event.point)]

    def links(self, device: str) -> list[tuple[float, bool]]:
        return [
            (event.at.mono, event.up)
            for event in self.said
            if isinstance(event, LinkChanged) and event.device == device
        ]

    def _next(self) -> float:
        dues = self._coming[0][0] if self._coming else inf, self.twin.wake_at, self.bus.wake_at
        return min(inf if due is None else due for due in dues)

    def _take(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, bytes):
                self.asked.append((self.now, output))
                self._put(TWIN, output)
                if self._echo:
                    self._put(BUS, output)
            else:
                self.said.append(output)

    def _answer(self, frames: Iterable[bytes]) -> None:
        for frame in frames:
            self._put(BUS, frame)

    def _put(self, who: int, data: bytes) -> None:
        for mono, piece in self._ways[who].send(data, self.now):
            heapq.heappush(self._coming, (mono, next(self._numbers), who, piece))
