"""Which metrics telemetry becomes: a point is one of its device, everything else is the node's.

    <device>: <point>                                Double, Boolean or String
    the node: device/<device>/up, …/reason
              alarm/<id>/state, …/before, …/code, …/severity, …/subject, …/params, …/raised, …/by
              decision/<lane>/verdict, …/why, …/direction, …/card, …/kind, …/by
              passage/<lane>/known, …/direction, …/card, …/kind
              fire/stage, …/before, …/panel, …/zone, …/by
              write/<device>/<point>/outcome, …/value, …/state, …/text, …/reason, …/by
              loss/<why>/<device>/count, …/first, …/last, …/cause, …/point, …/destination, …/note
              <measurement>/<tag>…/<field>            whatever else there is to tell

All metrics of one event have its instant, and what it does not say is null, so that no card of an earlier
passage stands beside a later one. A measurement that is not in the table below is told as well, as it
comes. `point` is not: the unit of a point is a property of its metric in the birth.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sitewarden.drivers.modbus.points import Kind, Point
from sitewarden.gateway.board import Board
from sitewarden.gateway.sinks.parse import Record
from sitewarden.gateway.sinks.sparkplug.wire import DataType, Value
from sitewarden.rules.model import Quality

_MS = 1_000_000  # ns


@dataclass(frozen=True, slots=True)
class Definition:
    """What a birth says of a metric. `device` is empty for the node's own."""

    device: str
    name: str
    type: DataType
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric at `ms` since 1970. `type` None: there is no value, and never was one."""

    device: str
    name: str
    type: DataType | None
    ms: int
    value: Value | None
    quality: Quality = Quality.GOOD
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Event:
    """A measurement of events: the tags whose values name the place, and what is told of it."""

    place: tuple[str, ...]
    columns: Mapping[str, DataType]


def _texts(*names: str) -> dict[str, DataType]:
    return dict.fromkeys(names, DataType.STRING)


_EVENTS: Mapping[str, _Event] = {
    "device": _Event(("device",), {"up": DataType.BOOLEAN, **_texts("reason")}),
    "alarm": _Event(
        ("id",),
        {
            **_texts("state", "before", "code", "severity", "subject", "params", "by"),
            "raised": DataType.DATE_TIME,
        },
    ),
    "decision": _Event(("lane",), _texts("verdict", "why", "direction", "card", "kind", "by")),
    "passage": _Event(("lane",), {"known": DataType.BOOLEAN, **_texts("direction", "card", "kind")}),
    "fire": _Event((), _texts("stage", "before", "panel", "zone", "by")),
    "write": _Event(
        ("device", "point"),
        {
            "value": DataType.DOUBLE,
            "state": DataType.BOOLEAN,
            **_texts("text", "outcome", "reason", "by"),
        },
    ),
    "loss": _Event(
        ("why", "device"),
        {
            "count": DataType.DOUBLE,
            "first": DataType.DATE_TIME,
            "last": DataType.DATE_TIME,
            **_texts("cause", "point", "destination", "note"),
        },
    ),
}

_TYPES: Mapping[type, DataType] = {
    bool: DataType.BOOLEAN,
    int: DataType.INT64,
    float: DataType.DOUBLE,
    str: DataType.STRING,
}
_READ_AS: Mapping[Kind, DataType] = {
    Kind.BOOL: DataType.BOOLEAN,
    Kind.BIT: DataType.BOOLEAN,
    Kind.STRING: DataType.STRING,
}


def definitions(board: Board) -> Iterator[Definition]:
    """All that is known beforehand. Of alarms there are as many as come to be."""
    for full, point in board.points.items():
        device, _, name = full.partition(".")
        yield Definition(device, name, _type(point), point.unit)
    for device in board.places:
        yield from _columns("device", device)
    for lane in board.lanes:
        yield from _columns("decision", lane)
        yield from _columns("passage", lane)
    yield from _columns("fire")


def samples(records: Iterable[Record]) -> Iterator[Sample]:
    """Raises ValueError for a reading of a quality that there is not."""
    for record in records:
        match record.measurement:
            case "reading":
                yield _reading(record)
            case "point":
                pass
            case _:
                yield from _event(record)


def _type(point: Point) -> DataType:
    return _READ_AS.get(point.kind, DataType.DOUBLE)


def _columns(measurement: str, *place: str) -> Iterator[Definition]:
    for column, type_ in _EVENTS[measurement].columns.items():
        yield Definition("", _name(measurement, *place, column), type_)


def _reading(record: Record) -> Sample:
    tags, told = record.tags, record.fields
    value = next((told[key] for key in ("value", "state", "text") if key in told), None)
    return Sample(
        tags.get("device", ""),
        tags.get("point", ""),
        None if value is None else _TYPES[type(value)],
        record.ns // _MS,
        value,
        Quality(str(told.get("quality", Quality.GOOD))),
        str(told.get("reason", "")),
    )


def _event(record: Record) -> Iterator[Sample]:
    tags = {key: text for key, text in record.tags.items() if key != "site"}
    event = _EVENTS.get(record.measurement) or _Event(
        tuple(tags), {key: _TYPES[type(value)] for key, value in record.fields.items()}
    )
    place = [tags.get(key, "") for key in event.place]
    for column, type_ in event.columns.items():
        value = record.fields.get(column, tags.get(column))
        yield Sample("", _name(record.measurement, *place, column), type_, record.ns // _MS, value)


def _name(*folders: str) -> str:
    """What is not said has no folder."""
    return "/".join(filter(None, folders))
