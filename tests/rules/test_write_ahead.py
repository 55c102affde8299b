"""A decision is durable before it is a movement, and fire waits for nothing."""

from sitewarden.rules.ahead import WriteAhead
from sitewarden.rules.model import Command, Do, Keep, LinkChanged, Trouble
from tests.rules.site_under_test import at

OPEN = Command("io", "out1", Do.PULSE, 0.5)
CLEAR = Command("io", "out1", Do.CLEAR)
OTHER = Command("io", "out2", Do.PULSE, 0.5)
SET = Command("io", "out1", Do.SET, ahead=False)
RECORD = Keep("inside/a", None)


def submitted(gate: WriteAhead, *effects: Keep | Command, seconds: float = 0.0) -> tuple[int, list[Command]]:
    ticket, now = gate.submit(effects, at(seconds))
    assert ticket is not None
    return ticket.number, now


def test_a_command_waits_for_the_commit_of_its_records() -> None:
    gate = WriteAhead()
    number, now = submitted(gate, RECORD, OPEN)
    assert now == []
    assert gate.committed(number, at(0.01)) == ([OPEN], [])
    assert gate.wake_at is None


def test_what_has_nothing_to_record_goes_at_once() -> None:
    assert WriteAhead().submit([LinkChanged("io", True, at(0)), OPEN], at(0)) == (None, [OPEN])


def test_fire_goes_at_once_with_its_record_on_the_way() -> None:
    _, now = submitted(WriteAhead(), RECORD, SET)
    assert now == [SET]


def test_a_late_journal_holds_up_no_car_and_is_told_of_once() -> None:
    gate = WriteAhead(limit=0.15)
    first, _ = submitted(gate, RECORD, OPEN)
    second, _ = submitted(gate, RECORD, OTHER, seconds=0.01)
    assert gate.wake_at == at(0.15).mono
    assert gate.overdue(at(0.15)) == (
        [OPEN],
        [Trouble("journal_late", "journal", True, at(0.15), {"limit_ms": 150})],
    )
    assert gate.overdue(at(0.2)) == ([OTHER], [])
    assert gate.committed(second, at(0.3)) == ([], [])
    assert gate.committed(first, at(0.3)) == ([], [Trouble("journal_late", "journal", False, at(0.3))])


def test_a_late_ticket_that_is_refused_is_late_no_longer() -> None:
    gate = WriteAhead()
    number, _ = submitted(gate, RECORD, OPEN)
    gate.overdue(at(0.2))
    assert gate.refused(number, at(5.0)) == (
        [],
        [
            Trouble("journal_late", "journal", False, at(5.0)),
            Trouble("journal_failed", "journal", True, at(5.0)),
        ],
    )
    again, _ = submitted(gate, RECORD, seconds=6.0)
    assert gate.committed(again, at(6.1))[1] == [Trouble("journal_failed", "journal", False, at(6.1))]


def test_commits_may_be_reported_in_any_order() -> None:
    gate = WriteAhead()
    first, _ = submitted(gate, RECORD, OPEN)
    second, _ = submitted(gate, RECORD, OTHER)
    assert gate.committed(second, at(0.1))[0] == [OTHER]
    assert gate.committed(first, at(0.1))[0] == [OPEN]


def test_fire_voids_what_still_waits_for_its_output() -> None:
    gate = WriteAhead()
    reset, _ = submitted(gate, RECORD, CLEAR, OTHER)
    swipe, _ = submitted(gate, RECORD, OPEN)
    assert submitted(gate, RECORD, SET)[1] == [SET]
    assert gate.committed(reset, at(0.1))[0] == [OTHER]
    assert gate.committed(swipe, at(0.1))[0] == []


def test_a_voided_command_does_not_hide_a_late_journal() -> None:
    gate = WriteAhead()
    submitted(gate, RECORD, CLEAR)
    submitted(gate, RECORD, SET)
    submitted(gate, RECORD, OTHER)
    commands, troubles = gate.overdue(at(1.0))
    assert commands == [OTHER]
    assert len(troubles) == 1
