"""A simulated day of a whole estate, and what must hold in it whatever happens."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from sitewarden.rules.model import (
    Action,
    AlarmChange,
    AlarmState,
    Decision,
    FireChange,
    FireStage,
    Operator,
    Passage,
    Reading,
    Verdict,
)
from sitewarden.simulators.estate import Switched
from sitewarden.simulators.gate import Visit
from sitewarden.simulators.wire import Faults
from sitewarden.simulators.world import World
from tests.scenarios import site

HOUR = 3600.0
PULSE_GOES = 3.0  # s from the durable grant to the relay, with a queue on a slow bus


def hour(number: float) -> float:
    return site.START.mono + number * HOUR


def durable_grants(world: World) -> dict[str, list[float]]:
    """By lane: when a grant was on the disk."""
    grants = defaultdict(list)
    for committed in world.disk.committed:
        for record in committed.records:
            if isinstance(record, Decision) and record.verdict is Verdict.GRANTED:
                grants[record.lane].append(committed.mono)
    return grants


def raised(world: World, rule: str) -> list[float]:
    """When an alarm of that rule or code came, or came back before anybody acknowledged it."""
    return [
        mono
        for mono, effect in world.effects
        if isinstance(effect, AlarmChange)
        and effect.alarm.id.partition(":")[0] == rule
        and effect.alarm.state is AlarmState.UNACKNOWLEDGED
    ]


def fires(world: World) -> Iterator[tuple[float, float]]:
    """From the first signal to the operator's reset."""
    began = None
    for mono, effect in world.effects:
        match effect:
            case FireChange(after=FireStage.FIRE) if began is None:
                began = mono
            case FireChange(after=FireStage.NORMAL) if began is not None:
                yield began, mono
                began = None


def check_every_movement_is_explained(world: World) -> None:
    """Each rising edge of a barrier output has a durable grant just before it, a late journal that was
    reported, or an open fire."""
    grants, late = durable_grants(world), raised(world, "journal_late") + raised(world, "journal_failed")
    open_fires = list(fires(world))
    lane_of = {
        (gate.lane.barrier.device, gate.lane.barrier.open): name for name, gate in world.estate.gates.items()
    }
    for seen in world.seen:
        if not isinstance(seen, Switched) or not seen.on:
            continue
        at, lane = seen.mono, lane_of[seen.device, seen.output]
        assert (
            any(0 <= at - grant <= PULSE_GOES for grant in grants[lane])
            or any(began <= at <= over for began, over in open_fires)
            or any(abs(at - trouble) <= PULSE_GOES for trouble in late)
        ), f"{lane} opened at {at} for nothing"


def check_readings_in_order(world: World) -> None:
    newest: dict[str, float] = {}
    for _, effect in world.effects:
        if isinstance(effect, Reading):
            assert effect.at.mono >= newest.get(effect.point, 0.0), effect
            newest[effect.point] = effect.at.mono


def check_passages_are_the_cars(world: World) -> None:
    passages = Counter(effect.lane for _, effect in world.effects if isinstance(effect, Passage))
    assert passages == Counter(seen.lane for seen in world.seen if isinstance(seen, Visit) and seen.through)


def check(world: World) -> None:
    assert world.failures == []
    assert not any(gate.arm.fell_on_car for gate in world.estate.gates.values())
    check_every_movement_is_explained(world)
    check_readings_in_order(world)
    check_passages_are_the_cars(world)


@pytest.mark.slow
@pytest.mark.timeout(180)  # 20 s of computing, on a machine that may have other work
def test_a_day_with_a_fire_a_burst_pipe_and_a_trapped_passenger() -> None:
    world = World(site.plan(), site.links(site.CALM), site.permits(), seed=7, start=site.START)
    world.disk.stalls = 0.02
    later, press = world.later, world.press
    later(hour(7.5), lambda: press("trap_passenger", "lift-1"))
    later(hour(7.8), lambda: press("free_passenger", "lift-1"))
    later(hour(10), lambda: press("burst_pipe"))
    later(hour(10.5), lambda: press("mend_pipe"))
    later(hour(11), lambda: press("block_pump", "pump-1"))
    later(hour(12), lambda: press("unblock_pump", "pump-1"))
    later(hour(13), lambda: press("unplug", "bus-2"))
    later(hour(13.1), lambda: press("plug", "bus-2"))
    later(hour(18), lambda: press("fire", "panel-1"))
    later(hour(18.3), lambda: press("fire_over", "panel-1"))
    later(hour(18.4), lambda: world.tell(Operator(Action.RESET_FIRE, "", "guard", world.now)))

    world.run(hour(18.35))
    for gate in world.estate.gates.values():
        assert gate.arm.opened, "held until the operator resets"
    world.run(hour(24))

    check(world)
    ((began, over),) = fires(world)
    signal = hour(18)
    assert 0.0 < began - signal < 2.5
    assert over == hour(18.4)
    up = [seen for seen in world.seen if isinstance(seen, Switched) and began <= seen.mono < began + 1.0]
    assert {seen.output for seen in up if seen.on} == {"out1", "out2"}
    assert not [s for s in world.seen if isinstance(s, Switched) and not s.on and began + 1.0 < s.mono < over]
    assert len(raised(world, "tank-low")) == len(raised(world, "pressure-low")) == 1
    assert len(raised(world, "trapped")) == 1
    assert len(raised(world, "device_offline")) == 3  # the units of bus-2
    decisions = [effect for _, effect in world.effects if isinstance(effect, Decision)]
    assert Counter(decision.verdict for decision in decisions)[Verdict.GRANTED] > 60
    assert {decision.why for decision in decisions if decision.verdict is Verdict.DENIED}
    assert 0.4 < world.estate.works.tank.level < 2.7


def test_the_same_seed_gives_the_same_log_and_another_another() -> None:
    def digest(seed: int) -> str:
        world = World(site.plan(), site.links(), site.permits(), seed, site.START, cars_an_hour=300.0)
        world.run(site.START.mono + 60)
        return world.log_digest()

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


@pytest.mark.slow
def test_noisy_wires_lose_nothing_that_counts() -> None:
    world = World(site.plan(), site.links(), site.permits(), seed=3, start=site.START, cars_an_hour=200.0)
    for wire in (*world.to_field.values(), *world.to_gateway.values()):
        wire.faults = Faults(noise=0.001, loss=0.0005, duplicate=0.002, split=0.2, stray=0.002)
    world.run(site.START.mono + 600)
    check(world)
    assert sum(isinstance(effect, Passage) for _, effect in world.effects) >= 8


def test_a_dead_journal_does_not_hold_a_barrier() -> None:
    world = World(site.plan(), site.links(), site.permits(), seed=3, start=site.START)
    world.run(site.START.mono + 5)
    world.disk.failing = True
    world.press("swipe", "in-1/valid")
    world.run(site.START.mono + 8)
    assert world.estate.gates["in-1"].arm.opened
    assert raised(world, "journal_failed") or raised(world, "journal_late")
