"""Answers that may still come, after their time-out, on a line that does not number them.

Nothing in them says which addresses they are about, nor whom a refusal refuses. So one that is late would be
taken for the answer to any other request of the same function, and such a request waits.
"""

from dataclasses import dataclass
from math import inf

from sitewarden.drivers.modbus.request import Request
from sitewarden.rules.model import Stamp


@dataclass(frozen=True, slots=True)
class _Owed:
    request: Request | None  # whose they are; None: it was answered, by who knows which of them
    since: float  # when the first of them was sent
    until: float  # none comes any more


class Late:
    """What one unit owes, by function."""

    def __init__(self) -> None:
        self._owed: dict[int, _Owed] = {}

    def unanswered(self, request: Request, since: float, at: Stamp, late: float) -> None:
        """`since`: when it was sent; `late`: s in which the answer may still come."""
        before = self._owed.get(request.function)
        if before and before.request is request and since < before.until:
            since = before.since
        self._owed[request.function] = _Owed(request, since, at.mono + late)

    def answered(self, request: Request, since: float, at: Stamp, late: float, alike: bool) -> float:
        """When the request was sent that may have been answered: after a time-out it may be the first try,
        and the answer to the second is still to come. `alike`: others of this function are asked, too."""
        owed = self._owed.pop(request.function, None)
        if owed is None or since >= owed.until:
            return since
        if alike:
            self._owed[request.function] = _Owed(None, owed.since, at.mono + late)
        return owed.since

    def free_at(self, request: Request) -> float:
        """When it may be asked without being given another's answer."""
        owed = self._owed.get(request.function)
        return owed.until if owed and owed.request is not request else -inf
