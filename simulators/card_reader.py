"""The far side of a card reader: while a card is held to it, it says the card again and again."""

from collections.abc import Iterable
from functools import reduce
from operator import xor

from sitewarden.rules.model import Stamp

STX, ETX = b"\x02", b"\x03"
REPEATS_EVERY = 0.25  # s between two frames of a card that stays in the field


def rdm6300_frame(card: str) -> bytes:
    """`card`: ten hexadecimal digits (version byte and 32 bits). STX, digits, xor of the five bytes, ETX."""
    check = reduce(xor, bytes.fromhex(card))
    return STX + f"{card.upper()}{check:02X}".encode("ascii") + ETX


class CardReaderTwin:
    """An RDM6300 (9600 8N1). Implements `Twin`; it never listens."""

    def __init__(self) -> None:
        self.wake_at: float | None = None
        self._frame = b""
        self._until = 0.0

    def hold(self, card: str, mono: float, seconds: float = 0.9) -> None:
        """A card comes into the field at `mono` and leaves it `seconds` later."""
        self._frame, self._until = rdm6300_frame(card), mono + seconds
        self.wake_at = mono

    def connected(self, at: Stamp) -> Iterable[bytes]:
        return ()

    def received(self, data: bytes, at: Stamp) -> Iterable[bytes]:
        return ()

    def woken(self, at: Stamp) -> Iterable[bytes]:
        if self.wake_at is None or at.mono < self.wake_at:
            return ()
        following = self.wake_at + REPEATS_EVERY
        self.wake_at = following if following < self._until else None
        return (self._frame,)
