"""A thousand alarm rules over a thousand points."""

from collections.abc import Iterator

from sitewarden.rules.core import Core
from sitewarden.rules.model import AlarmChange, Reading, Severity
from sitewarden.rules.plan import Condition, SitePlan, Test
from tests.bench.measure import Figure, seconds
from tests.bench.stream import PLAN, at

RULES, ROUNDS = 1000, 20
LIMIT = 80.0


def figures() -> Iterator[Figure]:
    points = [f"unit.value-{n}" for n in range(RULES)]
    conditions = tuple(
        Condition(f"rule-{n}", point, Test.ABOVE, LIMIT, Severity.LOW, hysteresis=5.0)
        for n, point in enumerate(points)
    )
    plan = SitePlan("bench", PLAN.tz, devices=frozenset({"unit"}), conditions=conditions)
    calm = [[Reading(point, 20.0 + r % 7, at(r)) for point in points] for r in range(ROUNDS)]
    plain = [[(point, 20.0 + r % 7) for point in points] for r in range(ROUNDS)]
    core = Core(plan)

    def judge() -> None:
        for readings in calm:
            for reading in readings:
                core.step(reading)

    def compare() -> int:
        limits = dict.fromkeys(points, LIMIT)
        return sum(value > limits[point] for values in plain for point, value in values)

    count = RULES * ROUNDS
    value, baseline = count / seconds(judge), count / seconds(compare)
    note = "readings within their limits; baseline: a dict and a comparison"
    yield Figure("alarms.conditions_per_second", value, "1/s", baseline, best="high", note=note)
    yield _storm(plan, points)


def _storm(plan: SitePlan, points: list[str]) -> Figure:
    """Every rule raises its alarm and ends it, time and again."""
    core = Core(plan)
    waves = [[Reading(point, value, at(r)) for point in points] for r, value in enumerate((90.0, 20.0))]
    changes = 0

    def wave() -> None:
        nonlocal changes
        for readings in waves:
            for reading in readings:
                changes += sum(isinstance(effect, AlarmChange) for effect in core.step(reading))

    took = seconds(wave)
    if not changes:
        raise AssertionError("no alarm was raised")
    return Figure("alarms.changes_per_second", 2 * RULES / took, "1/s", best="high", note="raised and over")
