"""The edge node, without its connection: which messages it sends, in which order, with which numbers.

    connect    NDEATH is left with the broker as the last will, under the next bdSeq
    birth      NBIRTH (seq 0), then a DBIRTH for each device that is there: every metric, its alias, its value
    data       NDATA and DDATA: aliases, instants, values; each message has the seq after the one before it
    attend     DBIRTH and DDEATH of devices that came or went
    farewell   NDEATH, before it disconnects by its own will

A metric of something that was unknown so far (an alarm that never was, a point of last week's
configuration) is learned first, and that takes a new birth (5.11). The birth after it still has the `KEPT`
that were learned last, beside what stands and what is about to be told. What is older than the value that the
birth told is no current value: it is flagged as historical like everything of the backlog (6.4.6), so a host
never goes back in time. A device that is not there is born for what is still to be told of it, and dies
again: no DDATA comes without a DBIRTH before it.

Source: Eclipse Sparkplug 3.0.0, chapters 4 (topics), 5 (behaviour) and 6.4 (payloads).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count

from sitewarden.gateway.sinks.mqtt.connection import Message
from sitewarden.gateway.sinks.mqtt.topics import level
from sitewarden.gateway.sinks.sparkplug.metrics import Definition, Sample
from sitewarden.gateway.sinks.sparkplug.wire import DataType, Metric, Payload, Property, decode, encode
from sitewarden.rules.model import Quality

MOST = 500  # metrics a message: some 10 kB, where hosted brokers take 128 kB
KEPT = 500  # metrics in a birth of what is no more, such as alarms that are over: some 40 kB

REBIRTH = "Node Control/Rebirth"
BDSEQ = "bdSeq"

QUALITY: Mapping[Quality, int] = {Quality.GOOD: 192, Quality.BAD: 0, Quality.STALE: 500}
"""6.4.9.1 "Quality Codes"."""


class _Verb(StrEnum):
    """Message types (4.1.3); those of a device have a D where those of the node have an N."""

    BIRTH = "BIRTH"
    DEATH = "DEATH"
    DATA = "DATA"


_Key = tuple[str, str]  # device and name


@dataclass(slots=True)
class _Known:
    """A metric that the birth has, or will have."""

    definition: Definition
    alias: int
    current: Sample | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How the site is at this moment."""

    definitions: Iterable[Definition]
    samples: Iterable[Sample]
    devices: Collection[str]  # those that are there


