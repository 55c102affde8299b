"""Report by exception: of everything that is read, only what has changed is said."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from sitewarden.drivers.modbus.codec import BIT_TABLES, decode, width
from sitewarden.drivers.modbus.planner import Block
from sitewarden.drivers.modbus.points import Point
from sitewarden.rules.model import Quality, Reading, Reason, Stamp, Value


@dataclass(slots=True)
class _Trace:
    """One point: where it stands in the block, how it is now and what was last said of it."""

    point: Point
    name: str
    raw: bytes | None = None
    value: Value | None = None
    reason: Reason = Reason.NONE
    said: Value | None = None
    said_reason: Reason | None = None  # None: nothing was ever said
    said_at: float = -inf

    def worth_saying(self) -> bool:
        if self.reason is not self.said_reason:
            return True
        if self.reason or self.value == self.said:
            return False
        if isinstance(self.value, float) and isinstance(self.said, float):
            return abs(self.value - self.said) >= self.point.deadband
        return True

    def say(self, at: Stamp) -> Reading:
        self.said, self.said_reason, self.said_at = self.value, self.reason, at.mono
        quality = Quality.BAD if self.reason else Quality.GOOD
        return Reading(self.name, self.value, at, quality, self.reason)


class Watch:
    """The points of one block. `heartbeat`: s after which an unchanged value is said again."""

    def __init__(self, device: str, block: Block, heartbeat: float) -> None:
        self._block, self._device, self._heartbeat = block, device, heartbeat
        self._traces = {point.name: _Trace(point, f"{device}.{point.name}") for point in block.points}
        self._raw: bytes | None = None
        self._repeat_at = -inf

    def only(self, block: Block) -> "Watch":
        """The same for a part of the block; what is known of its points is kept."""
        watch = Watch(self._device, block, self._heartbeat)
        watch._traces = {name: self._traces[name] for name in watch._traces}
        return watch

    def answered(self, raw: bytes, at: Stamp) -> Iterator[Reading]:
        """`raw`: the data of the answer, all addresses of the block."""
        if raw == self._raw and at.mono < self._repeat_at:
            return
        for trace in self._traces.values():
            if (mine := part(self._block, trace.point, raw)) != trace.raw:
                value, trace.reason = decode(trace.point, mine)
                trace.value = trace.value if trace.reason else value
                trace.raw = mine
            if trace.worth_saying() or at.mono - trace.said_at >= self._heartbeat:
                yield trace.say(at)
        self._raw = raw
        self._repeat_at = min(trace.said_at for trace in self._traces.values()) + self._heartbeat

    def failed(self, reason: Reason, at: Stamp) -> Iterator[Reading]:
        """There is no answer, or none that is worth anything: the last values, and why they are bad."""
        self._raw = None
        for trace in self._traces.values():
            trace.raw, trace.reason = None, reason
            if trace.worth_saying():
                yield trace.say(at)


def part(block: Block, point: Point, raw: bytes) -> bytes:
    """The raw bytes of one point of the block."""
    place = point.address - block.first
    if block.table in BIT_TABLES:
        return bytes([raw[place >> 3] >> (place & 7) & 1])
    return raw[2 * place : 2 * (place + width(point))]
