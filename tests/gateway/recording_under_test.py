"""A line with a tape, and the links of a site to put one on."""

from sitewarden.drivers.line import Call, Line, Standing
from sitewarden.drivers.plan import LinkPlan, build
from sitewarden.gateway.recording import Recording, Replayed, dump, replay
from sitewarden.rules.core import Core
from sitewarden.rules.model import (
    Command,
    Reason,
    Stamp,
)
from sitewarden.rules.plan import SitePlan
from tests.scenarios import site

CARD = "01000734E0"
PLAN = site.plan()
READER, BUS = (
    next(link for link in site.links() if device in link.devices) for device in ("reader-in", "io-gate")
)


def at(seconds: float) -> Stamp:
    return site.stamp(site.START.mono + seconds)


class Recorded:
    """A line with a tape: what it is told ends up in `lines`."""

    def __init__(
        self,
        link: LinkPlan = READER,
        core: Core | None = None,
        up: bool = True,
        plan: SitePlan = PLAN,
    ) -> None:
        self.lines: list[str] = []
        self.standing: Standing = {}
        self.line = Line(link.name, lambda: build(link), self.standing)
        self.core = core or new_core()
        self._tape = Recording(lambda entry: self.lines.append(dump(entry)), link, plan, lambda: self.core)
        if up:
            list(self.line.tell(Call.CONNECTED, at(-2)))

    def begin(self) -> None:
        list(self.line.listen(self._tape, at(0)))

    def told(self, call: Call, seconds: float, told: bytes | Command | Reason | None = None) -> None:
        list(self.line.tell(call, at(seconds), told))

    def replayed(self) -> list[Replayed]:
        return list(replay(self.lines))


def new_core() -> Core:
    return Core(site.plan(), site.permits())
