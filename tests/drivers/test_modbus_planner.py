"""Which reads fetch a unit, and whose turn it is."""

from collections.abc import Iterator, Sequence
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from sitewarden.drivers.modbus.codec import width
from sitewarden.drivers.modbus.pace import NETWORK, Pace, ascii_line, rtu
from sitewarden.drivers.modbus.planner import Block, halves, plan
from sitewarden.drivers.modbus.points import Kind, Point, Profile, Table, Unit
from sitewarden.drivers.modbus.schedule import Schedule
from tests.drivers.virtual import coil, register

LINE = rtu(11 / 9600, 9600)
SCAN = {"fast": 0.2, "normal": 1.0, "slow": 10.0}


def spans(*points: Point, pace: Pace = LINE, **options: object) -> list[tuple[int, int]]:
    blocks = plan(Unit("u", 1, Profile("p", points, **options)), pace)  # type: ignore[arg-type]
    return [(block.first, block.count) for block in blocks]


def names(blocks: Sequence[Block]) -> list[tuple[str, str]]:
    return [(block.scan, "".join(point.name for point in block.points)) for block in blocks]


def test_neighbours_are_one_read_and_strangers_are_not() -> None:
    assert spans(register("a", 0), register("b", 1), register("c", 10)) == [(0, 11)]
    assert spans(register("a", 0), register("b", 200)) == [(0, 1), (200, 1)]
    assert spans(register("a", 0), register("b", 1, Table.INPUT)) == [(0, 1), (1, 1)]
    assert spans(register("a", 0), register("b", 1, scan="fast")) == [(1, 1), (0, 1)]
    assert spans(coil("a", 0), coil("b", 150)) == [(0, 151)]  # a gap of bits is cheap


def test_a_gap_is_read_over_while_it_costs_less_than_an_exchange() -> None:
    """At 9600 baud: 8 and 5 characters of frame, a turnaround of 10 ms and a silence: 25.2."""
    near, far = register("a", 0), register("b", 13)
    assert spans(near, far) == [(0, 14)]
    assert spans(near, register("b", 14)) == [(0, 1), (14, 1)]
    assert spans(near, register("b", 14), turnaround=0.05) == [(0, 15)]  # a slow device is asked less often
    assert spans(near, register("b", 124), pace=NETWORK) == [(0, 125)]  # there a byte costs nothing


def test_the_cheapest_of_all_cuts_is_not_the_greedy_one() -> None:
    """Ten registers in one read: who joins from the left cuts the five that belong together."""
    at = [0, 6, 7, 8, 9, 10]
    assert spans(*(register(str(n), n) for n in at), longest_read=10) == [(0, 1), (6, 5)]


def test_slower_points_ride_along_where_they_cost_nothing() -> None:
    points = (
        register("a", 0, scan="fast"),
        register("b", 1, scan="slow"),
        register("c", 2, scan="fast"),
        register("d", 3, scan="slow"),
    )
    blocks = plan(Unit("u", 1, Profile("p", points)), LINE)
    assert names(blocks) == [("fast", "abc"), ("slow", "d")]
    (refused, _) = blocks
    assert names(halves(refused, SCAN) or ()) == [("fast", "ab"), ("fast", "c")]
    alone = Block(Table.HOLDING, "fast", (points[0], points[1]))
    assert names(halves(alone, SCAN) or ()) == [("fast", "a"), ("slow", "b")]  # it rides no more


def test_two_classes_of_one_interval_are_one() -> None:
    points = register("a", 0, scan="one"), register("b", 1, scan="two")
    blocks = plan(Unit("u", 1, Profile("p", points), {"one": 1.0, "two": 1.0}), LINE)
    assert names(blocks) == [("one", "ab")]


def test_what_must_not_be_read_is_not_read_over() -> None:
    points = register("a", 0), register("b", 4)
    assert spans(*points, forbidden=((Table.HOLDING, 2, 2),)) == [(0, 1), (4, 1)]
    assert spans(*points, forbidden=((Table.INPUT, 2, 2),)) == [(0, 5)]
    assert spans(*points, forbidden=((Table.HOLDING, 5, 9),)) == [(0, 5)]


