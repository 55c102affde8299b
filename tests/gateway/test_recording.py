"""Recordings: what a line was told and said comes back from its text, and a new line says the same."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from sitewarden.drivers.base import Output
from sitewarden.drivers.cards.rdm6300 import Rdm6300, frame
from sitewarden.drivers.line import Call
from sitewarden.gateway.recording import narrowed, replay
from sitewarden.rules.core import Core
from sitewarden.rules.model import (
    Action,
    Alarm,
    AlarmChange,
    AlarmState,
    CardRead,
    Command,
    Decision,
    Direction,
    Do,
    LinkChanged,
    Operator,
    Permit,
    PermitChanged,
    PermitKind,
    Reading,
    Reason,
    Severity,
    Stamp,
    Tick,
    Trouble,
)
from sitewarden.rules.plan import Stale
from tests.gateway.recording_under_test import BUS, CARD, READER, Recorded, at, new_core
from tests.scenarios import site


def swipe(tape: Recorded, seconds: float, *cards: str) -> list[str]:
    """Live: the core hears what the line says as it says it. Returns what was decided."""
    said = tape.line.tell(Call.RECEIVED, at(seconds), b"".join(map(frame, cards)))
    effects = [effect for event in said if isinstance(event, CardRead) for effect in tape.core.step(event)]
    return [effect.why for effect in effects if isinstance(effect, Decision)]


def drive_through(core: Core, point: str, seconds: float) -> None:
    for under in (False, True, False):
        core.step(Reading(point, under, at(seconds)))


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers that cannot bear a "!"."""
    sound = Rdm6300.received

    def received(reader: Rdm6300, data: bytes, at: Stamp) -> Iterator[Output]:
        if b"!" in data:
            raise KeyError("bug")
        yield from sound(reader, data, at)

    monkeypatch.setattr(Rdm6300, "received", received)


def test_all_that_a_line_can_be_told_comes_back_and_is_answered_as_it_was() -> None:
    tape = Recorded(BUS)
    tape.begin()
    tape.told(Call.COMMAND, 0.5, Command("io-gate", "out1", Do.PULSE, 0.5))
    tape.told(Call.RECEIVED, 0.6, b"\x00\xffno Modbus")
    tape.told(Call.WOKEN, 2.0)
    tape.told(Call.LOST, 3.0, Reason.LINK_DOWN)
    tape.told(Call.CONNECTED, 4.0)
    steps = tape.replayed()
    calls = [Call.CONNECTED, Call.COMMAND, Call.RECEIVED, Call.WOKEN, Call.LOST, Call.CONNECTED]
    assert [step.call for step in steps] == calls
    assert [step.at for step in steps] == [at(seconds) for seconds in (0, 0.5, 0.6, 2.0, 3.0, 4.0)]
    assert all(step.same for step in steps)
    assert sum(len(step.now) for step in steps) > len(calls)


def test_the_site_decides_on_a_swipe_as_it_did() -> None:
    tape = Recorded()
    tape.begin()
    tape.told(Call.RECEIVED, 1.0, frame(CARD)[:5])
    tape.told(Call.RECEIVED, 1.1, frame(CARD)[5:])
    *_, last = tape.replayed()
    assert last.same
    (decision,) = (effect for effect in last.effects if isinstance(effect, Decision))
    assert (decision.card, decision.why, decision.at) == (CARD, "blocked", at(1.1))


A, B, HOUSEMATE = "0100000700", "0100000701", "0200000002"
GUEST = Permit(
    "0300000001",
    PermitKind.TEMPORARY,
    date(2026, 1, 1),
    date(2026, 12, 31),
    holder="9-1-302",
    plate="粤B8K21C",
)
UNDER_IN = "io-gate.in4"


