"""Report by exception: of everything that is read, only what has changed is said.

A block that reads as it did before costs one comparison; in one that does not, only the points are decoded
whose registers differ. What stays as it is is said again at its `max_interval`, a change that came too soon
after the last one at the end of `min_interval`: each point stands in a queue with the instant at which that
will be.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from math import inf

from sitewarden.drivers.modbus.codec import BIT_TABLES, width
from sitewarden.drivers.modbus.compiled import Read, compiled
from sitewarden.drivers.modbus.planner import Block
from sitewarden.drivers.modbus.points import Point
from sitewarden.rules.model import Quality, Reading, Reason, Stamp, Value

CHUNK = 16  # bits that are compared at once: a register, or so many coils


@dataclass(slots=True, eq=False)
class _Trace:
    """One point: how it is now and what was last said of it."""

    name: str
    read: Read
    deadband: float
    least: float  # s between what is said of it
    most: float  # s until it is said again
    value: Value | None = None
    reason: Reason = Reason.NONE
    said: Value | None = None
    said_reason: Reason | None = None  # None: nothing was ever said
    said_at: float = -inf
    queued: float = inf  # its place in the queue

    def take(self, raw: bytes) -> None:
        value, self.reason = self.read(raw)
        if not self.reason:
            self.value = value

    def resume(self, before: "_Trace") -> None:
        self.value, self.reason = before.value, before.reason
        self.said, self.said_reason, self.said_at = before.said, before.said_reason, before.said_at

    def due(self) -> float:
        """When it is to be said, if it stays as it is."""
        if self.reason is not self.said_reason:
            return -inf
        return self.said_at + (self.least if self._moved() else self.most)

    def say(self, at: Stamp) -> Reading:
        self.said, self.said_reason, self.said_at = self.value, self.reason, at.mono
        quality = Quality.BAD if self.reason else Quality.GOOD
        return Reading(self.name, self.value, at, quality, self.reason)

    def _moved(self) -> bool:
        if self.reason or self.value == self.said:
            return False
        if isinstance(self.value, float) and isinstance(self.said, float):
            return abs(self.value - self.said) >= self.deadband
        return True


class _Queue:
    """Traces by the instant at which there is something to be said of them though they do not change.

    A trace that is said meanwhile keeps its place, and is put off when its turn comes: a point that changes
    all the time costs the queue one move in its `most` s.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, _Trace]] = []
        self._numbers = count()

    @property
    def first(self) -> float:
        return self._entries[0][0] if self._entries else inf

    def put(self, trace: _Trace, due: float) -> None:
        """Unless it stands there with an earlier instant."""
        if due < trace.queued:
            trace.queued = due
            heapq.heappush(self._entries, (due, next(self._numbers), trace))

    def take(self, until: float) -> list[_Trace]:
        taken = []
        while self.first <= until:
            due, _, trace = heapq.heappop(self._entries)
            if due == trace.queued:  # else it was put there again, with an earlier one
                trace.queued = inf
                taken.append(trace)
        return taken


class Watch:
    """The points of one block. `heartbeat`: s after which an unchanged value is said again."""

    def __init__(self, device: str, block: Block, heartbeat: float) -> None:
        self._device, self._heartbeat = device, heartbeat
        self._traces = [_trace(device, block, point, heartbeat) for point in block.points]
        self._chunks = _chunks(block, self._traces)
        self._queue = _Queue()
        self._raw: bytes | None = None  # the last answer; None: decode them all

    def resume(self, before: Iterable["Watch"]) -> "Watch":
        """Goes on with what these know of its points: the block is a part of theirs, or all of them."""
        known = {trace.name: trace for watch in before for trace in watch._traces}
        for trace in self._traces:
            trace.resume(known[trace.name])
        return self

    def answered(self, raw: bytes, at: Stamp) -> Sequence[Reading]:
        """`raw`: the data of the answer, all addresses of the block."""
        if raw == self._raw and at.mono < self._queue.first:
            return ()
        said: list[Reading] = []
        for trace in self._changed(raw):
            trace.take(raw)
            self._settle(trace, at, said)
        for trace in self._queue.take(at.mono):
            self._settle(trace, at, said)
        self._raw = raw
        return said

    def failed(self, reason: Reason, at: Stamp) -> Sequence[Reading]:
        """There is no answer, or none that is worth anything: the last values, and why they are bad."""
        self._raw = None
        said = []
        for trace in self._traces:
            trace.reason = reason
            if reason is not trace.said_reason:
                said.append(trace.say(at))
        return said

    def _settle(self, trace: _Trace, at: Stamp, said: list[Reading]) -> None:
        """Says what is due, and sees to it that the trace has its turn again."""
        due = trace.due()
        if due <= at.mono:
            said.append(trace.say(at))
            due = at.mono + trace.most
        self._queue.put(trace, due)

    def _changed(self, raw: bytes) -> Iterable[_Trace]:
        """Those whose registers differ from the last answer's, by address: both answers are numbers, and
        what is left of one in the other ("exclusive or") is gone through from its highest bit down."""
        if self._raw is None:
            return self._traces
        size = 8 * len(raw)
        differ = int.from_bytes(raw) ^ int.from_bytes(self._raw)
        changed: dict[_Trace, None] = {}
        while differ:
            chunk = (size - differ.bit_length()) // CHUNK
            changed.update(self._chunks[chunk])
            differ &= (1 << max(size - CHUNK * (chunk + 1), 0)) - 1
        return changed


def _trace(device: str, block: Block, point: Point, heartbeat: float) -> _Trace:
    return _Trace(
        f"{device}.{point.name}",
        compiled(point, point.address - block.first),
        point.deadband,
        point.min_interval,
        heartbeat if point.max_interval is None else point.max_interval,
    )


def _chunks(block: Block, traces: Sequence[_Trace]) -> list[dict[_Trace, None]]:
    """The traces, by address, that stand in each chunk of the answer."""
    bits = 1 if block.table in BIT_TABLES else 16
    chunks: list[dict[_Trace, None]] = [{} for _ in range(-(-block.count * bits // CHUNK))]
    for trace, point in zip(traces, block.points, strict=True):
        place = point.address - block.first
        for chunk in range(place * bits // CHUNK, -(-(place + width(point)) * bits // CHUNK)):
            chunks[chunk][trace] = None
    return chunks


def part(block: Block, point: Point, raw: bytes) -> bytes:
    """The raw bytes of one point of the block."""
    place = point.address - block.first
    if block.table in BIT_TABLES:
        return bytes([raw[place >> 3] >> (place & 7) & 1])
    return raw[2 * place : 2 * (place + width(point))]
