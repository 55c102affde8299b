"""The far side of a Modbus line or connection: every unit on it, built from the gateway's own profiles.

What a unit does stands in `functions.py`, how it is framed in `frames.py`; here is when it answers, and what
may be wrong with it.
"""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from random import Random

from sitewarden.drivers.modbus.points import Unit
from sitewarden.drivers.plan import Framing
from sitewarden.rules.model import Stamp
from sitewarden.simulators.frames import FRAMES, Asked
from sitewarden.simulators.functions import Functions
from sitewarden.simulators.registers import Registers, Source
from sitewarden.simulators.wire import Faults

BROADCAST = 0  # unit address on a serial line: everybody does, nobody answers (V1.02, 2.2)
BABBLE, BABBLES_EVERY = 16, 1.0  # bytes at most, s on average


class SlaveUnit:
    """One device on the bus, and what may be wrong with it."""

    def __init__(self, unit: Unit, source: Source, chance: Random | None = None) -> None:
        self.unit = unit
        self.registers = Registers(unit.profile, source)
        self.functions = Functions(unit, self.registers)
        self.chance = chance or Random(unit.device)
        self.deaf = False  # switched off, or its wires are cut
        self.turnaround = 0.0  # s from a request to its answer
        self.jitter = 0.0  # s more, at most
        self.in_turn = True  # else it works at several requests at once, and the quickest is done first
        self.faults: Faults | None = None  # of what it says
        self.babbles_at: float | None = None  # when it next speaks unasked (`Stamp.mono`); None: never
        self._free_at = 0.0

    def answer(self, pdu: bytes, at: Stamp, broadcast: bool = False) -> bytes:
        """`pdu`: function code and data of a whole request; returns those of the answer, or nothing."""
        return self.functions.answer(pdu, at, broadcast)

    def ready_at(self, mono: float) -> float:
        """When the answer to a request comes that came at `mono`."""
        begin = max(mono, self._free_at) if self.in_turn else mono
        self._free_at = begin + self.turnaround
        if self.jitter:
            self._free_at += self.chance.uniform(0.0, self.jitter)
        return self._free_at

    def said(self, frame: bytes) -> list[bytes]:
        """What comes of an answer by way of its faults, in pieces."""
        return self.faults.spoil(frame, self.chance) if self.faults else [frame]

    def babble(self, mono: float) -> bytes:
        """What it says unasked at `mono`, mostly nothing."""
        if self.babbles_at is None or mono < self.babbles_at:
            return b""
        self.babbles_at = mono + self.chance.uniform(0.5, 1.5) * BABBLES_EVERY
        return self.chance.randbytes(self.chance.randint(1, BABBLE))


class ModbusSlave:
    """All units of one link. Implements `Twin`."""

    def __init__(self, framing: Framing, units: Iterable[SlaveUnit]) -> None:
        self.units = {unit.unit.unit_id: unit for unit in units}
        self._framing = framing
        self._frames = FRAMES[framing]()
        self._serial = framing is not Framing.TCP
        self._later: list[tuple[float, int, bytes]] = []  # answers of slow units
        self._numbers = count()

    def session(self) -> "ModbusSlave":
        """One more connection to the same units."""
        return ModbusSlave(self._framing, self.units.values())

    @property
    def wake_at(self) -> float | None:
        due = [unit.babbles_at for unit in self.units.values()]
        if self._later:
            due.append(self._later[0][0])
        return min((mono for mono in due if mono is not None), default=None)

    def connected(self, at: Stamp) -> Iterable[bytes]:
        self._frames.clear()
        self._later.clear()
        return ()

    def received(self, data: bytes, at: Stamp) -> Iterable[bytes]:
        answers: list[bytes] = []
        for asked in self._frames.requests(data, at.mono):
            if self._serial:
                for unit in self.units.values():
                    unit.functions.diagnostics.heard(asked is None)
            if asked:
                answers += self._answer(asked, at)
        return answers

    def woken(self, at: Stamp) -> Iterable[bytes]:
        said: list[bytes] = []
        while self._later and self._later[0][0] <= at.mono:
            said.append(heappop(self._later)[2])
        said += filter(None, (unit.babble(at.mono) for unit in self.units.values()))
        return said

    def _answer(self, asked: Asked, at: Stamp) -> Iterator[bytes]:
        if self._serial and asked.unit_id == BROADCAST:
            for unit in self.units.values():
                if not unit.deaf:
                    unit.answer(asked.pdu, at, broadcast=True)
            return
        addressed = self.units.get(asked.unit_id)
        if addressed is None or addressed.deaf or not (pdu := addressed.answer(asked.pdu, at)):
            return
        ready = addressed.ready_at(at.mono)
        for piece in addressed.said(self._frames.answer(asked, pdu)):
            if ready > at.mono:
                heappush(self._later, (ready, next(self._numbers), piece))
            else:
                yield piece