def test_no_read_is_longer_than_the_device_or_the_standard_allows() -> None:
    assert spans(*(register(f"r{n}", n) for n in range(130))) == [(0, 125), (125, 5)]
    assert spans(*(register(f"r{n}", n) for n in range(5)), longest_read=2) == [(0, 2), (2, 2), (4, 1)]
    assert spans(*(coil(f"c{n}", n) for n in range(2001))) == [(0, 2000), (2000, 1)]


def test_ten_thousand_points_are_planned() -> None:
    assert len(spans(*(register(f"r{n}", n) for n in range(10_000)))) == 80
    assert len(spans(*(coil(f"c{n}", 2 * n) for n in range(10_000)))) == 10


def test_a_refused_block_is_cut_at_its_widest_gap_and_never_through_a_value() -> None:
    def cut(*points: Point) -> list[list[str]] | None:
        two = halves(Block(Table.HOLDING, "normal", points), SCAN)
        return [[point.name for point in block.points] for block in two] if two else None

    wide = Point("wide", Table.HOLDING, 0, Kind.U32)
    assert cut(register("a", 0), register("b", 1), register("c", 5)) == [["a", "b"], ["c"]]
    assert cut(*(register(name, at) for at, name in enumerate("abcd"))) == [["a", "b"], ["c", "d"]]
    assert cut(wide, register("low", 1), register("next", 2)) == [["wide", "low"], ["next"]]
    assert cut(wide, register("low", 1)) is None
    assert cut(register("a", 0)) is None


BITS = {Table.COIL, Table.DISCRETE}
PACES = st.sampled_from([LINE, rtu(10 / 115_200, 115_200), ascii_line(10 / 19_200), NETWORK])
FORBIDDEN = st.tuples(st.sampled_from(Table), st.integers(0, 400), st.integers(0, 40)).map(
    lambda drawn: (drawn[0], drawn[1], drawn[1] + drawn[2])
)
Drawn = list[tuple[Table, int, Kind, str]]


def drawn_points(most: int, highest: int, scans: Sequence[str] = tuple(SCAN)) -> st.SearchStrategy[Drawn]:
    kinds = st.sampled_from([Kind.U16, Kind.U32, Kind.U64])
    point = st.tuples(st.sampled_from(Table), st.integers(0, highest), kinds, st.sampled_from(scans))
    return st.lists(point, min_size=1, max_size=most)


def drawn_unit(drawn: Drawn, **options: object) -> Unit:
    points = tuple(
        Point(str(n), where, at, Kind.BOOL if where in BITS else kind, scan=scan)
        for n, (where, at, kind, scan) in enumerate(drawn)
    )
    return Unit("u", 1, Profile("p", points, **options), SCAN)  # type: ignore[arg-type]


def load(unit: Unit, blocks: Sequence[Block], pace: Pace) -> float:
    """The share of the line's time."""
    return sum(block.lasts(pace, unit.profile.turnaround) / SCAN[block.scan] for block in blocks)


def allowed(unit: Unit, block: Block) -> bool:
    """No longer than may be, and without an address that nobody asked for and that is forbidden."""
    wanted = {point.address + n for point in block.points for n in range(width(point))}
    gaps = set(range(block.first, block.end)) - wanted
    return block.count <= (2000 if block.table in BITS else unit.profile.longest_read) and not any(
        table is block.table and gaps.intersection(range(first, last + 1))
        for table, first, last in unit.profile.forbidden
    )


