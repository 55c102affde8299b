"""What each output of a unit should be, until the unit has confirmed that it is so.

PULSE is on and, `seconds` after the unit has confirmed that, off. SET is on and held: whatever pulses
come, and again after the unit was away. CLEAR ends both. An on that may have reached the unit is always
followed by its off. WRITE is a value, written once and read back, whatever that shows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf

from sitewarden.drivers.modbus.codec import decode, encode
from sitewarden.drivers.modbus.limits import encoded, is_writable
from sitewarden.drivers.modbus.points import Kind, Point, Table, Unit
from sitewarden.drivers.modbus.request import Request, write
from sitewarden.rules.model import Command, Do, Event, Outcome, Reason, Stamp, Trouble, Value, WriteEnded

LAPSES = 10.0  # s; a barrier must not open minutes after the swipe
REST, REST_MOST = 1.0, 2.0  # s until what has come to nothing is tried again
TOLD = 3  # tries that came to nothing, in a row, are told
MOST_COILS = 1968  # in one write (V1.1b3, 6.11)
LATER = frozenset({Reason.ACKNOWLEDGED, Reason.BUSY})  # exceptions that ask for patience


@dataclass(slots=True, eq=False)
class Output:
    point: Point
    held: bool = False
    want: bytes | None = None  # yet to be written
    lapses: float | None = None  # when that is no longer wanted
    pulse: float | None = None  # s that the on in `want` is to last
    off_at: float | None = None  # the end of the pulse under way
    perhaps_on: bool = False  # a pulse's on was sent, and no off confirmed since
    expect: bytes | None = None  # must be read back so
    fails: int = 0  # tries that came to nothing, in a row
    told: bool = False  # that they did
    rests_until: float = -inf  # another try may
    last: bytes | None = None  # as it was read last
    before: bytes | None = None  # as it was read last before the write
    writing: bool = False  # what is under way is a write, and how it ends is told

    def command(self, do: Do, seconds: float, at: Stamp) -> None:
        self.fails, self.rests_until, self.writing = 0, -inf, False
        match do:
            case Do.PULSE if self.held:
                return
            case Do.PULSE:
                self.want, self.expect = encode(self.point, True), None
                self.lapses, self.pulse = at.mono + LAPSES, seconds
            case Do.SET | Do.CLEAR:
                self.held = do is Do.SET
                self.put(encode(self.point, self.held))

    def write(self, raw: bytes, at: Stamp) -> None:
        self.fails, self.rests_until, self.held = 0, -inf, False
        self.put(raw, at.mono + LAPSES)
        self.writing, self.before = True, self.last

    def put(self, raw: bytes, lapses: float | None = None) -> None:
        """Whatever was under way is over; `raw` is to be written and read back."""
        self.want = self.expect = raw
        self.lapses, self.pulse, self.off_at = lapses, None, None

    def due(self, at: Stamp) -> bytes | None:
        """What is to be written now."""
        if self.want is not None and self.lapses is not None and at.mono >= self.lapses:
            self.ended()
            self.pulse = None
            if self.perhaps_on and self.off_at is None:
                self.off_at = at.mono
        if self.want is None and self.off_at is not None and at.mono >= self.off_at:
            self.put(encode(self.point, False))
        return self.want if at.mono >= self.rests_until else None

    @property
    def wake_at(self) -> float | None:
        """When `due` has something; None: not before it is told so."""
        return self.off_at if self.want is None else self.rests_until

    def sent(self) -> None:
        self.perhaps_on = self.perhaps_on or self.pulse is not None

    def confirmed(self, raw: bytes, at: Stamp) -> None:
        """The unit echoed the write of `raw`; meanwhile something else may be wanted."""
        if raw != self.want:
            return
        if self.pulse is not None:
            self.off_at = at.mono + self.pulse
            self.fails = 0  # nothing is read back of it
        else:
            self.perhaps_on = False
        self.want = self.lapses = self.pulse = None

    def failed(self, retries: int, at: Stamp) -> None:
        """A try came to nothing. So many more follow at once, the others after a rest, in which the unit's
        other outputs and reads have their turn."""
        self.fails += 1
        if self.fails > retries:
            self.rests_until = at.mono + min(REST * (self.fails - retries), REST_MOST)

    def ended(self) -> None:
        """Nothing is to be written, or read back, any more."""
        self.want = self.expect = self.lapses = None
        self.writing = False

    def seen(self, raw: bytes) -> bool:
        """The unit was read: what was commanded is there, or (False) is commanded once more."""
        self.last = raw
        if self.expect is None or self.want is not None:
            return True
        if raw != self.expect:
            self.want = self.expect
            return False
        self.fails = 0
        if not self.held:
            self.expect = None
        return True


@dataclass(frozen=True, slots=True)
class Write:
    request: Request
    outputs: tuple[Output, ...]
    values: tuple[bytes, ...]

    def confirmed(self, at: Stamp) -> None:
        for output, value in zip(self.outputs, self.values, strict=True):
            output.confirmed(value, at)


class Outputs:
    """The writable points of a unit."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._all = {point.name: Output(point) for point in unit.profile.points if is_writable(point)}
        self._active: set[Output] = set()  # something is to be written, now or when the pulse ends
        self.joins = True  # False once the unit has refused several coils in one request

    def command(self, command: Command, at: Stamp) -> None:
        """ValueError: no such output, or nothing that may be written to it."""
        output = self._named(command.output)
        if command.do is Do.WRITE:
            output.write(encoded(output.point, command.value), at)
        else:
            output.command(command.do, command.seconds, at)
        self._active.add(output)

    def due(self, at: Stamp) -> Write | None:
        """The next write; neighbouring coils that wait as well go with it."""
        run: list[Output] = []
        values: list[bytes] = []
        for output in sorted(self._active, key=lambda output: output.point.address):
            value = output.due(at)
            if value is None:
                if output.wake_at is None:
                    self._active.remove(output)
            elif not run or (self.joins and len(run) < MOST_COILS and _neighbours(run[-1], output)):
                run.append(output)
                values.append(value)
        if not run:
            return None
        first = run[0].point
        request = write(self._unit.unit_id, first.table, first.address, values)
        return Write(request, tuple(run), tuple(values))

    def refused(self, write: Write, reason: Reason, at: Stamp) -> Iterator[Event]:
        """Not every device knows how to write several coils, or has them all: then one by one."""
        if len(write.outputs) > 1:
            self.joins = False
            return
        (output,), (value,) = write.outputs, write.values
        if output.writing and value == output.want and reason not in LATER:
            yield self._ended(output, Outcome.REFUSED, at, reason=reason)
        else:
            yield from self._failed(output, 0, at)

    def missed(self, write: Write, at: Stamp) -> Iterator[Event]:
        """The unit did not answer. Whether it is there at all its reads will show."""
        for output in write.outputs:
            yield from self._failed(output, self._unit.retries, at)
        if len(write.outputs) > 1 and write.outputs[0].fails > self._unit.retries:
            self.joins = False

    def broadcast(self, write: Write, at: Stamp) -> Iterator[Event]:
        """All units have heard it, as far as anybody can know: none of them answers."""
        write.confirmed(at)
        for output in write.outputs:
            if output.writing:
                yield self._ended(output, Outcome.SENT, at)

    @property
    def eager(self) -> bool:
        """Something is to be written as soon as the unit is there."""
        return any(output.held or output.want is not None for output in self._all.values())

    def next_due(self) -> float | None:
        """When `due` has something."""
        due = [output.wake_at for output in self._active]
        return min((at for at in due if at is not None), default=None)

    def among(self, points: Iterable[Point]) -> tuple[Output, ...]:
        return tuple(self._all[point.name] for point in points if point.name in self._all)

    def seen(self, output: Output, raw: bytes, at: Stamp) -> Iterator[Event]:
        """The unit was read, and the output in it."""
        if output.writing and output.want is None:
            yield self._ended(output, _compared(output, raw), at, raw)
        if not output.seen(raw):
            yield from self._failed(output, self._unit.retries, at)
        elif output.told and not output.fails:
            output.told = False
            yield Trouble("output_fails", self._point(output), False, at)
        if output.want is not None:
            self._active.add(output)

    def returned(self) -> None:
        """The unit was away and may have lost what it was told."""
        for output in self._all.values():
            if output.held:
                output.want = output.expect
                self._active.add(output)

    def _failed(self, output: Output, retries: int, at: Stamp) -> Iterator[Trouble]:
        output.failed(retries, at)
        if output.fails >= TOLD and not output.told:
            output.told = True
            yield Trouble("output_fails", self._point(output), True, at)

    def _point(self, output: Output) -> str:
        return f"{self._unit.device}.{output.point.name}"

    def _ended(
        self,
        output: Output,
        outcome: Outcome,
        at: Stamp,
        raw: bytes | None = None,
        reason: Reason = Reason.NONE,
    ) -> WriteEnded:
        output.ended()
        before, read = _value(output.point, output.before), _value(output.point, raw)
        return WriteEnded(self._point(output), outcome, at, before, read, reason)

    def _named(self, name: str) -> Output:
        if output := self._all.get(name):
            return output
        raise ValueError(f"{self._unit.device} has no output {name!r}")


def _value(point: Point, raw: bytes | None) -> Value | None:
    return decode(point, raw)[0] if raw is not None else None


def _compared(output: Output, raw: bytes) -> Outcome:
    """A text may come back with its end filled up in another way."""
    same = raw == output.expect or (
        output.point.kind is Kind.STRING and _value(output.point, raw) == _value(output.point, output.expect)
    )
    return Outcome.VERIFIED if same else Outcome.UNVERIFIED


def _neighbours(output: Output, other: Output) -> bool:
    if output.point.table is not Table.COIL or other.point.table is not Table.COIL:
        return False
    return other.point.address == output.point.address + 1