def test_decisions_are_replayed_that_hung_on_cars_permits_and_places_that_came_meanwhile() -> None:
    plan = replace(site.plan(), parking=replace(site.plan().parking, places=2))
    core = Core(plan, (*site.permits(), GUEST))
    core.step(CardRead("reader-in", A, at(-50)))
    drive_through(core, UNDER_IN, -49)
    core.step(CardRead("reader-in", "0200000001", at(-40)))
    drive_through(core, UNDER_IN, -39)
    tape = Recorded(core=core, plan=plan)
    tape.begin()
    live = swipe(tape, 10.0, GUEST.card)
    live += swipe(tape, 20.0, A)
    live += swipe(tape, 30.0, HOUSEMATE)  # another has the space
    core.step(Tick(at(95.0)))
    live += swipe(tape, 100.0, B)
    drive_through(core, UNDER_IN, 102.0)
    live += swipe(tape, 110.0, GUEST.card)
    core.step(PermitChanged(GUEST.card, replace(GUEST, blocked=True), at(115.0)))
    core.step(Operator(Action.FORGIVE, A, "wang", at(116.0)))
    live += swipe(tape, 120.0, GUEST.card) + swipe(tape, 130.0, A)
    assert live == [
        *("permit", "already_inside", "space_taken", "permit"),
        *("full", "blocked", "permit"),
    ]
    assert decided(tape) == live


def decided(tape: Recorded) -> list[str]:
    effects = [effect for step in tape.replayed() for effect in step.effects]
    return [effect.why for effect in effects if isinstance(effect, Decision)]


def test_a_recording_has_no_card_but_the_swiped_ones_and_not_whose_they_are() -> None:
    core = Core(site.plan(), (*site.permits(), GUEST))
    for card in (A, "0200000001"):
        core.step(CardRead("reader-in", card, at(-50)))
        drive_through(core, UNDER_IN, -49)
    core.step(CardRead("reader-in", B, at(-5)))  # has not driven in yet
    tape = Recorded(core=core)
    tape.begin()
    assert swipe(tape, 1.0, HOUSEMATE) == ["space_taken"]
    assert swipe(tape, 9.0, GUEST.card) == ["permit"]
    text = "\n".join(tape.lines)
    cards = {permit.card for permit in core.permits if permit.card in text}
    assert cards == {HOUSEMATE, GUEST.card}
    assert GUEST.holder not in text
    assert GUEST.plate not in text
    assert decided(tape) == ["space_taken", "permit"]


def test_a_car_on_its_way_in_at_a_lane_of_another_link_counts_in_the_replay_too() -> None:
    plan = site.plan()
    lanes = tuple(replace(lane, direction=Direction.IN) for lane in plan.parking.lanes)
    plan = replace(plan, parking=replace(plan.parking, places=1, lanes=lanes))
    core = Core(plan, (*site.permits(), GUEST))
    core.step(CardRead("reader-out", A, at(-1)))
    tape = Recorded(core=core, plan=plan)
    tape.begin()
    assert swipe(tape, 1.0, GUEST.card) == ["full"]
    assert decided(tape) == ["full"]


def test_a_head_names_no_operator_and_has_no_other_devices_alarm() -> None:
    core = new_core()
    for alarm in ("device_offline:reader-in", "sink_away:broker", "device_offline:lift-1"):
        code, _, subject = alarm.partition(":")
        core.step(Trouble(code, subject, True, at(-9)))
        core.step(Operator(Action.ACKNOWLEDGE, alarm, "Li Wei", at(-8)))
    tape = Recorded(core=core)
    tape.begin()
    known = json.loads(tape.lines[0])["cells"]
    assert [key for key in known if key.startswith("alarm/")] == ["alarm/device_offline:reader-in"]
    assert '"acknowledged"' in known["alarm/device_offline:reader-in"]
    assert "Li Wei" not in tape.lines[0]


def test_a_recording_does_not_say_who_writes_what() -> None:
    core = new_core()
    core.step(Operator(Action.WRITE, "io-gate.out8", "Li Wei", at(-1), "a secret", True))
    assert "write/io-gate.out8" in core.save()
    tape = Recorded(core=core)
    tape.begin()
    assert "write/" not in tape.lines[0]
    assert "Li Wei" not in tape.lines[0]


