"""How the journal's records stand in its tables, and how they come back.

`wall` is in microseconds since 1970 (UTC), `mono` in seconds; codes are the enumerations' values.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

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
    Severity,
    Stamp,
    Value,
    Verdict,
    Why,
    Write,
)

R = TypeVar("R")
Cell = str | int | float | None  # what SQLite stores for us

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(wall: datetime) -> int:
    return (wall - _EPOCH) // _MICROSECOND


def stamp(micros: int, mono: float) -> Stamp:
    return Stamp(_EPOCH + timedelta(microseconds=micros), mono)


def instant(ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ns // 1000)


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """One kind of record. `columns` are texts and come after `wall` and `mono`."""

    name: str
    columns: tuple[str, ...]
    pack: Callable[[R], tuple[Cell, ...]]
    unpack: Callable[[Stamp, tuple[str, ...]], R]

    @property
    def _names(self) -> str:
        return ", ".join(f'"{column}"' for column in self.columns)  # BY is a word of SQL

    @property
    def schema(self) -> str:
        columns = ", ".join(f'"{column}" TEXT NOT NULL' for column in self.columns)
        return (
            f"CREATE TABLE IF NOT EXISTS {self.name}"
            f" (id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, mono REAL NOT NULL, {columns}) STRICT;"
        )

    def statement(self, record: R, at: Stamp) -> tuple[str, tuple[Cell, ...]]:
        marks = ", ".join("?" * (2 + len(self.columns)))
        insert = f"INSERT INTO {self.name} (wall, mono, {self._names}) VALUES ({marks})"  # noqa: S608
        return insert, (micros(at.wall), at.mono, *self.pack(record))

    def select(self, where: str) -> str:
        """The newest first, as they were committed: an index of the instants would cost each commit a
        page. `where` is ours, never a person's text; its values are bound."""
        return (
            f"SELECT id, wall, mono, {self._names} FROM {self.name}"  # noqa: S608
            f" WHERE {where} ORDER BY id DESC LIMIT ?"
        )

    @property
    def forget(self) -> str:
        """Of the 200 oldest rows those before an instant: `mono` grows with `id`, whatever the wall clock
        does."""
        oldest = f"(SELECT min(id) FROM {self.name})"  # noqa: S608
        return f"DELETE FROM {self.name} WHERE id < {oldest} + 200 AND mono < ?"  # noqa: S608

    @property
    def newest(self) -> str:
        return f"SELECT * FROM (SELECT wall, mono FROM {self.name} ORDER BY id DESC LIMIT 1)"  # noqa: S608


def _kind(text: str) -> PermitKind | None:
    return PermitKind(text) if text else None


def _params(text: str) -> dict[str, Value]:
    params: dict[str, Value] = json.loads(text)
    return params


def _unpack_decision(at: Stamp, row: tuple[str, ...]) -> Decision:
    lane, card, verdict, why, direction, kind, by, note = row
    return Decision(lane, card, Verdict(verdict), Why(why), at, Direction(direction), _kind(kind), by, note)


def _unpack_alarm(at: Stamp, row: tuple[str, ...]) -> AlarmChange:
    id_, code, severity, before, after, subject, params, by, acknowledged_by, wall_text, mono_text = row
    raised = stamp(int(wall_text), float(mono_text))
    alarm = Alarm(
        id_, code, Severity(severity), AlarmState(after), raised, subject, _params(params), acknowledged_by
    )
    return AlarmChange(alarm, AlarmState(before), at, by)


def _pack_alarm(change: AlarmChange) -> tuple[Cell, ...]:
    alarm = change.alarm
    return (
        *(alarm.id, alarm.code, alarm.severity, change.before, alarm.state, alarm.subject),
        *(json.dumps(dict(alarm.params), ensure_ascii=False), change.by, alarm.by),
        *(str(micros(alarm.raised.wall)), repr(alarm.raised.mono)),
    )


def _pack_write(write: Write) -> tuple[Cell, ...]:
    return (
        *(write.point, write.by, write.note, write.outcome, write.reason),
        *(json.dumps(value, ensure_ascii=False) for value in (write.value, write.before, write.read)),
        *(str(micros(write.asked.wall)), repr(write.asked.mono)),
    )


def _unpack_write(at: Stamp, row: tuple[str, ...]) -> Write:
    point, by, note, outcome, reason, *values, wall_text, mono_text = row
    asked = stamp(int(wall_text), float(mono_text))
    value, before, read = map(json.loads, values)
    return Write(point, value, by, note, asked, Outcome(outcome), at, before, read, Reason(reason))


def _unpack_fire(at: Stamp, row: tuple[str, ...]) -> FireChange:
    before, after, panel, zone, by = row
    return FireChange(FireStage(before), FireStage(after), at, panel, zone, by)


DECISIONS: Table[Decision] = Table(
    "decisions",
    ("lane", "card", "verdict", "why", "direction", "kind", "by", "note"),
    lambda it: (it.lane, it.card, it.verdict, it.why, it.direction, it.kind or "", it.by, it.note),
    _unpack_decision,
)
PASSAGES: Table[Passage] = Table(
    "passages",
    ("lane", "card", "direction", "kind"),
    lambda it: (it.lane, it.card, it.direction, it.kind or ""),
    lambda at, row: Passage(row[0], row[1], Direction(row[2]), at, _kind(row[3])),
)
ALARMS: Table[AlarmChange] = Table(
    "alarms",
    (
        *("alarm", "code", "severity", "before", "after", "subject", "params", "by", "acknowledged_by"),
        *("raised_wall", "raised_mono"),
    ),
    _pack_alarm,
    _unpack_alarm,
)
FIRES: Table[FireChange] = Table(
    "fires",
    ("before", "after", "panel", "zone", "by"),
    lambda it: (it.before, it.after, it.panel, it.zone, it.by),
    _unpack_fire,
)
OPERATORS: Table[Operator] = Table(
    "operators",
    ("action", "target", "by", "reason"),
    lambda it: (it.action, it.target, it.by, it.reason),
    lambda at, row: Operator(Action(row[0]), row[1], row[2], at, row[3]),
)
"""Without the value of a write, which stands with what came of it in `WRITES`."""
WRITES: Table[Write] = Table(
    "writes",
    (
        *("point", "by", "note", "outcome", "reason", "value", "before", "read"),
        *("asked_wall", "asked_mono"),
    ),
    _pack_write,
    _unpack_write,
)

ALL = (DECISIONS, PASSAGES, ALARMS, FIRES, OPERATORS, WRITES)
SCHEMA = "".join(table.schema for table in ALL)
NEWEST = " UNION ALL ".join(table.newest for table in ALL)


def statement(
    record: Decision | Passage | AlarmChange | FireChange | Operator | Write,
) -> tuple[str, tuple[Cell, ...]]:
    """How the record is stored: SQL and its values."""
    match record:
        case Decision():
            return DECISIONS.statement(record, record.at)
        case Passage():
            return PASSAGES.statement(record, record.at)
        case AlarmChange():
            return ALARMS.statement(record, record.at)
        case FireChange():
            return FIRES.statement(record, record.at)
        case Operator():
            return OPERATORS.statement(record, record.at)
        case Write():
            return WRITES.statement(record, record.at)
