"""Sets of stretches against sets of numbers, and what becomes of a destination's cursor."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sitewarden.gateway.spool.blocks import Rank, Stretch
from sitewarden.gateway.spool.cursors import Cursors, Stretches, intersect, is_live, subtract, total, union

MOST = 30

stretches = st.builds(
    lambda after, count: Stretch(after, after + count), st.integers(0, MOST), st.integers(1, 10)
)
sets = st.lists(stretches, max_size=5).map(union)

EVENTS = Stretch(Rank.EVENT.base, Rank.EVENT.end)


def numbers(of: Stretches) -> set[int]:
    return {number for it in of for number in range(it.after + 1, min(it.upto, 10 * MOST) + 1)}


def is_proper(it: Stretches) -> bool:
    return all(one.upto <= later.after for one, later in pairwise(it)) and all(each.count > 0 for each in it)


@given(sets, sets)
def test_they_are_what_sets_of_numbers_are(one: Stretches, other: Stretches) -> None:
    for made, expected in (
        (union(one, other), numbers(one) | numbers(other)),
        (subtract(one, other), numbers(one) - numbers(other)),
        (intersect(one, other), numbers(one) & numbers(other)),
    ):
        assert numbers(made) == expected
        assert is_proper(made)
        assert total(made) == len(expected)


def test_backlog_that_touches_is_one_stretch_and_the_live_one_stays_for_itself() -> None:
    live = Stretch(9, Rank.READING.end)
    assert union([Stretch(0, 4), Stretch(4, 7)], [Stretch(7, 9), live]) == (Stretch(0, 9), live)


def begun(*names: str, upto: int = 100) -> Cursors:
    newest = {Rank.READING: upto, Rank.EVENT: Rank.EVENT.base}
    stored = (EVENTS, Stretch(0, Rank.READING.end))
    return Cursors(newest, stored, {}).serving(names)


@given(st.lists(st.tuples(stretches, st.booleans()), max_size=6), sets)
def test_a_line_is_pending_until_it_is_done_or_gone(
    steps: list[tuple[Stretch, bool]], gone: Stretches
) -> None:
    cursors = begun("a", "b", upto=50)
    left = {"a": set(range(1, 51)), "b": set(range(1, 51))}
    for taken, first in steps:
        name = "a" if first else "b"
        cursors = cursors.done(name, taken)
        left[name] -= numbers((taken,))
    cursors = cursors.without(gone)
    for name, lines in left.items():
        assert numbers(cursors.lane(name, False) + cursors.lane(name, True)) == lines - numbers(gone)
        assert cursors.waiting(name) == len(lines - numbers(gone))
        assert is_proper(cursors.pending[name])
        assert sum(map(is_live, cursors.pending[name])) == len(Rank)
    assert numbers(cursors.lacking()) == (left["a"] | left["b"]) - numbers(gone)
    everything = set(range(1, 51)) - numbers(gone)
    assert numbers(cursors.kept()) == everything - left["a"] - left["b"]


def test_what_is_old_of_the_live_lane_becomes_backlog() -> None:
    cursors = begun("a").parted("a", 40)
    assert cursors.lane("a", live=False) == (Stretch(0, 40),)
    assert cursors.lane("a", live=True) == (Stretch(40, 100),)
    assert cursors.parted("a", 40) == cursors
    assert cursors.parted("a", 70).lane("a", live=False) == (Stretch(0, 70),)


def test_what_was_held_of_a_batch_is_backlog() -> None:
    cursors = begun("a").done("a", Stretch(0, 30), (Stretch(10, 20),))
    assert cursors.lane("a", live=False) == (Stretch(10, 20),)
    assert cursors.lane("a", live=True) == (Stretch(30, 100),)


def test_events_come_before_readings() -> None:
    cursors = begun("a").grown(Rank.EVENT, 5)
    base = Rank.EVENT.base
    assert cursors.lane("a", live=True) == (Stretch(base, base + 5), Stretch(0, 100))
    assert cursors.appended == 105


def test_a_new_destination_gets_all_there_is_and_one_that_goes_leaves_nothing() -> None:
    cursors = begun("a").done("a", Stretch(0, 60)).without((Stretch(0, 20),)).serving(["b"])
    assert list(cursors.pending) == ["b"]
    assert cursors.reached(cursors.pending["b"]) == (Stretch(20, 100),)
