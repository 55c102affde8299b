"""Records for a journal, and how one is committed."""

import threading
from datetime import UTC, datetime, timedelta

from sitewarden.gateway.journal import Journal
from sitewarden.rules.model import (
    Action,
    Alarm,
    AlarmChange,
    AlarmState,
    Decision,
    Direction,
    FireChange,
    FireStage,
    Operator,
    Outcome,
    Passage,
    PermitKind,
    Reason,
    Record,
    Severity,
    Stamp,
    Verdict,
    Why,
    Write,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(second: float) -> Stamp:
    return Stamp(NOON + timedelta(seconds=second), 1000.0 + second)


DECISION = Decision(
    *("in-1", "0001", Verdict.GRANTED, Why.PERMIT, at(1), Direction.IN, PermitKind.MONTHLY, "", "")
)


PASSAGE = Passage("in-1", "0001", Direction.IN, at(2), PermitKind.MONTHLY)


ANONYMOUS = Passage("out-1", "", Direction.OUT, at(3))


ALARM = Alarm(
    *("tank-low", "tank-low", Severity.HIGH, AlarmState.ACKNOWLEDGED, at(0), "tank-1.level"),
    *({"limit": 0.8, "word": "水"}, "guard"),
)


CHANGE = AlarmChange(ALARM, AlarmState.UNACKNOWLEDGED, at(4), "guard")


FIRE = FireChange(FireStage.NORMAL, FireStage.FIRE, at(5), "panel-1", "zone-2")


OPERATOR = Operator(Action.OPEN, "in-1", "guard", at(6), "delivery")
WRITTEN = [
    Write("pump.mode", "手动", "night", "", at(6), Outcome.REFUSED, at(7), reason=Reason.ILLEGAL_VALUE),
    Write("pump.on", True, "wang", "test", at(7), Outcome.LAPSED, at(18), before=False),
    Write("pump.speed", 62.5, "wang", "test", at(7), Outcome.VERIFIED, at(18), 40.0, 62.5),
]


def commit(journal: Journal, *records: Record, at: Stamp | None = None) -> BaseException | None:
    outcome: list[BaseException | None] = []
    done = threading.Event()

    def tell(error: BaseException | None) -> None:
        outcome.append(error)
        done.set()

    journal.submit(records, tell, at)
    assert done.wait(10)
    return outcome[0]
