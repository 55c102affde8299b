"""A gateway without wires: the demo's site, the real core, board and stores, and a clock set by hand."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from sitewarden.config.site import HttpPlan, Site, load
from sitewarden.gateway.api.house import DemoControl, Recording, Reloaded, Sample, Status
from sitewarden.gateway.board import Board
from sitewarden.gateway.cards import Cards
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.journal import Journal
from sitewarden.gateway.measures import Tally, site_samples, telemetry_samples
from sitewarden.gateway.sinks.base import SinkStatus
from sitewarden.gateway.tokens import Tokens
from sitewarden.gateway.trend.trend import Trend
from sitewarden.rules.core import Core
from sitewarden.rules.model import (
    Action,
    CardRead,
    Effect,
    Event,
    LinkChanged,
    Operator,
    Permit,
    PermitKind,
    Reading,
    Reason,
    Record,
    Stamp,
    Tick,
    Value,
    WriteEnded,
)
from tests.api.small_telemetry import SmallTelemetry

DEMO = Path(__file__).parents[2] / "config" / "demo" / "site.yaml"
START = Stamp(datetime(2026, 5, 20, 6, 30, tzinfo=UTC), 1000.0)
LIAO = Permit(
    "0100AB12CD",
    PermitKind.MONTHLY,
    date(2026, 5, 1),
    date(2026, 5, 31),
    holder="9-1-302",
    plate="粤B8K21C",
)


@cache
def demo_site() -> Site:
    return load(DEMO)


@dataclass(slots=True)
class Buttons:
    controls: Sequence[DemoControl] = (
        DemoControl("swipe", "entrance", "valid"),
        DemoControl("swipe", "entrance", "expired"),
        DemoControl("burst_pipe", ""),
        DemoControl("trap_passenger", "lift-a"),
        DemoControl("unplug", "gate-in"),
        DemoControl("fire", "panel"),
    )
    pressed: list[DemoControl] = field(default_factory=list)

    def press(self, control: DemoControl) -> str:
        if control not in self.controls:
            raise KeyError(control.name)
        self.pressed.append(control)
        return "done"


class SmallHouse:
    def __init__(self, folder: Path) -> None:
        self.site: Site = replace(demo_site(), data=folder, http=HttpPlan("127.0.0.1", 0))
        self.journal = Journal(folder / "journal.db")
        self.cards = Cards(folder / "journal.db")
        self.cards.put(LIAO, "test")
        self.trend = Trend(folder / "trend.db")
        self.tokens = Tokens(folder / "access.db")
        self.hub = Hub()
        self.board = Board(self.site)
        self.tally = Tally()
        self.core = Core(self.site.plan, [LIAO])
        self.demo: Buttons | None = Buttons()
        self.at = START
        self.refuse = False  # the configuration is wrong
        self.mute = False  # the main loop hangs
        self.disk_error: Exception | None = None  # what every record fails with
        self.telemetry = SmallTelemetry()
        self.sinks: tuple[SinkStatus, ...] = ()
        self.device: WriteEnded | None = None  # what comes of a write; None: nothing is heard of it

    def close(self) -> None:
        self.journal.close()
        self.trend.close()
        self.tokens.close()

    # -- what happens ----------------------------------------------------------------------------

    def later(self, seconds: float) -> Stamp:
        self.at = Stamp(self.at.wall + timedelta(seconds=seconds), self.at.mono + seconds)
        return self.at

    def step(self, event: Event) -> Sequence[Effect]:
        effects = self.core.step(event)
        self.journal.submit([e for e in effects if isinstance(e, Record)], lambda error: None)
        self.board.apply(effects)
        self.tally.count(effects)
        self.hub.publish(effects)
        return effects

    def read(self, **values: Value) -> None:
        """`tank_level=1.9` reads `tank.level`; an underscore of a device is written twice."""
        for name, value in values.items():
            point = name.replace("__", "-").replace("_", ".", 1)
            self.step(Reading(point, value, self.at))

    def up(self) -> None:
        for device in self.board.devices:
            self.step(LinkChanged(device, True, self.at))

    def swipe(self, card: str = LIAO.card, reader: str = "reader-in") -> None:
        self.step(CardRead(reader, card, self.at))

    def enter(self, card: str = LIAO.card) -> None:
        """A car drives in."""
        self.step(Reading("io-gate.in4", False, self.later(1)))
        self.swipe(card)
        for under in (True, False):
            self.step(Reading("io-gate.in4", under, self.later(1)))
        self.later(60)

    def lose(self, device: str) -> None:
        """It is away for long enough to be an alarm."""
        self.step(LinkChanged(device, False, self.at, Reason.TIMEOUT))
        self.tick(60.0)

    def tick(self, seconds: float) -> None:
        self.step(Tick(self.later(seconds)))

    # -- the house -------------------------------------------------------------------------------

    def now(self) -> Stamp:
        return self.at

    def ready(self) -> Mapping[str, bool]:
        return {"core": not self.mute, "journal": True}

    def status(self) -> Status:
        return Status(START, True, self.sinks, 1 << 20, 1 << 30)

    def samples(self) -> Iterator[Sample]:
        yield from site_samples(self.site, self.board, self.tally, self.status())
        yield from telemetry_samples(self.status(), self.telemetry)

    def operate(self, operator: Operator) -> "Future[Sequence[Effect]]":
        answer: Future[Sequence[Effect]] = Future()
        if not self.mute:
            effects = self.step(operator)
            if self.device and operator.action is Action.WRITE:
                self.step(replace(self.device, point=operator.target, at=self.later(0.2)))
            if self.disk_error:
                answer.set_exception(self.disk_error)
            else:
                answer.set_result(effects)
        return answer

    def reload(self) -> "Future[Reloaded]":
        answer: Future[Reloaded] = Future()
        errors = ("site.yaml:3:1: links: found nothing, expected a mapping",) if self.refuse else ()
        answer.set_result(Reloaded(() if self.refuse else ("bus-pump",), errors))
        return answer

    def record(self, link: str, on: bool) -> "Future[Recording]":
        answer: Future[Recording] = Future()
        if self.disk_error:
            answer.set_exception(self.disk_error)
        elif on:
            answer.set_result(Recording(link, f"{link}.jsonl"))
        else:
            answer.set_exception(KeyError(link))
        return answer
