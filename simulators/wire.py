"""A wire that takes time, and does to the bytes what bad wires do.

One `Wire` is one direction. A character takes its bits (10 or 11) at the line's rate, one after the
other; over TCP only the delay counts. All chance comes from the generator that is handed in.
"""

from dataclasses import dataclass
from random import Random

from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, SerialPort, pace

Arrival = tuple[float, bytes]


def char_time(link: LinkPlan) -> float:
    """s that a character takes on the serial line at whose end the twin stands; on a network none."""
    if isinstance(link.port, SerialPort):
        return link.port.character
    if isinstance(link.wire, BusPlan) and link.wire.framing is not Framing.TCP:
        return pace(link.port, link.wire.framing).character
    return 0.0


@dataclass(slots=True)
class Faults:
    """What is wrong with a wire, as probabilities; all zero: nothing."""

    noise: float = 0.0  # of a byte to have a bit flipped
    loss: float = 0.0  # of a byte to vanish
    duplicate: float = 0.0  # of a chunk to come twice
    split: float = 0.0  # of a chunk to come in two pieces
    stray: float = 0.0  # of a rubbish byte before a chunk

    def spoil(self, data: bytes, chance: Random) -> list[bytes]:
        """What becomes of a chunk: the pieces in which it comes, none of them empty."""
        hit = chance.random
        out = bytearray()
        if hit() < self.stray:
            out.append(chance.randrange(256))
        for byte in data:
            if hit() >= self.loss:
                out.append(byte ^ (1 << chance.randrange(8)) if hit() < self.noise else byte)
        if hit() < self.duplicate:
            out *= 2
        pieces = [bytes(out)]
        if len(out) > 1 and hit() < self.split:
            at = chance.randrange(1, len(out))
            pieces = [bytes(out[:at]), bytes(out[at:])]
        return [*filter(None, pieces)]


class Wire:
    def __init__(self, chance: Random, char: float = 0.0, delay: float = 0.0) -> None:
        """`char`: s a character takes; `delay`: s from the last bit to the other end."""
        self._chance, self._char, self.delay = chance, char, delay
        self.faults: Faults | None = None
        self.cut = False
        self._free_at = 0.0

    def send(self, data: bytes, mono: float) -> list[Arrival]:
        """Puts `data` on the wire at `mono`; returns what comes out at the far end and when."""
        begin = max(mono, self._free_at)
        self._free_at = begin + len(data) * self._char
        if self.cut:
            return []
        if self.faults is None:
            return [(self._free_at + self.delay, data)]
        arrivals: list[Arrival] = []
        for piece in self.faults.spoil(data, self._chance):
            begin += len(piece) * self._char
            arrivals.append((begin + self.delay, piece))
        self._free_at = max(self._free_at, begin)
        return arrivals
