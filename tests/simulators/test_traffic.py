"""Who comes to the lanes: by the curve of the day, each from where he is, and few when all are in."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from statistics import mean

import pytest

from sitewarden.rules.model import Decision, Direction, Verdict
from sitewarden.simulators.gate import Car, Visit
from sitewarden.simulators.traffic import GIVES_UP, Traffic
from sitewarden.simulators.world import World
from tests.scenarios import site

HOUR, DAY = 3600.0, 86_400.0
CARS = len(site.permits())
BARRED = {permit.card for permit in site.permits() if permit.blocked or permit.valid_to < site.TODAY}

Opens = Callable[[Car, Direction], bool]


def every_lane(car: Car, way: Direction) -> bool:
    return bool(car.card) and (car.tailgates or car.card not in BARRED)


def only_the_entrance(car: Car, way: Direction) -> bool:
    return way is Direction.IN and every_lane(car, way)


@dataclass
class Street:
    """Everybody who came is through, or turned away, half a minute later."""

    opens: Opens
    cars_an_hour: float = 0.0
    visits: list[Visit] = field(default_factory=list)
    home: list[int] = field(default_factory=list)  # cars at the end of each hour

    def live(self, hours: int, seed: int = 1) -> None:
        lanes = {lane.id: lane for lane in site.plan().parking.lanes}
        cards = [permit.card for permit in site.permits()]
        traffic = Traffic(tuple(lanes.values()), site.permits(), Random(seed), 0, self.cars_an_hour)
        due = traffic.next_after(0.0, 0.0)
        for hour in range(hours):
            while due is not None and due < HOUR * (hour + 1):
                arrival = traffic.arrival(due, hour % 24)
                for car in arrival.cars if arrival else ():
                    assert arrival
                    way = lanes[arrival.lane].direction
                    traffic.sets_out(car)
                    visit = Visit(due + 30.0, arrival.lane, way, car, self.opens(car, way))
                    traffic.ended(visit)
                    self.visits.append(visit)
                due = traffic.next_after(due, due % DAY)
            self.home.append(sum(map(traffic.at_home, cards)))


def test_cars_leave_in_the_morning_and_come_in_the_evening() -> None:
    street = Street(every_lane)
    street.live(50 * 24)
    by_hour = Counter(int(visit.mono % DAY // HOUR) for visit in street.visits)
    ways = Counter((int(visit.mono % DAY // HOUR), visit.direction) for visit in street.visits)
    assert by_hour[7] > 5 * by_hour[3]
    assert by_hour[18] > 5 * by_hour[3]
    assert ways[7, Direction.OUT] > 3 * ways[7, Direction.IN]
    assert ways[18, Direction.IN] > 2 * ways[18, Direction.OUT]
    assert 1.5 < len(street.visits) / 50 / CARS < 3.2, "trips of a car a day"


def test_the_cars_inside_follow_the_day_however_lively_the_lanes_are() -> None:
    for cars_an_hour in (0.0, 2.0 * CARS):
        street = Street(every_lane, cars_an_hour)
        street.live(8 * 24)
        night, morning, evening = (mean(street.home[24 + hour :: 24]) / CARS for hour in (3, 10, 21))
        assert night > 0.8
        assert morning < 0.6
        assert evening > 0.7


def test_nobody_comes_who_is_there_already_nor_again_at_once_after_he_was_turned_away() -> None:
    street = Street(every_lane, cars_an_hour=4.0 * CARS)
    street.live(48)
    mine = defaultdict[str, list[Visit]](list)
    for visit in street.visits:
        mine[visit.car.card].append(visit)
    for permit in site.permits():
        assert len(mine[permit.card]) > 5
        for before, after in zip(mine[permit.card], mine[permit.card][1:], strict=False):
            assert (before.direction is not after.direction) is before.through
            assert after.mono - before.mono > (0.0 if before.through else GIVES_UP[0])


def test_few_are_turned_away_while_the_barriers_work() -> None:
    street = Street(every_lane, cars_an_hour=2.0 * CARS)
    street.live(24)
    away = [visit for visit in street.visits if not visit.through and not visit.car.tailgates]
    assert 0 < len(away) < len(street.visits) / 10


def test_an_exit_that_lets_nobody_out_leaves_the_entrance_to_a_few_strangers() -> None:
    street = Street(only_the_entrance, cars_an_hour=2.0 * CARS)
    street.live(8)
    assert street.home[2] == CARS - len(BARRED & _outside(street))
    later = [visit for visit in street.visits if visit.mono > 2 * HOUR]
    entrance = [visit for visit in later if visit.direction is Direction.IN]
    assert 0 < len(entrance) < 6 * 8, "strangers, and now and then the card that is barred"
    assert max(Counter(visit.car.card for visit in entrance if visit.car.card).values()) <= 6
    exits = Counter(visit.car.card for visit in later if visit.direction is Direction.OUT)
    assert max(exits.values()) <= 6, "each tries now and then"


def _outside(street: Street) -> set[str]:
    """The cards that came to the entrance and did not get in."""
    return {v.car.card for v in street.visits if v.direction is Direction.IN and not v.through}


def test_where_there_is_no_exit_cars_leave_unseen_and_come_again() -> None:
    (entrance,) = (lane for lane in site.plan().parking.lanes if lane.direction is Direction.IN)
    traffic = Traffic([entrance], site.permits(), Random(1), 12)
    for minute in range(2000):
        if arrival := traffic.arrival(60.0 * minute, 12):
            for car in arrival.cars:
                traffic.ended(Visit(60.0 * minute, entrance.id, Direction.IN, car, through=True))
    inside = sum(traffic.at_home(permit.card) for permit in site.permits())
    assert 0.2 < inside / CARS < 0.7


def test_where_nobody_has_a_card_only_strangers_come() -> None:
    traffic = Traffic(site.plan().parking.lanes, (), Random(1), 0, 60.0)
    came = [arrival for _ in range(1000) if (arrival := traffic.arrival(0.0, 12))]
    assert 10 < len(came) < 100


def test_a_street_to_which_nobody_is_to_come_stays_empty() -> None:
    traffic = Traffic(site.plan().parking.lanes, site.permits(), Random(1), 0, None)
    assert traffic.next_after(0.0, 0.0) is None


@pytest.mark.slow
def test_the_whole_estate_with_its_exit_reader_unplugged_for_hours() -> None:
    world = World(site.plan(), site.links(site.CALM), site.permits(), 1, site.START, cars_an_hour=2.0 * CARS)
    world.press("unplug", "gate-out")
    world.run(site.START.mono + 5 * HOUR)
    visits = [seen for seen in world.seen if isinstance(seen, Visit) and seen.mono > site.START.mono + HOUR]
    assert not [visit for visit in visits if visit.direction is Direction.OUT and visit.through]
    entrance = [visit for visit in visits if visit.direction is Direction.IN]
    assert 0 < len(entrance) < 4 * 8
    world.press("plug", "gate-out")
    world.run(site.START.mono + 8 * HOUR)
    decisions = [effect for mono, effect in world.effects if mono > site.START.mono + 6 * HOUR]
    verdicts = Counter(effect.verdict for effect in decisions if isinstance(effect, Decision))
    assert verdicts[Verdict.DENIED] < verdicts[Verdict.GRANTED] / 5
    assert world.failures == []
