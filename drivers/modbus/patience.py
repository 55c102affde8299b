"""How long a unit's answers are waited for: as long as they take, and not what a data sheet fears.

The estimate is that of TCP (RFC 6298, clause 2): a running mean and a running deviation of what the answers
took. A dead unit then costs its bus a fraction of the configured time-out.
"""

LEAST = 0.1  # s; the operating system and its adapters may hold an answer up for so long
MEAN_GAIN, SPREAD_GAIN, SPREADS = 1 / 8, 1 / 4, 4  # RFC 6298, 2.3


class Patience:
    """`most`: s as configured; so long is waited while nothing is known, and whenever a try has failed: a
    unit that became slower is then heard, and the estimate learns of it."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._mean: float | None = None
        self._spread = 0.0

    def wait(self, failed: bool) -> float:
        """s. `failed`: the try before was not answered."""
        if self._mean is None or failed:
            return self._most
        return min(max(self._mean + SPREADS * self._spread, LEAST), self._most)

    @property
    def learned(self) -> bool:
        return self._mean is not None

    def answered(self, took: float) -> None:
        """`took`: s from the end of the request to the answer, without their time on the wire."""
        if self._mean is None:
            self._mean, self._spread = took, took / 2
            return
        self._spread += SPREAD_GAIN * (abs(took - self._mean) - self._spread)
        self._mean += MEAN_GAIN * (took - self._mean)
