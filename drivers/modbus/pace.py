"""How long a request and its answer are on the wire: what the planner, the scheduler and `check` reckon with.

Sources: MODBUS over Serial Line V1.02, 2.5.1.1 (RTU: silence of 3.5 characters, 1.75 ms above 19200 baud)
and 2.5.2.1 (ASCII: two characters a byte, no silence); Messaging on TCP/IP V1.0b, 3.1.3.
"""

from dataclasses import dataclass

SILENCE_CHARACTERS, SILENCE_FAST, FAST = 3.5, 0.00175, 19_200  # V1.02, 2.5.1.1


@dataclass(frozen=True, slots=True)
class Pace:
    """Of one link: a PDU of n bytes is `around + each * n` characters."""

    character: float = 0.0  # s; 0 where the line's speed is not known, or it is no serial line
    silence: float = 0.0  # s that the line must rest between two frames
    around: int = 7  # characters of a frame without its PDU
    each: int = 1  # characters of a byte

    def lasts(self, size: int) -> float:
        """s that a frame with a PDU of `size` bytes is on the wire."""
        return (self.around + self.each * size) * self.character

    def exchange(self, asked: int, answered: int, turnaround: float) -> float:
        """s from the first bit of a request to the instant at which the next may be sent; `asked` and
        `answered`: bytes of the PDUs, `turnaround`: s that the device thinks."""
        return self.lasts(asked) + max(self.silence, turnaround) + self.lasts(answered) + self.silence


NETWORK = Pace()
"""Modbus TCP: only the device's own time counts."""


def rtu(character: float, baud: int) -> Pace:
    silence = SILENCE_FAST if baud > FAST else SILENCE_CHARACTERS * character
    return Pace(character, silence, around=3)


def ascii_line(character: float) -> Pace:
    """The standard wants no silence between these frames. We rest as on an RTU line all the same: what an
    adapter sends twice must not answer the next question."""
    return Pace(character, max(SILENCE_CHARACTERS * character, SILENCE_FAST), around=7, each=2)
