"""What holds for any sequence of events."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.rules.cells import dump, load
from sitewarden.rules.core import Core
from sitewarden.rules.model import (
    Action,
    CardRead,
    ClockTrust,
    Command,
    Decision,
    Do,
    Effect,
    Event,
    FireChange,
    FireKind,
    FireSignal,
    FireStage,
    Keep,
    LinkChanged,
    Operator,
    Outcome,
    Passage,
    Permit,
    PermitChanged,
    Quality,
    Reading,
    Stamp,
    Tick,
    Trouble,
    Verdict,
    Write,
    WriteEnded,
)
from sitewarden.rules.plan import Parking
from tests.rules.site_under_test import CARDS, NOON, PLAN, kept, of

LANES = PLAN.parking.lanes
HERE = Stamp(NOON, 0.0)
WATCHED = {
    **{lane.barrier.loop_under: (True, False) for lane in LANES},
    **dict.fromkeys(("io-in.up", "io-in.down", "pump.fault"), (True, False)),
    **dict.fromkeys(("panel.line1", "panel.line2"), (100.0, 800.0, 1500.0, 2200.0)),
    "tank.level": (0.5, 1.2, 2.6, 3.1),
    "nobody.watches": (1.0, 2.0),
}
ALARMS = ("tank_high", "tank_low", "pump_fault", "unexplained_passage:in", "fire:line-1", "fire:p")
QUALITIES = st.sampled_from([Quality.GOOD, Quality.GOOD, Quality.GOOD, Quality.BAD])

readings = st.sampled_from(sorted(WATCHED)).flatmap(
    lambda point: st.builds(
        Reading, st.just(point), st.sampled_from(WATCHED[point]), st.just(HERE), QUALITIES
    )
)
swipes = st.builds(
    CardRead,
    st.sampled_from([lane.reader for lane in LANES]),
    st.sampled_from(["nobody", *(card.card for card in CARDS)]),
    st.just(HERE),
)
operators = st.one_of(
    st.builds(
        Operator, st.just(Action.OPEN), st.sampled_from(["in", "out", "x"]), st.just("g"), st.just(HERE)
    ),
    st.builds(Operator, st.just(Action.RESET_FIRE), st.just(""), st.just("g"), st.just(HERE)),
    st.builds(
        Operator,
        st.sampled_from([Action.ACKNOWLEDGE, Action.RESET_LATCH]),
        st.sampled_from(ALARMS),
        st.just("g"),
        st.just(HERE),
    ),
    st.builds(
        Operator,
        st.just(Action.FORGIVE),
        st.sampled_from([c.card for c in CARDS]),
        st.just("g"),
        st.just(HERE),
    ),
)
WRITTEN = st.sampled_from(["pump.speed", "tank.limit", "io-in.out1", "io-in.out2", "io-in.out9", "x.y", "x"])
writes = st.builds(
    lambda point, value: Operator(Action.WRITE, point, "g", HERE, value=value),
    WRITTEN,
    st.sampled_from([1.5, 3, True, "P1", None]),
)
operators = st.tuples(st.one_of(operators, writes), st.sampled_from(["", "reason"])).map(
    lambda pair: replace(pair[0], at=HERE, reason=pair[1])
)
others = st.one_of(
    st.builds(FireSignal, st.sampled_from(["p", "q"]), st.sampled_from(FireKind), st.just(HERE)),
    st.builds(LinkChanged, st.sampled_from(["io-in", "io-out", "pump"]), st.booleans(), st.just(HERE)),
    st.builds(ClockTrust, st.booleans(), st.just(HERE)),
    st.builds(WriteEnded, WRITTEN, st.sampled_from(Outcome), st.just(HERE)),
    st.builds(Trouble, st.just("journal_late"), st.just("journal"), st.booleans(), st.just(HERE)),
    st.sampled_from(CARDS).flatmap(
        lambda card: st.sampled_from([card, replace(card, blocked=not card.blocked), None]).map(
            lambda permit: PermitChanged(card.card, permit, HERE)
        )
    ),
    st.just(Tick(HERE)),
)
pauses = st.sampled_from([0.0, 0.05, 0.2, 1.0, 3.0, 5.0, 10.0, 61.0, 130.0, 40_000.0])
stories = st.lists(st.tuples(pauses, st.one_of(swipes, readings, readings, operators, others)), max_size=30)
Story = list[tuple[float, Event]]


def told(story: Story) -> list[Event]:
    """The events of a story at their instants."""
    events, now = [], 0.0
    for pause, event in story:
        now += pause
        events.append(replace(event, at=Stamp(NOON + timedelta(seconds=now), 1000.0 + now)))
    return events


def permits_after(events: list[Event]) -> list[Permit]:
    permits = {card.card: card for card in CARDS}
    for change in of(events, PermitChanged):
        if change.permit:
            permits[change.card] = change.permit
        else:
            permits.pop(change.card, None)
    return list(permits.values())


def run(core: Core, events: list[Event]) -> list[tuple[list[Effect], float | None]]:
    return [(list(core.step(event)), core.wake_at) for event in events]


@settings(max_examples=200, deadline=None)
@given(story=stories, cut=st.integers(0, 30))
def test_a_core_goes_on_from_what_another_saved(story: Story, cut: int) -> None:
    events = told(story)
    before, after = events[:cut], events[cut:]
    core = Core(PLAN, CARDS)
    run(core, before)
    cells = {key: load(key, dump(cell)) for key, cell in core.save().items()}
    again = Core(PLAN, permits_after(before), cells)
    assert again.wake_at == core.wake_at
    assert run(again, after) == run(core, after)
    assert again.save() == core.save()


@settings(max_examples=200, deadline=None)
@given(stories)
def test_no_arm_rises_without_a_granted_decision_and_none_falls_or_stays_in_a_fire(story: Story) -> None:
    core, burns, last = Core(PLAN, CARDS), False, dict[tuple[str, str], Command]()
    opens = {(lane.barrier.device, lane.barrier.open): lane for lane in LANES}
    for event in told(story):
        effects = core.step(event)
        granted = {d.lane for d in of(effects, Decision) if d.verdict is Verdict.GRANTED}
        for change in of(effects, FireChange):
            burns = change.after is not FireStage.NORMAL
        for command in of(effects, Command):
            output = command.device, command.output
            last[output] = command
            if output in opens and command.do is Do.PULSE:
                assert opens[output].id in granted
                assert command.ahead
            assert command.do is not Do.SET or not command.ahead
        assert {o for o in opens if o in last and last[o].do is Do.SET} == (set(opens) if burns else set())
        if burns:
            assert not [c for c in of(effects, Command) if c.do is Do.PULSE]


@settings(max_examples=100, deadline=None)
@given(stories)
def test_what_was_kept_tells_the_journal_all_that_must_survive(story: Story) -> None:
    core, journal = Core(PLAN, CARDS), dict[str, object]()
    for event in told(story):
        effects = core.step(event)
        for keep in of(effects, Keep):
            if keep.cell is None:
                del journal[keep.key]
            else:
                journal[keep.key] = keep.cell
    saved = core.save()
    for key in journal.keys() - {"fire"}:  # its next instant alone is not worth a commit
        assert saved[key] == journal[key]
    assert ("fire" in journal) == ("fire" in saved)
    crashed = Core(PLAN, CARDS, journal)
    crashed.step(Tick(told([*story, (0.0, Tick(HERE))])[-1].at))


@pytest.mark.parametrize("cells", [Core.save, kept], ids=["reload", "restart"])
@settings(max_examples=60, deadline=None)
@given(story=stories)
def test_with_less_of_the_site_all_can_be_brought_to_rest(
    cells: Callable[[Core], dict[str, object]], story: Story
) -> None:
    core = Core(PLAN, CARDS)
    effects = [effect for event in told(story) for effect in core.step(event)]
    gone = {"p", "pump", "io"}
    less = replace(
        PLAN, devices=PLAN.devices - gone, parking=Parking(LANES[1:2]), fire=(), conditions=(), stale=()
    )
    again = Core(less, CARDS, cells(core))
    rest: list[Event] = [ClockTrust(True, HERE), Trouble("journal_late", "journal", False, HERE)]
    rest += [LinkChanged(device, True, HERE) for device in sorted(less.devices)]
    rest += [FireSignal(panel, FireKind.NORMAL, HERE) for panel in ("q", "panel-a", "panel-b")]
    rest += [Operator(Action.RESET_FIRE, "", "g", HERE)]
    for event in told([*story, *((0.0, event) for event in rest)])[len(story) :]:
        effects += again.step(event)
    for alarm in [key.partition("/")[2] for key in again.save() if key.startswith("alarm/")]:
        for action in (Action.ACKNOWLEDGE, Action.RESET_LATCH):
            effects += again.step(Operator(action, alarm, "g", told([*story, (0.0, Tick(HERE))])[-1].at))
    assert not [key for key in again.save() if key.startswith("alarm/") or key == "fire"]
    last = {(c.device, c.output): c.do for c in of(effects, Command) if c.do is not Do.WRITE}
    assert Do.SET not in last.values()
    there = {(lane.barrier.device, lane.barrier.open) for lane in less.parking.lanes}
    assert {do for output, do in last.items() if output not in there} <= {Do.CLEAR}


@settings(max_examples=100, deadline=None)
@given(stories)
def test_a_tick_leaves_nothing_that_should_have_happened_by_then(story: Story) -> None:
    core = Core(PLAN, CARDS)
    for event in told(story):
        core.step(event)
        core.step(Tick(event.at))
        assert core.wake_at is None or core.wake_at > event.at.mono


@settings(max_examples=100, deadline=None)
@given(stories)
def test_a_card_is_inside_only_if_its_last_passage_was_inwards(story: Story) -> None:
    core, inside = Core(PLAN, CARDS), set[str]()
    for event in told(story):
        for passage in of(core.step(event), Passage):
            if passage.card:
                (inside.add if passage.direction == "in" else inside.discard)(passage.card)
    found = {key.partition("/")[2] for key, cell in core.save().items() if getattr(cell, "inside", False)}
    assert found <= inside


@settings(max_examples=100, deadline=None)
@given(stories)
def test_every_write_ends_once_and_none_moves_a_barrier(story: Story) -> None:
    core = Core(PLAN, CARDS)
    outputs = {
        (lane.barrier.device, name) for lane in LANES for name in (lane.barrier.open, lane.barrier.close)
    }
    events = told([*story, (12.0, Tick(HERE))])
    effects = [effect for event in events for effect in core.step(event)]
    asked = [c for c in of(effects, Command) if c.do is Do.WRITE]
    accepted = [o for o in of(effects, Operator) if o.action is Action.WRITE]
    assert [f"{c.device}.{c.output}" for c in asked] == [o.target for o in accepted]
    assert not {(c.device, c.output) for c in asked} & outputs
    assert all(c.ahead for c in asked)
    ended = [(write.point, write.asked, write.value) for write in of(effects, Write)]
    assert sorted(ended, key=str) == sorted(((o.target, o.at, o.value) for o in accepted), key=str)
