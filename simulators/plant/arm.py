"""A barrier arm: a motor, two limit switches, and electronics that keep the arm off cars.

Motion is linear and exact at any instant, so nobody has to step it: every method first brings the arm
to `mono`. The close logic is that of common lane controllers: it closes a moment after the loop under
the arm became free, never while the loop is on or the open input is held, and reverses when a car
comes under it while it falls.
"""

RISES_IN, FALLS_IN = 1.6, 2.0  # s for the whole way, a 3 m to 4 m residential arm
CLOSES_AFTER = 1.8  # s after the loop under the arm became free
TIRES_AFTER = 15.0  # s after which an arm that nobody passed closes again


class Arm:
    def __init__(self, mono: float) -> None:
        self.height = 0.0  # 0 down, 1 up
        self.under = False  # the loop under the arm
        self.open_held = False
        self.blocked = False  # the arm does not move at all: motor breaker off
        self.fell_on_car = False
        self._at = mono
        self._rising = False
        self._close_at: float | None = None

    @property
    def opened(self) -> bool:
        return self.height >= 1.0

    @property
    def closed(self) -> bool:
        return self.height <= 0.0

    @property
    def falling(self) -> bool:
        return not self._rising and not self.closed

    def advance(self, mono: float) -> None:
        """Moves the arm to where it is at `mono` (never back in time)."""
        if self._close_at is not None and self._close_at <= mono:
            self._move(self._close_at)
            self._rising, self._close_at = False, None
        self._move(mono)

    def _move(self, mono: float) -> None:
        passed, self._at = mono - self._at, mono
        if self.blocked:
            return
        if self._rising:
            self.height = min(1.0, self.height + passed / RISES_IN)
        elif not self.closed:
            self.height = max(0.0, self.height - passed / FALLS_IN)
            self.fell_on_car = self.fell_on_car or self.under

    def hold_open(self, on: bool, mono: float) -> None:
        """The open input: a pulse opens, a held input keeps the arm up."""
        self.advance(mono)
        self.open_held = on
        if on:
            self._rising, self._close_at = True, None
        elif self._rising and not self.under:
            self._close_at = mono + TIRES_AFTER

    def close(self, mono: float) -> None:
        """The close input; ignored while a car is under the arm or the open input is held."""
        self.advance(mono)
        if not self.under and not self.open_held:
            self._rising, self._close_at = False, None

    def car(self, under: bool, mono: float) -> None:
        """The loop under the arm sees a car come or go."""
        self.advance(mono)
        self.under = under
        if under:
            self._close_at = None
            self._rising = self._rising or not self.closed
        elif not self.open_held:
            self._close_at = mono + CLOSES_AFTER
