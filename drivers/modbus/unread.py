"""Points that a unit does not give though it answers others: each says why, and all together are an alarm."""

from collections.abc import Hashable, Iterator

from sitewarden.rules.model import Stamp, Trouble

TOLD_AFTER = 10.0  # s; what is back before is nobody's affair


class Unread:
    def __init__(self, device: str, points: int) -> None:
        """`points`: how many the unit has."""
        self._device, self._points = device, points
        self._since: dict[Hashable, tuple[float, int]] = {}  # read -> when it failed, its points
        self._told = False

    def failed(self, read: Hashable, points: int, at: Stamp) -> None:
        self._since.setdefault(read, (at.mono, points))

    def good(self, read: Hashable) -> None:
        """It is answered again, or is not made any more."""
        self._since.pop(read, None)

    def clear(self) -> None:
        """The unit is away, and that is told."""
        self._since.clear()

    def news(self, at: Stamp) -> Iterator[Trouble]:
        unread = sum(points for _, points in self._since.values())
        if not self._told:
            if unread and at.mono - min(since for since, _ in self._since.values()) >= TOLD_AFTER:
                self._told = True
                params = {"unread": unread, "points": self._points}
                yield Trouble("points_unread", self._device, True, at, params)
        elif not unread:
            self._told = False
            yield Trouble("points_unread", self._device, False, at)
