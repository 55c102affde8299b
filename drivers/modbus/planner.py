"""Which reads fetch the points of a unit: neighbours of one table and scan class are joined.

A join may read a gap nobody asked for if its bytes cost less than a frame of its own. What the device
then refuses ("illegal address") is halved until the refusal is about one point alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sitewarden.drivers.modbus.codec import BIT_TABLES, width
from sitewarden.drivers.modbus.points import Point, Profile, Table

MOST_REGISTERS, MOST_BITS = 125, 2000  # in one read (V1.1b3, 6.1 to 6.4)
FRAME_COST = 28  # bytes: request 8, answer's frame 5, two silences of 3.5, about 8 while the device thinks


@dataclass(frozen=True, slots=True)
class Block:
    """One read: the addresses [first, end) of a table, and the points in them, by address."""

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


def plan(profile: Profile) -> tuple[Block, ...]:
    points = sorted(profile.points, key=lambda point: (point.table, point.scan, point.address))
    return tuple(
        Block(table, scan, tuple(run))
        for (table, scan), together in groupby(points, lambda point: (point.table, point.scan))
        for run in _joined(profile, list(together))
    )


def halves(block: Block) -> tuple[Block, Block] | None:
    """The block in two, cut at its widest gap; None if it cannot be cut between two points."""
    cuts = [
        (block.points[at].address - before, -abs(2 * at - len(block.points)), at)
        for at, before in enumerate(_ends(block.points), start=1)
        if at < len(block.points) and block.points[at].address >= before
    ]
    if not cuts:
        return None
    *_, at = max(cuts)
    return (
        Block(block.table, block.scan, block.points[:at]),
        Block(block.table, block.scan, block.points[at:]),
    )


def _joined(profile: Profile, points: Sequence[Point]) -> Iterator[list[Point]]:
    """`points`: of one table and scan class, by address."""
    longest = MOST_BITS if points[0].table in BIT_TABLES else min(MOST_REGISTERS, profile.longest_read)
    run = [points[0]]
    end = _end(points[0])
    for point in points[1:]:
        if _worth(profile, point, end) and max(end, _end(point)) - run[0].address <= longest:
            run.append(point)
        else:
            yield run
            run = [point]
            end = _end(point)
        end = max(end, _end(point))
    yield run


def _worth(profile: Profile, point: Point, end: int) -> bool:
    """Whether to read on from `end` to the point rather than begin a new read."""
    gap = point.address - end
    cost = gap / 8 if point.table in BIT_TABLES else gap * 2
    return cost < FRAME_COST and not any(
        table is point.table and first < point.address and last >= end
        for table, first, last in profile.forbidden
    )


def _end(point: Point) -> int:
    return point.address + width(point)


def _ends(points: Sequence[Point]) -> Iterator[int]:
    """How far the first point, the first two, … reach."""
    end = 0
    for point in points:
        end = max(end, _end(point))
        yield end
