"""Which reads fetch the points of a unit in the fewest wire-seconds.

A read may go over a gap nobody asked for if its bytes cost less than an exchange of its own. The cheapest
way to cut the addresses of one interval into reads is found by dynamic programming. Points of a slower scan
class that a faster read passes over anyway ride along in it: what is read more often than need be is
reported by exception all the same. What the device then refuses ("illegal address") is halved until the
refusal is about one point alone.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sitewarden.drivers.modbus.codec import BIT_TABLES, width
from sitewarden.drivers.modbus.pace import Pace
from sitewarden.drivers.modbus.points import Point, Profile, Table, Unit
from sitewarden.drivers.modbus.request import MOST_READ

READ_PDU = 5  # bytes of a read
ANSWER_PDU = 2  # bytes of its answer without the data

Span = tuple[int, int]
"""Addresses [first, end) of a table."""


@dataclass(frozen=True, slots=True)
class Block:
    """One read: the addresses [first, end) of a table, and the points in them, by address.

    `scan`: the scan class at whose interval it is read, the fastest of its points.
    """

    table: Table
    scan: str
    points: tuple[Point, ...]

    @property
    def first(self) -> int:
        return self.points[0].address

    @property
    def end(self) -> int:
        return max(_end(point) for point in self.points)

    @property
    def count(self) -> int:
        return self.end - self.first

    @property
    def size(self) -> int:
        """Bytes of data in the answer."""
        return (self.count + 7) // 8 if self.table in BIT_TABLES else 2 * self.count

    def lasts(self, pace: Pace, turnaround: float) -> float:
        """s from the first bit of the request until the next may be sent."""
        return pace.exchange(READ_PDU, ANSWER_PDU + self.size, turnaround)


def plan(unit: Unit, pace: Pace) -> tuple[Block, ...]:
    """Every point stands in one block; the fastest blocks come first."""
    scan = unit.scan
    blocks: list[Block] = []
    for table in Table:
        left = [point for point in unit.profile.points if point.table is table]
        left.sort(key=lambda point: (point.address, -width(point)))
        while left:
            interval = min(scan[point.scan] for point in left)
            spans = _outline(point for point in left if scan[point.scan] == interval)
            runs, left = _within(left, _cheapest(spans, table, unit.profile, pace))
            blocks += (_block(run, scan) for run in runs)
    return tuple(sorted(blocks, key=lambda block: scan[block.scan]))


def halves(block: Block, scan: Mapping[str, float]) -> tuple[Block, Block] | None:
    """The block in two, cut at its widest gap; None if it cannot be cut between two points.

    A half in which slower points only rode along is henceforth read at their own interval.
    """
    cuts = [
        (block.points[at].address - before, -abs(2 * at - len(block.points)), at)
        for at, before in enumerate(_ends(block.points), start=1)
        if at < len(block.points) and block.points[at].address >= before
    ]
    if not cuts:
        return None
    *_, at = max(cuts)
    return _block(block.points[:at], scan), _block(block.points[at:], scan)


def _block(points: Sequence[Point], scan: Mapping[str, float]) -> Block:
    fastest = min(points, key=lambda point: scan[point.scan])
    return Block(fastest.table, fastest.scan, tuple(points))


def _outline(points: Iterable[Point]) -> list[Span]:
    """The spans of the points, by address, without those that lie within another."""
    spans: list[Span] = []
    for point in points:
        if not spans or _end(point) > spans[-1][1]:
            spans.append((point.address, _end(point)))
    return spans


def _within(points: Iterable[Point], reads: Sequence[Span]) -> tuple[list[list[Point]], list[Point]]:
    """The points of each read, and those that none of them passes over."""
    firsts = [first for first, _ in reads]
    runs: list[list[Point]] = [[] for _ in reads]
    left: list[Point] = []
    for point in points:
        at = bisect_right(firsts, point.address) - 1
        within = at >= 0 and _end(point) <= reads[at][1]
        (runs[at] if within else left).append(point)
    return runs, left


def _cheapest(spans: Sequence[Span], table: Table, profile: Profile, pace: Pace) -> list[Span]:
    """The reads that together take the least time, and of those that do the fewest.

    Every byte of an answer costs the same. So which of two spans a read had better begin with does not
    depend on where it ends, and only the best in reach is looked at: the least of a sliding window. Bits
    come eight to a byte, the last of which may be begun: there the spans have a window for each place in
    the byte.
    """
    bits = table in BIT_TABLES
    most = MOST_READ[table] if bits else min(MOST_READ[table], profile.longest_read)
    grain = 8 if bits else 1
    read, byte = _prices(pace, profile.turnaround)
    price = byte if bits else 2 * byte
    forbidden = [(first, last) for where, first, last in profile.forbidden if where is table]
    windows = [_Window() for _ in range(grain)]
    spent = [(0, 0)]  # ns and number of the reads for the first 0, 1, 2 … spans
    begun: list[int] = []  # with which span the last of those reads begins
    for at, earliest in enumerate(_reach(spans, most, forbidden)):
        first, end = spans[at]
        windows[first % grain].add(at, (spent[at][0] - price * (first // grain), spent[at][1]))
        *cost, begin = min(
            (spent[n][0] + read + price * -((spans[n][0] - end) // grain), spent[n][1] + 1, -n)
            for window in windows
            if (n := window.least(earliest)) is not None
        )
        spent.append((cost[0], cost[1]))
        begun.append(-begin)
    reads: list[Span] = []
    at = len(spans)
    while at:
        end, at = spans[at - 1][1], begun[at - 1]
        reads.append((spans[at][0], end))
    return reads[::-1]


def _reach(spans: Sequence[Span], most: int, forbidden: Sequence[Span]) -> Iterator[int]:
    """For each span: with which one a read that ends with it may begin at the earliest."""
    earliest = 0
    for at, (first, end) in enumerate(spans):
        before = spans[at - 1][1] if at else first
        if any(bar < first and last >= before for bar, last in forbidden) and before < first:
            earliest = at
        while end - spans[earliest][0] > most and earliest < at:
            earliest += 1
        yield earliest


class _Window:
    """The least of the latest entries; of equal ones the last."""

    def __init__(self) -> None:
        self._entries: deque[tuple[tuple[int, int], int]] = deque()  # ascending

    def add(self, number: int, value: tuple[int, int]) -> None:
        while self._entries and self._entries[-1][0] >= value:
            self._entries.pop()
        self._entries.append((value, number))

    def least(self, earliest: int) -> int | None:
        """The number of the least entry from `earliest` on; what is before is forgotten."""
        while self._entries and self._entries[0][1] < earliest:
            self._entries.popleft()
        return self._entries[0][1] if self._entries else None


def _prices(pace: Pace, turnaround: float) -> tuple[int, int]:
    """Of a read without its data, and of each byte of data: in whole ns, so that equal plans are equal."""
    read = pace.exchange(READ_PDU, ANSWER_PDU, turnaround)
    byte = pace.exchange(READ_PDU, ANSWER_PDU + 1, turnaround) - read
    return round(read * 1e9), round(byte * 1e9)


def _end(point: Point) -> int:
    return point.address + width(point)


def _ends(points: Sequence[Point]) -> Iterator[int]:
    """How far the first point, the first two, … reach."""
    end = 0
    for point in points:
        end = max(end, _end(point))
        yield end