class Node:
    """Instants are ms since 1970. Messages are in the order in which they have to be sent."""

    def __init__(self, group: str, name: str) -> None:
        self._group, self._name = level(group), level(name)
        self.commands = f"spBv1.0/{self._group}/NCMD/{self._name}"
        self._bdseq = self._seq = 0
        self._known: dict[_Key, _Known] = {}
        self._aliases = count(1)
        self._awaited: set[_Key] = set()  # metrics of what is about to be told
        self.born: set[str] = set()  # devices, of this connection
        self._there: Collection[str] = ()

    def connect(self, bdseq: int, now: int) -> Message:
        """The last will of the connection that is about to be made."""
        self._bdseq = bdseq
        self.born.clear()
        return self.farewell(now)

    def farewell(self, now: int) -> Message:
        """[tck-id-payloads-ndeath-seq] no seq, [tck-id-topics-ndeath-payload] bdSeq and nothing else."""
        payload = encode(Payload([self._session(now)], now))
        return Message(self._topic(_Verb.DEATH), payload, qos=1)

    def birth(self, standing: Standing, now: int) -> list[Message]:
        """A device's metrics are as they stand. The node's are as they stand or were told, which is later."""
        its = list(standing.samples)
        self._forget({self._learn(it) for it in standing.definitions} | self._named(its) | self._awaited)
        for known in self._known.values():
            if known.definition.device:
                known.current = None
        for sample in its:
            known = self._of(sample)
            if known.current is None or known.current.ms <= sample.ms:
                known.current = sample
        self._there = standing.devices
        self.born.clear()
        self._seq = -1  # [tck-id-topics-nbirth-seq-num] NBIRTH has 0
        # [tck-id-operational-behavior-data-commands-rebirth-name-aliases] no alias for this one
        control = Metric(False, now, REBIRTH, type=DataType.BOOLEAN)
        metrics = [*self._all("", now), replace(self._session(now), alias=0), control]
        return [self._message(_Verb.BIRTH, "", metrics, now), *self.attend(standing.devices, now)]

    def learn(self, samples: Iterable[Sample]) -> bool:
        """Whether there are metrics among these that no birth has told yet: then one is due before them."""
        before = len(self._known)
        self._awaited = self._named(samples)
        return len(self._known) > before

    def data(self, samples: Iterable[Sample], historical: bool, now: int) -> Iterator[Message]:
        """All of it was learned. There may be a birth between any two of the messages."""
        for device, its in _by_device(samples).items():
            for some in _bounded(its):
                while device and device not in self.born:
                    yield self._device_birth(device, now)
                metrics = [self._datum(sample, historical) for sample in some]
                yield self._message(_Verb.DATA, device, metrics, now)
            if device in self.born and device not in self._there:
                yield self._device_death(device, now)

    def attend(self, devices: Collection[str], now: int) -> list[Message]:
        """`devices` are there, and no others."""
        self._there = devices
        gone, come = self.born.difference(devices), set(devices) - self.born
        return [
            *(self._device_death(device, now) for device in sorted(gone)),
            *(self._device_birth(device, now) for device in sorted(come)),
        ]

    # -- metrics ---------------------------------------------------------------------------------

    def _key(self, sample: Sample) -> _Key:
        """A type never changes: a value of another one, from another configuration, is another metric."""
        known = self._known.get((sample.device, sample.name))
        if known is None or sample.type in (None, known.definition.type):
            return sample.device, sample.name
        return sample.device, f"{sample.name} as {sample.type.name}"

    def _of(self, sample: Sample) -> _Known:
        return self._known[self._key(sample)]

    def _named(self, samples: Iterable[Sample]) -> set[_Key]:
        """Their metrics, and those whose names they could not have: without these they would have them."""
        keys = set[_Key]()
        for sample in samples:
            key = self._key(sample)
            if key not in self._known:
                self._learn(Definition(*key, sample.type or DataType.DOUBLE))
            keys |= {key, (sample.device, sample.name)}
        return keys

    def _learn(self, definition: Definition) -> _Key:
        key = definition.device, definition.name
        if known := self._known.get(key):
            known.definition = definition
        else:
            self._known[key] = _Known(definition, next(self._aliases))
        return key

    def _forget(self, needed: Collection[_Key]) -> None:
        over = [key for key in self._known if key not in needed]
        for key in over[: max(len(over) - KEPT, 0)]:
            del self._known[key]

    def _session(self, now: int) -> Metric:
        """[tck-id-message-flow-edge-node-birth-publish-nbirth-payload-bdSeq]: an Int64."""
        return Metric(self._bdseq, now, BDSEQ, type=DataType.INT64)

    def _all(self, device: str, now: int) -> list[Metric]:
        return [_defined(known, now) for known in self._known.values() if known.definition.device == device]

    def _datum(self, sample: Sample, historical: bool) -> Metric:
        """[tck-id-payloads-alias-data-cmd-requirement]: an alias, and no name."""
        known = self._of(sample)
        before = known.current
        late = historical or (before is not None and sample.ms < before.ms)
        if not late:
            known.current = sample
        recovers = before is not None and before.quality is not Quality.GOOD
        said = _quality(sample) if recovers or sample.quality is not Quality.GOOD else {}
        return Metric(sample.value, sample.ms, alias=known.alias, historical=late, properties=said)

    # -- messages --------------------------------------------------------------------------------

    def _device_birth(self, device: str, now: int) -> Message:
        self.born.add(device)
        return self._message(_Verb.BIRTH, device, self._all(device, now), now)

    def _device_death(self, device: str, now: int) -> Message:
        self.born.discard(device)
        return self._message(_Verb.DEATH, device, (), now)

    def _message(self, verb: _Verb, device: str, metrics: Sequence[Metric], now: int) -> Message:
        """[tck-id-payloads-ddata-seq-inc] 0 to 255 and round again; [tck-id-payloads-ddata-qos] QoS 0;
        [tck-id-operational-behavior-data-publish-dbirth-order] metrics in the order of their instants."""
        self._seq = (self._seq + 1) % 256
        metrics = sorted(metrics, key=lambda metric: metric.timestamp or now)
        return Message(self._topic(verb, device), encode(Payload(metrics, now, self._seq)), qos=0)

    def _topic(self, verb: _Verb, device: str = "") -> str:
        """[tck-id-topic-structure]"""
        if device:
            return f"spBv1.0/{self._group}/D{verb}/{self._name}/{level(device)}"
        return f"spBv1.0/{self._group}/N{verb}/{self._name}"


def asks_for_birth(command: bytes) -> bool:
    """Of an NCMD (5.17). Raises Malformed."""
    return any(metric.name == REBIRTH and metric.value is True for metric in decode(command).metrics)


def _defined(known: _Known, now: int) -> Metric:
    """[tck-id-topics-dbirth-metrics]: name, type and value; [tck-id-payloads-alias-birth-requirement]: alias.
    [tck-id-operational-behavior-data-publish-dbirth-values]: a null without a value."""
    it, sample = known.definition, known.current
    properties = {"engUnit": Property(DataType.STRING, it.unit)} if it.unit else {}
    if sample is None:
        return Metric(None, now, it.name, known.alias, it.type, properties=properties)
    if sample.quality is not Quality.GOOD:
        properties |= _quality(sample)
    return Metric(sample.value, sample.ms, it.name, known.alias, it.type, properties=properties)


def _quality(sample: Sample) -> dict[str, Property]:
    """[tck-id-payloads-propertyset-quality-value-type]: an Int32. The reason is our own code."""
    return {
        "Quality": Property(DataType.INT32, QUALITY[sample.quality]),
        "Reason": Property(DataType.STRING, sample.reason),
    }


def _by_device(samples: Iterable[Sample]) -> Mapping[str, Sequence[Sample]]:
    """Each in the order of their instants."""
    its: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.ms):
        its.setdefault(sample.device, []).append(sample)
    return its


def _bounded(samples: Iterable[Sample]) -> Iterator[Sequence[Sample]]:
    """One metric may come several times in a message, "as long as they have different timestamps" (5.16)."""
    some: list[Sample] = []
    instants: set[tuple[str, int]] = set()
    for sample in samples:
        instant = sample.name, sample.ms
        if len(some) == MOST or instant in instants:
            yield some
            some, instants = [], set()
        some.append(sample)
        instants.add(instant)
    if some:
        yield some
