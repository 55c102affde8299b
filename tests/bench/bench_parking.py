"""How many cars an hour the rules could judge."""

from collections.abc import Iterator
from datetime import date
from itertools import cycle, islice

from sitewarden.rules.core import Core
from sitewarden.rules.model import CardRead, Decision, Direction, Permit, PermitKind, Reading, Verdict
from sitewarden.rules.plan import Barrier, Lane, Parking, SitePlan
from tests.bench.measure import Figure, seconds
from tests.bench.stream import PLAN, at

PERMITS, CARS = 10_000, 2000
LANES = tuple(
    Lane(way, way, f"reader-{way}", Barrier("io", f"out-{way}", f"io.under-{way}")) for way in Direction
)


def figures() -> Iterator[Figure]:
    first, last = date(2026, 1, 1), date(2026, 12, 31)
    permits = [Permit(f"{n:010X}", PermitKind.MONTHLY, first, last) for n in range(PERMITS)]
    devices = frozenset({"io", *(lane.reader for lane in LANES)})
    core = Core(SitePlan("bench", PLAN.tz, devices=devices, parking=Parking(LANES)), permits)
    cards = cycle(permit.card for permit in permits)
    now, granted = 0.0, 0

    def cars() -> None:
        """Each comes in, and goes out again, one after the other."""
        nonlocal now, granted
        for card in islice(cards, CARS):
            for lane in LANES:
                now += 5.0
                effects = core.step(CardRead(lane.reader, card, at(now)))
                granted += sum(type(it) is Decision and it.verdict is Verdict.GRANTED for it in effects)
                for under in (True, False):
                    core.step(Reading(lane.barrier.loop_under, under, at(now)))

    known = {permit.card: permit for permit in permits}
    names = [permit.card for permit in permits[:CARS]]

    def look() -> None:
        for _ in LANES:
            for card in names:
                known[card]

    decisions = CARS * len(LANES)
    value = decisions / seconds(cars, least=1.0)
    if granted % decisions or not granted:
        raise AssertionError(f"{granted} decisions of {decisions} a round were grants")
    yield Figure(
        "parking.decisions_per_second",
        value,
        "1/s",
        decisions / seconds(look),
        best="high",
        note=f"{PERMITS} permits, each with its passage; baseline: looking up the permit in a dict",
    )