def test_a_card_that_is_read_twice_at_once_is_one_swipe_in_the_replay_too() -> None:
    tape = Recorded()
    tape.begin()
    assert swipe(tape, 1.0, A, A) == ["permit"]
    assert decided(tape) == ["permit"]


def test_a_space_that_was_left_meanwhile_is_free_in_the_replay_too() -> None:
    core = new_core()
    core.step(CardRead("reader-in", "0200000001", at(-50)))
    drive_through(core, UNDER_IN, -49)
    tape = Recorded(core=core)
    tape.begin()
    live = swipe(tape, 10.0, HOUSEMATE)
    core.step(Operator(Action.FORGIVE, "0200000001", "wang", at(15.0)))
    live += swipe(tape, 20.0, HOUSEMATE)
    assert live == ["space_taken", "permit"]
    assert decided(tape) == live


def test_another_answer_than_then_is_seen() -> None:
    tape = Recorded()
    tape.begin()
    tape.told(Call.RECEIVED, 1.0, frame(CARD))
    tape.lines[-1] = tape.lines[-1].replace(CARD, "01000734E1")
    assert [step.same for step in tape.replayed()] == [True, False]


def test_a_driver_that_raised_is_set_aside_and_built_anew_as_it_was_live(fragile: None) -> None:
    tape = Recorded()
    tape.begin()
    tape.told(Call.RECEIVED, 1.0, b"!")
    tape.told(Call.RECEIVED, 1.5, frame(CARD))  # nobody listens
    tape.told(Call.WOKEN, 2.0)
    tape.told(Call.RECEIVED, 3.0, frame(CARD))
    steps = tape.replayed()
    assert [step.same for step in steps] == [True] * 5
    assert json.loads(steps[1].now[0]) == {"said": {"Failed": "KeyError: 'bug'"}}
    alarms = [effect.alarm for step in steps for effect in step.effects if isinstance(effect, AlarmChange)]
    assert [(alarm.id, alarm.state) for alarm in alarms] == [
        (f"driver_failed:{READER.name}", AlarmState.UNACKNOWLEDGED),
        (f"driver_failed:{READER.name}", AlarmState.RETURNED),
    ]


