"""A Sparkplug host application that complains: what each message breaks, by the specification's own ids
(without their "tck-id-").

It knows nothing of the code under test. Payloads are read by Google's decoder.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.gateway.sparkplug_definition import PAYLOAD, DecodeError, Message

INT32, INT64, BOOLEAN = 3, 4, 11
HELD_AS = {  # 6.4.17
    **dict.fromkeys((1, 2, 3, 5, 6, 7), "int_value"),
    **dict.fromkeys((4, 8, 13), "long_value"),
    9: "float_value",
    10: "double_value",
    11: "boolean_value",
    12: "string_value",
    14: "string_value",
}
REBIRTH = "Node Control/Rebirth"


@dataclass(frozen=True)
class Told:
    """One value as the host understood it. `device` is empty for the node's own."""

    device: str
    name: str
    value: object
    ms: int
    historical: bool
    quality: int
    properties: dict[str, object]


@dataclass
class Host:
    """Of one edge node. `hear` its messages in the order in which they came. `primary`: the node waits for
    the host of that id, whose STATE messages are heard as well."""

    group: str
    node: str
    primary: str = ""
    complaints: list[str] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)  # by data messages
    current: dict[tuple[str, str], Told] = field(default_factory=dict)  # by births as well
    heard: list[str] = field(default_factory=list)  # "NBIRTH", "DDATA/pump-1", …
    bdseqs: list[int] = field(default_factory=list)  # of births
    seq: int | None = None
    bdseq: int | None = None
    online: bool = False
    devices: set[str] = field(default_factory=set)  # that are born
    types: dict[tuple[str, str], int] = field(default_factory=dict)
    aliases: dict[int, tuple[str, str]] = field(default_factory=dict)
    awaited: bool = False  # the primary host is online
    state_at: int = 0  # ms, of its last online STATE
    left: bool = False  # it went offline, and the node has not died since

    def hear(self, topic: str, data: bytes, qos: int, retain: bool) -> None:
        levels = topic.split("/")
        if levels[:2] == ["spBv1.0", "STATE"]:
            self._state(levels[-1], json.loads(data))
            return
        if len(levels) < 4 or levels[:2] != ["spBv1.0", self.group] or levels[3] != self.node:
            self._complain("topic-structure", topic)
            return
        verb, device = levels[2], "/".join(levels[4:])
        self._must(
            (verb[0] == "D") == bool(device),
            "topic-structure-namespace-device-id-associated-message-types",
            topic,
        )
        try:
            payload = PAYLOAD.FromString(data)
        except DecodeError:
            self._complain("message-flow-edge-node-birth-publish-nbirth-payload", topic)
            return
        self.heard.append(f"{verb}/{device}" if device else verb)
        self._must(not retain, f"payloads-{verb.lower()}-retain", topic)
        if verb == "NDEATH":
            self._death(payload)
            return
        self._must(qos == 0, f"payloads-{verb.lower()}-qos", f"{topic} {qos}")
        self._must(payload.HasField("timestamp"), f"payloads-{verb.lower()}-timestamp", topic)
        self._follow(verb, payload)
        match verb:
            case "NBIRTH":
                self._birth(payload)
            case "DBIRTH":
                self._must(self.online, "message-flow-device-birth-publish-nbirth-wait", topic)
                self.devices.add(device)
                self._define(device, payload.metrics)
            case "NDATA" | "DDATA":
                self._must(self.online, "principles-birth-certificates-order", topic)
                self._must(
                    not device or device in self.devices, "operational-behavior-data-publish-dbirth", topic
                )
                self._data(device, payload.metrics)
            case "DDEATH":
                self._must(device in self.devices, "operational-behavior-device-ddeath", topic)
                self.devices.discard(device)
            case _:
                self._complain("topics", topic)

    def values(self, device: str, name: str) -> list[object]:
        return [it.value for it in self.told if (it.device, it.name) == (device, name)]

    # -- messages --------------------------------------------------------------------------------

    def _state(self, host: str, said: dict[str, object]) -> None:
        online, at = said["online"], int(str(said["timestamp"]))
        if host == self.primary and at >= self.state_at:
            if online:
                self.awaited, self.state_at = True, at
            else:
                self.awaited, self.left = False, self.online

    def _death(self, payload: Message) -> None:
        self._must(not payload.HasField("seq"), "payloads-ndeath-seq")
        self._must([it.name for it in payload.metrics] == ["bdSeq"], "topics-ndeath-payload", str(payload))
        bdseq = payload.metrics[0].long_value
        self.left = False
        if not self.bdseqs or bdseq == self.bdseqs[-1]:  # else it is the death of an earlier session
            self.online, self.bdseq, self.seq = False, bdseq, None
            self.devices.clear()
        elif not self.online:  # of one that ended before its birth
            self.bdseq = bdseq

    def _follow(self, verb: str, payload: Message) -> None:
        if verb == "NBIRTH":
            self._must(payload.HasField("seq") and payload.seq == 0, "topics-nbirth-seq-num", payload.seq)
        elif self.seq is not None:
            self._must(payload.HasField("seq"), "payloads-sequence-num-always-included", verb)
            self._must(
                payload.seq == (self.seq + 1) % 256,
                f"payloads-{verb.lower()}-seq-inc",
                f"{payload.seq} after {self.seq}",
            )
        self.seq = payload.seq

    def _birth(self, payload: Message) -> None:
        its = {it.name: it for it in payload.metrics}
        if self.primary:
            self._must(self.online or self.awaited, "message-flow-edge-node-birth-publish-phid-wait")
            self._must(not self.left, "message-flow-edge-node-birth-publish-phid-offline")
        if self._must("bdSeq" in its, "topics-nbirth-bdseq-included"):
            bdseq = its["bdSeq"].long_value
            self._must(its["bdSeq"].datatype == INT64, "…-birth-publish-nbirth-payload-bdSeq", "no Int64")
            if self.online:
                same = bdseq == self.bdseq
                self._must(same, "operational-behavior-data-commands-rebirth-action-3", bdseq)
            elif self.bdseq is not None:
                self._must(bdseq == (self.bdseq + 1) % 256, "topics-nbirth-bdseq-increment", bdseq)
            self.bdseq = bdseq
            self.bdseqs.append(bdseq)
        if self._must(REBIRTH in its, "operational-behavior-data-commands-rebirth-name"):
            it = its[REBIRTH]
            self._must(it.datatype == BOOLEAN, "operational-behavior-data-commands-rebirth-datatype")
            self._must(it.boolean_value is False, "operational-behavior-data-commands-rebirth-value")
            self._must(not it.HasField("alias"), "operational-behavior-data-commands-rebirth-name-aliases")
        self.online = True
        self.devices.clear()
        self.aliases.clear()
        self.types.clear()
        self._define("", payload.metrics)

    def _define(self, device: str, metrics: Iterable[Message]) -> None:
        known = [key for key in self.types if key[0] == device]
        for key in known:
            del self.types[key]
        self.aliases = {alias: key for alias, key in self.aliases.items() if key[0] != device}
        for it in metrics:
            key = device, it.name
            self._must(bool(it.name), "payloads-alias-birth-requirement", it)
            self._must(it.HasField("datatype"), "payloads-metric-datatype-req", it)
            self._must(it.datatype in HELD_AS, "payloads-metric-datatype-value", it)
            self._must(key not in self.types, "a name twice", it)
            self.types[key] = it.datatype
            if it.name != REBIRTH:
                self._must(it.HasField("alias"), "payloads-alias-birth-requirement", it)
                self._must(it.alias not in self.aliases, "payloads-alias-uniqueness", it)
                self.aliases[it.alias] = key
        for told in self._read(device, metrics, lambda it: (device, it.name)):
            self._must(not told.historical, "a birth tells current values", told)
            self.current[device, told.name] = told

    def _data(self, device: str, metrics: Iterable[Message]) -> None:
        for it in metrics:
            self._must(not it.name, "payloads-alias-data-cmd-requirement", it)
            self._must(not it.HasField("datatype"), "payloads-metric-datatype-not-req (should)", it)
        for told in self._read(device, metrics, lambda it: self.aliases.get(it.alias, (device, ""))):
            key = told.device, told.name
            self._must(told.device == device and key in self.types, "topics-dbirth-metric-reqs", told)
            self.told.append(told)
            if not told.historical:
                before = self.current.get(key)
                known = before is not None and before.value is not None
                self._must(not known or told.ms >= before.ms, "back in time", (told, before))
                self.current[key] = told

    def _read(self, device, metrics, key_of) -> list[Told]:
        told: list[Told] = []
        newest, instants = 0, set()
        for it in metrics:
            key = key_of(it)
            self._must(it.HasField("timestamp"), "payloads-name-birth-data-requirement", it)
            self._must((key, it.timestamp) not in instants, "5.16: different timestamps", it)
            instants.add((key, it.timestamp))
            if not it.is_historical:
                rule = f"operational-behavior-data-publish-{'dbirth' if device else 'nbirth'}-order"
                self._must(it.timestamp >= newest, rule, it)
                newest = it.timestamp
            held = it.WhichOneof("value")
            rule = f"operational-behavior-data-publish-{'dbirth' if device else 'nbirth'}-values"
            self._must((held is None) == it.is_null, rule, it)
            if held:
                right = HELD_AS.get(self.types.get(key))
                self._must(held == right, "payloads-metric-datatype-value-type", f"{held}, not {right}: {it}")
            properties = self._properties(it)
            quality = properties.get("Quality", 192)
            value = getattr(it, held) if held else None
            told.append(Told(*key, value, it.timestamp, it.is_historical, quality, properties))
        return told

    def _properties(self, metric: Message) -> dict[str, object]:
        keys, values = metric.properties.keys, metric.properties.values
        self._must(len(keys) == len(values), "payloads-propertyset-keys-array-size", metric)
        found: dict[str, object] = {}
        for key, it in zip(keys, values, strict=False):
            held = it.WhichOneof("value")
            self._must(held == HELD_AS.get(it.type), "payloads-metric-propertyvalue-type-value", metric)
            found[key] = getattr(it, held) if held else None
            if key == "Quality":
                self._must(it.type == INT32, "payloads-propertyset-quality-value-type", metric)
                self._must(found[key] in (0, 192, 500), "payloads-propertyset-quality-value-value", metric)
        return found

    def _must(self, true: bool, rule: str, what: object = "") -> bool:
        if not true:
            self._complain(rule, what)
        return true

    def _complain(self, rule: str, what: object = "") -> None:
        self.complaints.append(f"{rule}: {what}")
