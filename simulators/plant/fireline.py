"""A supervised fire contact as its line resistance.

Two resistors make three faults visible: an end-of-line resistor of 2.2 kohm closes the loop, the
contact of the panel puts 1 kohm beside it. A cut wire reads as the converter's full scale, a short as
the copper alone.
"""

from enum import StrEnum

END_OF_LINE, CONTACT = 2200.0, 1000.0  # ohm
COPPER = 12.0  # ohm, 300 m of 2 x 1.0 mm²
FULL_SCALE = 30_000.0  # ohm, the most the input measures


class LineState(StrEnum):
    NORMAL = "normal"
    FIRE = "fire"
    OPEN = "open"
    SHORT = "short"


OHMS = {
    LineState.NORMAL: COPPER + END_OF_LINE,
    LineState.FIRE: COPPER + END_OF_LINE * CONTACT / (END_OF_LINE + CONTACT),
    LineState.OPEN: FULL_SCALE,
    LineState.SHORT: COPPER,
}


class FireLine:
    """The line of one panel: the panel's contact at its end, and what befell the wire."""

    def __init__(self) -> None:
        self.fire = False
        self.broken: LineState | None = None  # OPEN or SHORT

    @property
    def state(self) -> LineState:
        """What can be measured: a broken wire hides the contact behind it."""
        return self.broken or (LineState.FIRE if self.fire else LineState.NORMAL)
