"""RDM6300 and its clones: a 125 kHz reader that pushes a card's number for as long as it is held there.

One frame is `02`, five bytes as ten hexadecimal digits, their exclusive or as two more, `03` (9600 8N1).
Clones write lower case, or CR LF before the `03` as the ID-12 does. Source: Seeed wiki, "125Khz RFID
module - UART".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import xor

from sitewarden.drivers.base import CardForm, Output, no_outputs
from sitewarden.rules.model import CardRead, Command, LinkChanged, Reason, Stamp

STX, ETX = b"\x02", b"\x03"
BODY = re.compile(rb"([0-9A-Fa-f]{10})([0-9A-Fa-f]{2})(?:\r\n)?")
LONGEST = 14  # characters between STX and ETX
FORM = CardForm(re.compile("[0-9A-F]{10}"), "ten hexadecimal digits such as 0A00123456")


@dataclass(slots=True)
class Counters:
    frames: int = 0
    garbled: int = 0  # began like a frame, but was cut, too long, not hexadecimal or failed its check
    noise: int = 0  # bytes outside of any frame


class Rdm6300:
    """A `Driver`; every good frame is a `CardRead` of ten upper-case digits, repeats included."""

    wake_at: float | None = None

    def __init__(self, name: str) -> None:
        self.devices = (name,)
        self._counters = Counters()
        self._begun = b""  # the frame that has begun, STX included

    @property
    def counters(self) -> Mapping[str, Counters]:
        return {self.devices[0]: self._counters}

    def connected(self, at: Stamp) -> Iterator[Output]:
        self._begun = b""
        yield LinkChanged(self.devices[0], True, at)

    def received(self, data: bytes, at: Stamp) -> Iterator[Output]:
        # STX never occurs inside a frame: whatever was garbled, the next one starts afresh.
        noise, *begun = (self._begun + data).split(STX)
        self._begun = b""
        self._counters.noise += len(noise)
        for number, piece in enumerate(begun, start=1):
            body, ended, rest = piece.partition(ETX)
            if number == len(begun) and not ended and len(body) <= LONGEST:
                self._begun = STX + body
            elif ended and (card := card_of(body)):
                self._counters.frames += 1
                self._counters.noise += len(rest)
                yield CardRead(self.devices[0], card, at)
            else:
                self._counters.garbled += 1

    def woken(self, at: Stamp) -> Iterator[Output]:
        yield from ()

    def command(self, command: Command, at: Stamp) -> Iterator[Output]:
        return no_outputs(self.devices[0], command)

    def lost(self, at: Stamp, reason: Reason) -> Iterator[Output]:
        self._begun = b""
        yield LinkChanged(self.devices[0], False, at, reason)


def card_of(body: bytes) -> str | None:
    """The card in what stood between STX and ETX; None unless its form and its check are right."""
    if not (match := BODY.fullmatch(body)):
        return None
    card, check = (bytes.fromhex(digits.decode()) for digits in match.groups())
    return card.hex().upper() if reduce(xor, card) == check[0] else None


def frame(card: str) -> bytes:
    """The frame of a card of ten hexadecimal digits, as the twin sends it."""
    check = reduce(xor, bytes.fromhex(card))
    return STX + f"{card}{check:02X}".encode() + ETX
