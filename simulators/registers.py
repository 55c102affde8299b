"""The four tables of one simulated device, filled from what the plant is doing right now."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from sitewarden.drivers.modbus.codec import decode, encode, width
from sitewarden.drivers.modbus.points import Kind, Order, Point, Profile, Table
from sitewarden.rules.model import Stamp, Value

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3  # V1.1b3, clause 7


class Refused(Exception):
    """The device answers with this exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Source(Protocol):
    """What a device measures and what can be done to it, by the names of its profile's points."""

    def values(self, at: Stamp) -> Mapping[str, Value | None]:
        """None: the device has no value for it just now."""
        ...

    def write(self, point: str, value: Value, at: Stamp) -> None: ...


class Registers:
    """Addresses between the first and the last point of a table exist, and read 0 in the gaps."""

    def __init__(self, profile: Profile, source: Source) -> None:
        self.refused: dict[tuple[Table, int], int] = {}  # addresses that answer with an exception, and which
        self._source = source
        self._points = {point.name: point for point in profile.points}
        self._shown: dict[str, Value | None] = {}
        self._tables: dict[Table, dict[int, int]] = {}
        for table in Table:
            spans = [
                (point.address, point.address + width(point))
                for point in profile.points
                if point.table is table
            ]
            first = min((span[0] for span in spans), default=0)
            last = max((span[1] for span in spans), default=0)
            self._tables[table] = dict.fromkeys(range(first, last), 0)

    def read(self, table: Table, first: int, count: int, at: Stamp) -> list[int]:
        """`count` words, or bits as 0 and 1; raises Refused."""
        self._check(table, first, count)
        self._refresh(at)
        words = self._tables[table]
        return [words[address] for address in range(first, first + count)]

    def write(self, table: Table, first: int, words: Sequence[int], at: Stamp) -> None:
        """Takes words (bits of a coil as 0 and 1) to the points that they cover; raises Refused."""
        self._check(table, first, len(words))
        self._refresh(at)
        last = first + len(words)
        touched = [
            point
            for point in self._points.values()
            if point.table is table and point.address < last and first < point.address + width(point)
        ]
        writable = {address for point in touched if point.writable for address in _addresses(point)}
        # A part of a register may have a name beside an output that is the whole of it.
        if not touched or not all(writable.issuperset(_addresses(point)) for point in touched):
            raise Refused(ILLEGAL_ADDRESS)
        after = self._tables[table] | dict(zip(range(first, last), words, strict=True))
        values = {point.name: _value(point, after) for point in touched}
        for point in touched:
            if not _within_limits(point, values[point.name]):
                raise Refused(ILLEGAL_VALUE)
        self._tables[table] = after
        self._shown |= values
        for name, value in values.items():
            self._source.write(name, value, at)

    def _check(self, table: Table, first: int, count: int) -> None:
        words = self._tables[table]
        if first not in words or first + count - 1 not in words:
            raise Refused(ILLEGAL_ADDRESS)
        if self.refused:
            for address in range(first, first + count):
                if code := self.refused.get((table, address)):
                    raise Refused(code)

    def _refresh(self, at: Stamp) -> None:
        """Encodes what changed since the last look."""
        shown = self._shown
        for name, value in self._source.values(at).items():
            if shown.get(name, self) != value and (point := self._points.get(name)):
                _put(self._tables[point.table], point, value)
                shown[name] = value


def _addresses(point: Point) -> range:
    return range(point.address, point.address + width(point))


def _put(words: dict[int, int], point: Point, value: Value | None) -> None:
    swapped = point.byte_order is Order.LOW_FIRST
    match point.kind:
        case Kind.BIT:
            mask = 1 << (point.bit ^ 8 if swapped else point.bit)
            words[point.address] = words[point.address] & ~mask | (mask if value else 0)
        case Kind.U8H | Kind.U8L:
            shift = 8 if (point.kind is Kind.U8H) != swapped else 0
            byte = 0xFF if value is None else round((float(value) - point.offset) / point.scale) & 0xFF
            words[point.address] = words[point.address] & ~(0xFF << shift) | byte << shift
        case _:
            raw = _absent(point) if value is None else encode(point, value)
            size = 1 if len(raw) == width(point) else 2
            for place in range(width(point)):
                words[point.address + place] = int.from_bytes(raw[place * size : (place + 1) * size], "big")


def _absent(point: Point) -> bytes:
    """The device's own "no value": the pattern its data sheet names, else all ones."""
    size = 2 * width(point)
    return (point.absent if point.absent is not None else -1).to_bytes(
        size, "big", signed=point.absent is None
    )


def _value(point: Point, words: Mapping[int, int]) -> Value:
    own = [words[point.address + place] for place in range(width(point))]
    raw = bytes(own) if point.kind is Kind.BOOL else b"".join(word.to_bytes(2, "big") for word in own)
    value, _ = decode(point, raw)
    if value is None:
        raise Refused(ILLEGAL_VALUE)
    return value


def _within_limits(point: Point, value: Value) -> bool:
    if isinstance(value, str):
        return True
    low, high = point.write_low, point.write_high
    return (low is None or value >= low) and (high is None or value <= high)
