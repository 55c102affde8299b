"""Twenty minutes of the demo's site in which everything happens once, as the telemetry that it makes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, partial
from pathlib import Path

from sitewarden.config.plan import Site
from sitewarden.config.site import load
from sitewarden.gateway.api.house import Status
from sitewarden.gateway.board import Board
from sitewarden.gateway.sinks.base import SinkStatus
from sitewarden.gateway.sinks.lines import Lines, wall_ns
from sitewarden.gateway.spool.blocks import Loss
from sitewarden.gateway.vitals import PAUSE, Process, points, vitals
from sitewarden.rules.model import Action, Effect, Operator, Permit, PermitKind, Stamp
from sitewarden.simulators.world import World

START = Stamp(datetime(2026, 3, 10, 4, tzinfo=UTC), 1000.0)
MINUTES = 20
SECOND = 1_000_000_000  # ns
PERMITS = (
    Permit("0100AB12CD", PermitKind.MONTHLY, date(2026, 3, 1), date(2026, 3, 31)),
    Permit("0100AB12CE", PermitKind.MONTHLY, date(2026, 1, 1), date(2026, 1, 31)),
    Permit("0100AB12CF", PermitKind.TEMPORARY, date(2026, 3, 1), date(2026, 3, 31)),
)
STORY: Sequence[tuple[int, str, str]] = (
    (60, "swipe", "entrance/valid"),
    (120, "swipe", "entrance/expired"),
    (180, "burst_pipe", ""),
    (240, "trap_passenger", "lift-a"),
    (300, "unplug", "gate-out"),
    (360, "mend_pipe", ""),
    (420, "plug", "gate-out"),
    (480, "block_pump", "pump-1"),
    (540, "free_passenger", "lift-a"),
    (600, "fire", "panel"),
    (630, "swipe", "entrance/valid"),
    (645, "car_arrives", "entrance/"),
    (690, "fire_over", "panel"),
    (900, "car_arrives", "exit/0100AB12CF"),
    (1000, "unblock_pump", "pump-1"),
    (1030, "unplug", "bus-pump"),
    (1060, "plug", "bus-pump"),
)
"""Seconds, what is pressed, and where."""

OPERATORS: Sequence[tuple[int, Action, str]] = (
    (720, Action.RESET_FIRE, ""),
    (750, Action.OPEN, "entrance"),
    (780, Action.ACKNOWLEDGE, "lift-trap-between"),
    (810, Action.RESET_LATCH, "lift-trap-between"),
    (840, Action.WRITE, "pump-1.setpoint"),
)


@dataclass(frozen=True)
class Demo:
    site: Site
    lines: Sequence[bytes]
    last: int  # ns, of the newest


@cache
def demo() -> Demo:
    site = load(Path(__file__).parents[2] / "config" / "demo" / "site.yaml")
    world = World(site.plan, site.links, PERMITS, 1, START, cars_an_hour=60.0)
    for second, name, target in STORY:
        world.later(START.mono + second, partial(world.press, name, target))
    for second, action, target in OPERATORS:
        world.later(START.mono + second, partial(_operate, world, action, target))
    return _told(site, world)


def _operate(world: World, action: Action, target: str) -> None:
    value = 40.0 if action is Action.WRITE else None
    world.tell(Operator(action, target, "guard", world.now, "as asked", value))


def _told(site: Site, world: World) -> Demo:
    board, lines = Board(site), Lines(site.id)
    told = lines.stamped(points(site), wall_ns(START))
    for step in range(int(MINUTES * 60 / PAUSE)):
        seen = len(world.effects)
        world.run(START.mono + (step + 1) * PAUSE)
        effects: list[Effect] = [effect for _, effect in world.effects[seen:]]
        board.apply(effects)
        told += lines.format(effects)
        sink = SinkStatus("influx", True, sent=100 * step, lag=0.4, rate=12.0)
        status = Status(START, True, (sink,), 1 << 20, 1 << 29)
        signs = vitals(site, board, status, Process(1 << 26, 0.5 * step), 0, True, 0, world.now)
        told += lines.stamped(signs, wall_ns(world.now))
    begun = wall_ns(START)
    away = Loss("link_down", 60, begun + 1030 * SECOND, begun + 1060 * SECOND, subject="pump-1")
    told += lines.lost([away], begun)
    return Demo(site, [line for _, line in told], max(ns for ns, _ in told))