@given(drawn_points(30, 400), st.integers(4, 125), FORBIDDEN, PACES)
def test_a_plan_covers_every_point_once_and_touches_nothing_forbidden(
    drawn: Drawn, longest: int, forbidden: tuple[Table, int, int], pace: Pace
) -> None:
    unit = drawn_unit(drawn, longest_read=longest, forbidden=(forbidden,))
    blocks = plan(unit, pace)
    assert sorted(point.name for block in blocks for point in block.points) == sorted(
        map(str, range(len(drawn)))
    )
    for block in blocks:
        assert allowed(unit, block)
        assert {point.table for point in block.points} == {block.table}
        assert SCAN[block.scan] == min(SCAN[point.scan] for point in block.points)
    assert [SCAN[block.scan] for block in blocks] == sorted(SCAN[block.scan] for block in blocks)


@given(drawn_points(30, 400), st.integers(4, 125), FORBIDDEN, PACES)
def test_a_plan_is_never_costlier_than_point_by_point_or_joining_from_the_left(
    drawn: Drawn, longest: int, forbidden: tuple[Table, int, int], pace: Pace
) -> None:
    unit = drawn_unit(drawn, longest_read=longest, forbidden=(forbidden,))
    planned = load(unit, plan(unit, pace), pace)
    ordered = sorted(unit.profile.points, key=lambda point: (point.table, point.scan, point.address))
    alone = [Block(point.table, point.scan, (point,)) for point in ordered]
    greedy = alone[:1]
    for block in alone[1:]:
        last = greedy[-1]
        joined = Block(block.table, block.scan, last.points + block.points)
        same = (block.table, block.scan) == (last.table, last.scan)
        if same and allowed(unit, joined) and load(unit, [joined], pace) <= load(unit, [last, block], pace):
            greedy[-1] = joined
        else:
            greedy.append(block)
    assert planned <= load(unit, greedy, pace) + 1e-6
    assert planned <= load(unit, alone, pace) + 1e-6


@given(drawn_points(6, 60, ["normal"]), st.integers(4, 40), FORBIDDEN, PACES)
def test_no_plan_of_one_interval_is_cheaper(
    drawn: Drawn, longest: int, forbidden: tuple[Table, int, int], pace: Pace
) -> None:
    unit = drawn_unit(
        [(Table.HOLDING if table in BITS else table, at, kind, scan) for table, at, kind, scan in drawn]
        if longest % 2
        else [(Table.COIL, at * 5, kind, scan) for _, at, kind, scan in drawn],
        longest_read=longest,
        forbidden=(forbidden,),
    )
    cheapest = 0.0
    for table in Table:
        points = sorted((p for p in unit.profile.points if p.table is table), key=lambda point: point.address)
        ways = ([Block(table, "normal", tuple(part)) for part in way] for way in partitions(points))
        cheapest += min(load(unit, way, pace) for way in ways if all(allowed(unit, block) for block in way))
    assert abs(load(unit, plan(unit, pace), pace) - cheapest) < 1e-6


def partitions(points: list[Point]) -> Iterator[list[list[Point]]]:
    """All ways to share them out, however unreasonable."""
    if not points:
        yield []
        return
    for way in partitions(points[1:]):
        yield [[points[0]], *way]
        for at, part in enumerate(way):
            yield [*way[:at], [points[0], *part], *way[at + 1 :]]


def test_of_all_that_is_due_the_earliest_deadline_goes_first() -> None:
    schedule = Schedule[str]()
    schedule.add("slow", 0.0, 10.0)
    schedule.add("fast", 1.0, 1.2)
    schedule.add("later", 5.0, 5.1)
    assert schedule.next_due() == 0.0
    assert schedule.pop(1.0) == "fast"
    assert schedule.pop(1.0) == "slow"
    assert schedule.pop(1.0) is None
    assert schedule.next_due() == 5.0


def test_a_job_stands_in_the_schedule_once() -> None:
    schedule = Schedule[str]()
    schedule.add("a", 1.0, 2.0)
    schedule.add("a", 3.0, 4.0)
    assert schedule.pop(2.0) is None
    assert schedule.pop(3.0) == "a"
    schedule.add("a", 3.0, 4.0)
    schedule.remove("a")
    assert schedule.pop(9.0) is None
    assert schedule.next_due() == inf