def test_a_mended_driver_is_told_what_the_broken_one_missed(
    fragile: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = Recorded()
    tape.begin()
    tape.told(Call.RECEIVED, 1.0, b"!")
    tape.told(Call.RECEIVED, 1.5, frame(CARD))
    monkeypatch.undo()
    assert [step.same for step in tape.replayed()] == [True, False, False]
    assert [effect.card for effect in tape.replayed()[2].effects if isinstance(effect, Decision)] == [CARD]


@pytest.mark.parametrize("failed", [False, True])
def test_a_recording_that_begins_with_held_outputs_or_a_driver_set_aside(
    monkeypatch: pytest.MonkeyPatch, failed: bool
) -> None:
    tape = Recorded(BUS, up=False)
    list(tape.line.tell(Call.COMMAND, at(-2), Command("io-gate", "out1", Do.SET)))
    if failed:
        with monkeypatch.context() as broken:
            broken.setattr("sitewarden.drivers.modbus.bus.Bus.woken", lambda *_: 1 / 0)
            list(tape.line.tell(Call.WOKEN, at(-1)))
    tape.begin()
    tape.told(Call.CONNECTED, 1.0)
    (connected,) = tape.replayed()
    assert connected.same
    assert any(isinstance(json.loads(said)["said"], str) for said in connected.now)


def test_rules_on_other_links_devices_raise_nothing() -> None:
    plan = replace(site.plan(), stale=(Stale("tank-1.level", 5.0), Stale("io-gate.in1", 5.0)))
    bus, reader = narrowed(plan, BUS.devices), narrowed(plan, READER.devices)
    assert bus.devices == set(BUS.devices)
    assert [rule.point for rule in bus.stale] == ["io-gate.in1"]
    assert not bus.parking.lanes  # without its reader a lane knows no car
    assert [lane.reader for lane in reader.parking.lanes] == ["reader-in", "reader-out"]
    for lane in reader.parking.lanes:
        assert lane.barrier.open
        assert (lane.barrier.opened, lane.barrier.loop_under) == ("", "")
    assert (reader.fire, reader.conditions, reader.stale) == ((), (), ())


def test_an_hour_of_one_link_tells_of_no_others_alarms() -> None:
    core = new_core()
    core.step(LinkChanged("reader-in", True, at(-61)))
    core.step(LinkChanged("lift-1", False, at(-60), Reason.LINK_DOWN))
    for point in ("io-gate.in1", "io-gate.in5"):
        core.step(Reading(point, False, at(-2)))
    core.step(CardRead("reader-in", A, at(-1)))  # two arms that are on their way up
    core.step(CardRead("reader-out", B, at(-1)))
    standing = {f"alarm/{alarm.id}": alarm for alarm in (_standing("trapped"), _standing("tank-low"))}
    core = Core(site.plan(), core.permits, core.save() | standing)
    tape = Recorded(core=core)
    tape.begin()
    tape.told(Call.RECEIVED, 3600.0, frame(site.permits()[1].card))
    effects = [effect for step in tape.replayed() for effect in step.effects]
    assert not [effect for effect in effects if isinstance(effect, AlarmChange)]
    assert [effect.lane for effect in effects if isinstance(effect, Decision)] == ["in-1"]


def _standing(rule: str) -> Alarm:
    return Alarm(rule, "condition", Severity.HIGH, AlarmState.UNACKNOWLEDGED, at(-90), rule)


GARBAGE = {
    "{": 3,
    "[1]": 3,
    '{"told": "asked"}': 3,
    '{"told": "woken", "wall": "yesterday", "mono": 1}': 3,
    '{"told": "woken", "wall": "2026-03-01T08:00:00+00:00"}': 3,
    '{"told": "received", "wall": "2026-03-01T08:00:00+00:00", "mono": 1, "bytes": "0"}': 3,
    '{"told": "received", "wall": "2026-03-01T08:00:00+00:00", "mono": 1, "reason": "timeout"}': 3,
    '{"told": "lost", "wall": "2026-03-01T08:00:00+00:00", "mono": 1, "reason": "bored"}': 3,
    '{"told": "command", "wall": "2026-03-01T08:00:00+00:00", "mono": 1, "command": {"do": "set"}}': 3,
}


@pytest.mark.parametrize("line", GARBAGE)
def test_what_is_not_a_recording_is_told_with_its_line(line: str) -> None:
    tape = Recorded(up=False)
    tape.begin()
    tape.told(Call.CONNECTED, 1.0)
    with pytest.raises(ValueError, match=r"^line 3: "):
        list(replay([*tape.lines[:2], line]))
    with pytest.raises(ValueError, match=r"^line 2: "):
        list(replay([tape.lines[0], line]))


def test_what_was_known_of_a_card_has_its_form() -> None:
    tape = Recorded()
    tape.begin()
    for wrong in (
        {"permit": None},
        {"permit": {"card": "1"}, "cells": {}},
        {"permit": None, "cells": {"x": "1"}},
    ):
        with pytest.raises(ValueError, match=r"^line 3: found .* expected what was known of a card$"):
            list(replay([*tape.lines[:2], json.dumps({"known": CARD} | wrong)]))


def test_what_has_no_head_is_told_too() -> None:
    tape = Recorded()
    tape.begin()
    head = json.loads(tape.lines[0])
    wrong = [
        [],
        tape.lines[1:],
        [json.dumps(head | {"recording": 1})],
        [json.dumps(head | {"link": {"name": "gate"}})],
        [json.dumps(head | {"cells": {"weather": "1"}})],
        [json.dumps(head | {"cells": {"fire": "{"}})],
    ]
    for lines in wrong:
        with pytest.raises(ValueError, match=r"^line 1: "):
            list(replay(lines))
