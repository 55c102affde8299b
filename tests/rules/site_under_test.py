"""A small site for the tests of the core: two lanes, two fire lines, a few rules; and its cards."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from sitewarden.rules.cells import KEPT
from sitewarden.rules.core import Core
from sitewarden.rules.model import (
    Action,
    Alarm,
    CardRead,
    Direction,
    Effect,
    Event,
    FireKind,
    Keep,
    Operator,
    Permit,
    PermitKind,
    Quality,
    Reading,
    Reason,
    Severity,
    Stamp,
    Tick,
    Value,
)
from sitewarden.rules.plan import (
    Band,
    Barrier,
    Condition,
    FireInput,
    Lane,
    Parking,
    SitePlan,
    Stale,
)
from sitewarden.rules.plan import Test as Limit

T = TypeVar("T")

NOON = datetime(2026, 3, 10, 4, tzinfo=UTC)  # in Shanghai

IN = Lane(
    "in",
    Direction.IN,
    "reader-in",
    Barrier("io-in", "out1", "io-in.under", opened="io-in.up", closed="io-in.down", close="out2"),
)
OUT = Lane("out", Direction.OUT, "reader-out", Barrier("io-out", "out1", "io-out.under"))
SIDE = Lane("side", Direction.IN, "reader-side", Barrier("io-out", "out3", "io-out.side"))
BANDS = (
    Band(0, 300, FireKind.FAULT, text="short"),
    Band(500, 1200, FireKind.FIRE, zone="hall"),
    Band(1800, 2600, FireKind.NORMAL),
    Band(6000, 1e9, FireKind.FAULT, text="open"),
)
PLAN = SitePlan(
    "test",
    ZoneInfo("Asia/Shanghai"),
    frozenset({"io", "io-in", "io-out", "panel", "pump", "pump-1", "reader-in", "reader-out", "tank"})
    | {"panel-a", "panel-b", "p", "q"},
    Parking((IN, OUT, SIDE), places=3, private_spaces=frozenset({"P1"})),
    fire=(FireInput("line-1", "panel.line1", BANDS), FireInput("line-2", "panel.line2", BANDS)),
    conditions=(
        Condition("tank_high", "tank.level", Limit.ABOVE, 3.0, Severity.HIGH, 0.5, 10.0, 5.0),
        Condition("tank_low", "tank.level", Limit.BELOW, 1.0, Severity.MEDIUM, latch=True),
        Condition("pump_fault", "pump.fault", Limit.IS, True, Severity.CRITICAL),
    ),
    stale=(Stale("tank.level", 120.0),),
)


def permit(card: str, kind: PermitKind = PermitKind.MONTHLY, **more: object) -> Permit:
    known: Mapping[str, object] = {"valid_from": date(2026, 3, 1), "valid_to": date(2026, 3, 31), **more}
    return Permit(card, kind, **known)  # type: ignore[arg-type]


CARDS = (
    permit("monthly"),
    permit("monthly-2"),
    permit("blocked", blocked=True),
    permit("expired", valid_to=date(2026, 3, 9)),
    permit("early", valid_from=date(2026, 3, 11)),
    permit("side-only", lanes=frozenset({"side"})),
    permit("temporary", PermitKind.TEMPORARY),
    permit("temporary-2", PermitKind.TEMPORARY),
    permit("private-a", PermitKind.PRIVATE, space="P1"),
    permit("private-b", PermitKind.PRIVATE, space="P1"),
)


def at(seconds: float) -> Stamp:
    return Stamp(NOON + timedelta(seconds=seconds), 1000.0 + seconds)


def kept(core: Core) -> dict[str, object]:
    """What is left of its cells after a crash."""
    return {key: cell for key, cell in core.save().items() if type(cell) in KEPT}


class Site:
    """A core and its time, in seconds since noon."""

    def __init__(
        self,
        plan: SitePlan = PLAN,
        cards: Iterable[Permit] = CARDS,
        cells: Mapping[str, object] | None = None,
    ) -> None:
        self.plan, self.cards = plan, tuple(cards)
        self.core = Core(plan, self.cards, cells or {})
        self.now = 0.0
        begun = () if cells is not None else self.core.step(Tick(at(0.0)))
        self.seen: list[Effect] = [effect for effect in begun if isinstance(effect, Keep)]

    def step(self, event: Event) -> list[Effect]:
        effects = list(self.core.step(event))
        self.seen += effects
        return effects

    def wait(self, seconds: float) -> list[Effect]:
        """Ticks whenever the core wants one, until so many seconds have passed."""
        effects: list[Effect] = []
        end = self.now + seconds
        while (wake := self.core.wake_at) is not None and wake <= 1000.0 + end:
            self.now = max(self.now, wake - 1000.0)
            effects += self.step(Tick(at(self.now)))
        self.now = end
        return effects

    def swipe(self, card: str, lane: Lane = IN) -> list[Effect]:
        return self.step(CardRead(lane.reader, card, at(self.now)))

    def reads(self, point: str, value: Value) -> list[Effect]:
        return self.step(Reading(point, value, at(self.now)))

    def loses(self, point: str, value: Value | None = None) -> list[Effect]:
        return self.step(Reading(point, value, at(self.now), Quality.BAD, Reason.TIMEOUT))

    def drive(self, lane: Lane = IN) -> list[Effect]:
        """A car goes through, under the arm for two seconds."""
        effects = self.reads(lane.barrier.loop_under, True)
        effects += self.wait(2.0)
        return effects + self.reads(lane.barrier.loop_under, False)

    def enters(self, card: str, lane: Lane = IN) -> list[Effect]:
        """The card is swiped, the car goes through, and the next swipe is another one."""
        effects = self.swipe(card, lane) + self.drive(lane)
        return effects + self.wait(5.0)

    def operates(self, action: Action, target: str = "", reason: str = "") -> list[Effect]:
        return self.step(Operator(action, target, "guard", at(self.now), reason))

    def alarm(self, alarm: str) -> Alarm | None:
        found = self.core.save().get(f"alarm/{alarm}")
        return found if isinstance(found, Alarm) else None

    def restarted(self) -> "Site":
        """After a crash: only what was kept is known."""
        kept: dict[str, object] = {}
        for keep in of(self.seen, Keep):
            if keep.cell is None:
                kept.pop(keep.key, None)
            else:
                kept[keep.key] = keep.cell
        again = Site(self.plan, self.cards, kept)
        again.now, again.seen = self.now, list(self.seen)
        return again


def of(effects: Iterable[Effect], kind: type[T]) -> list[T]:
    return [effect for effect in effects if isinstance(effect, kind)]
