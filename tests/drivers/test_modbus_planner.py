"""Which reads fetch a unit, and whose turn it is."""

from hypothesis import given
from hypothesis import strategies as st

from sitewarden.drivers.modbus.planner import Block, halves, plan
from sitewarden.drivers.modbus.points import WORDS, Kind, Point, Profile, Table
from sitewarden.drivers.modbus.schedule import Schedule
from tests.drivers.virtual import coil, register


def spans(*points: Point, **options: object) -> list[tuple[int, int]]:
    blocks = plan(Profile("p", points, **options))  # type: ignore[arg-type]
    return [(block.first, block.count) for block in blocks]


def test_neighbours_are_one_read_and_strangers_are_not() -> None:
    assert spans(register("a", 0), register("b", 1), register("c", 10)) == [(0, 11)]
    assert spans(register("a", 0), register("b", 200)) == [(0, 1), (200, 1)]
    assert spans(register("a", 0), register("b", 1, Table.INPUT)) == [(0, 1), (1, 1)]
    assert spans(register("a", 0), register("b", 1, scan="fast")) == [(1, 1), (0, 1)]
    assert spans(coil("a", 0), coil("b", 150)) == [(0, 151)]  # a gap of bits is cheap


def test_what_must_not_be_read_is_not_read_over() -> None:
    points = register("a", 0), register("b", 4)
    assert spans(*points, forbidden=((Table.HOLDING, 2, 2),)) == [(0, 1), (4, 1)]
    assert spans(*points, forbidden=((Table.INPUT, 2, 2),)) == [(0, 5)]
    assert spans(*points, forbidden=((Table.HOLDING, 5, 9),)) == [(0, 5)]


def test_no_read_is_longer_than_the_device_or_the_standard_allows() -> None:
    assert spans(*(register(f"r{n}", n) for n in range(130))) == [(0, 125), (125, 5)]
    assert spans(*(register(f"r{n}", n) for n in range(5)), longest_read=2) == [(0, 2), (2, 2), (4, 1)]
    assert spans(*(coil(f"c{n}", n) for n in range(2001))) == [(0, 2000), (2000, 1)]


def test_a_refused_block_is_cut_at_its_widest_gap_and_never_through_a_value() -> None:
    def cut(*points: Point) -> list[list[str]] | None:
        two = halves(Block(Table.HOLDING, "normal", points))
        return [[point.name for point in block.points] for block in two] if two else None

    wide = Point("wide", Table.HOLDING, 0, Kind.U32)
    assert cut(register("a", 0), register("b", 1), register("c", 5)) == [["a", "b"], ["c"]]
    assert cut(*(register(name, at) for at, name in enumerate("abcd"))) == [["a", "b"], ["c", "d"]]
    assert cut(wide, register("low", 1), register("next", 2)) == [["wide", "low"], ["next"]]
    assert cut(wide, register("low", 1)) is None
    assert cut(register("a", 0)) is None


POINTS = st.lists(
    st.tuples(
        st.sampled_from(Table),
        st.integers(0, 400),
        st.sampled_from([Kind.U16, Kind.U32, Kind.U64]),
        st.sampled_from(["fast", "slow"]),
    ),
    min_size=1,
    max_size=30,
)
BITS = {Table.COIL, Table.DISCRETE}


@given(
    POINTS, st.integers(4, 125), st.tuples(st.sampled_from(Table), st.integers(0, 400), st.integers(0, 40))
)
def test_a_plan_covers_every_point_once_and_touches_nothing_forbidden(
    drawn: list[tuple[Table, int, Kind, str]], longest: int, refused: tuple[Table, int, int]
) -> None:
    table, first, length = refused
    points = tuple(
        Point(str(n), where, at, Kind.BOOL if where in BITS else kind, scan=scan)
        for n, (where, at, kind, scan) in enumerate(drawn)
    )
    blocks = plan(Profile("p", points, longest_read=longest, forbidden=((table, first, first + length),)))
    assert sorted(point.name for block in blocks for point in block.points) == sorted(p.name for p in points)
    for block in blocks:
        assert {(point.table, point.scan) for point in block.points} == {(block.table, block.scan)}
        assert block.count <= (2000 if block.table in BITS else longest)
        wanted = {
            point.address + n for point in block.points for n in range(WORDS.get(point.kind, 1))
        }  # fmt: skip
        assert wanted <= set(range(block.first, block.end))
        if block.table is table:
            gaps = set(range(block.first, block.end)) - wanted
            assert gaps.isdisjoint(range(first, first + length + 1))


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
    assert schedule.next_due() is None
