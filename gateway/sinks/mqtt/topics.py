"""Records of telemetry as topics and JSON payloads. All of it is below `<prefix>/<site>/`:

    status                      online, offline (no JSON)                                  retained, last will
    point/<device>/<point>      value, quality, reason, at                                 retained
    device/<device>             up, reason, at                                             retained
    alarm/<id>                  code, state, severity, subject, params, raised, at         retained
    fire                        stage, panel, zone, at                                     retained
    decision/<lane>             verdict, why, direction, kind, card, at
    passage/<lane>              direction, kind, card, at
    event/<measurement>         tags and fields of any other measurement of docs/telemetry.md, at
    history/<first level>       [{"topic": …, and what its payload would have been}, …]
    command/…                   what the broker may ask for: commands.py

Payloads are JSON objects, `at` is ISO 8601 in UTC, cards are masked and never part of a topic. What is
retained is state, and an empty payload clears it: an alarm that is over, a device that a reload removed. An
alarm's end is told once as `normal`, not retained.

`history` has what came too late to be the state of its topic, or to be an event of now: all that waited for
longer than an outage of half a minute, and whatever is older than what the topic says already. Its arrays
are in the order of the site's records for each topic, none is longer than `LARGEST`, and none is retained.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sitewarden.gateway.sinks.parse import Record, Value
from sitewarden.rules.model import AlarmState

LARGEST = 30_000  # bytes of a payload: some seconds on a bad uplink

Body = Mapping[str, object]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEVEL = str.maketrans({"/": "_", "+": "_", "#": "_", "\0": "_"})
_VALUES = ("value", "state", "text")


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic says, and since when."""

    name: str  # below <prefix>/<site>/
    body: Body | None  # without `at`; None: nothing, it is cleared
    ns: int
    state: bool = False  # so it is until something newer is said; otherwise it happened
    over: bool = False  # it happened, and with it the topic's state has ended

    @property
    def payload(self) -> bytes:
        return b"" if self.body is None else _json({**self.body, "at": iso(self.ns)})

    @property
    def item(self) -> bytes:
        """As an element of the history."""
        return _json({"topic": self.name, **(self.body or {}), "at": iso(self.ns)})


def level(name: str) -> str:
    """One level of a topic: without its separators and wildcards (MQTT 3.1.1, 4.7.1)."""
    return name.translate(_LEVEL)


def iso(ns: int) -> str:
    return (_EPOCH + timedelta(microseconds=ns // 1000)).isoformat()


def topic(record: Record) -> Topic:
    """Raises KeyError for what is none of our lines."""
    tags, fields, ns = record.tags, record.fields, record.ns
    match record.measurement:
        case "reading":
            name = f"point/{level(tags['device'])}/{level(tags['point'])}"
            return Topic(name, _reading(fields), ns, state=True)
        case "device":
            body = {"up": fields["up"], "reason": fields.get("reason", "")}
            return Topic(f"device/{level(tags['device'])}", body, ns, state=True)
        case "alarm":
            over = fields["state"] == AlarmState.NORMAL
            return Topic(f"alarm/{level(tags['id'])}", _alarm(tags, fields), ns, not over, over)
        case "fire":
            said = {key: fields.get(key, "") for key in ("stage", "panel", "zone")}
            return Topic("fire", said, ns, state=True)
        case "decision":
            judged = {"verdict": tags["verdict"], "why": fields["why"]}
            return Topic(f"decision/{level(tags['lane'])}", {**judged, **_whose(tags, fields)}, ns)
        case "passage":
            return Topic(f"passage/{level(tags['lane'])}", _whose(tags, fields), ns)
    about = {key: tag for key, tag in tags.items() if key != "site"}
    return Topic(f"event/{level(record.measurement)}", {**about, **fields}, ns)


def history(topics: Iterable[Topic]) -> Iterator[tuple[str, bytes]]:
    """Topics and payloads."""
    kinds = defaultdict[str, list[bytes]](list)
    for each in topics:
        kinds[each.name.partition("/")[0]].append(each.item)
    for kind, items in kinds.items():
        for array in _arrays(items):
            yield f"history/{kind}", array


def _arrays(items: Iterable[bytes]) -> Iterator[bytes]:
    held, size = list[bytes](), 2
    for item in items:
        if held and size + len(item) >= LARGEST:
            yield b"[" + b",".join(held) + b"]"
            held, size = [], 2
        held.append(item)
        size += len(item) + 1
    if held:
        yield b"[" + b",".join(held) + b"]"


def _reading(fields: Mapping[str, Value]) -> Body:
    value = next((fields[key] for key in _VALUES if key in fields), None)
    return {"value": value, "quality": fields["quality"], "reason": fields.get("reason", "")}


def _alarm(tags: Mapping[str, str], fields: Mapping[str, Value]) -> Body:
    params, raised = fields.get("params"), fields.get("raised")
    return {
        "code": tags["code"],
        "state": fields["state"],
        "severity": tags["severity"],
        "subject": fields.get("subject", ""),
        "params": json.loads(params) if isinstance(params, str) else {},
        "raised": iso(raised * 1_000_000) if isinstance(raised, int) else "",
    }


def _whose(tags: Mapping[str, str], fields: Mapping[str, Value]) -> Body:
    return {"direction": tags["direction"], "kind": fields.get("kind", ""), "card": fields.get("card", "")}


def _json(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
