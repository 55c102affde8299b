"""What was delivered beside what the server has of it, hour by hour.

Both sides become samples (`sinks/readback.py`). A window of time holds about `WINDOW` lines, so that an hour
costs the same memory on a small site and on a large one; within it each value is looked up. The checksum is
the sum of a hash of each sample: it does not depend on their order, nor on the run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b

from sitewarden.gateway.sinks.parse import SERIES, parse
from sitewarden.gateway.sinks.readback import Reader, Sample, Tags
from sitewarden.gateway.sinks.sieve import Sieve
from sitewarden.gateway.spool.kept import Entry, Kept, spans

SECOND = 1_000_000_000  # ns
HOUR = 3600 * SECOND
WINDOW = 20_000  # lines
NAMED = 20  # differences that an hour names; all of them are counted

Place = tuple[str, Tags, str, int]  # of a sample: all but its value


class Kind(StrEnum):
    MISSING = "missing"  # was delivered, and is not there
    ALTERED = "altered"  # is there with another value
    TWICE = "twice"  # is there more often than it was measured


@dataclass(frozen=True, slots=True)
class Difference:
    kind: Kind
    sample: Sample  # as it was measured
    found: tuple[str, ...]  # values


@dataclass(slots=True)
class Side:
    count: int = 0  # values
    checksum: int = 0

    def add(self, other: "Side") -> None:
        self.count += other.count
        self.checksum = (self.checksum + other.checksum) & 0xFFFF_FFFF_FFFF_FFFF


@dataclass(slots=True)
class Hour:
    """Values from `begin` up to `end` (ns) exclusive. What waits still, and what the server refused, is on
    neither side."""

    begin: int
    end: int
    kept: Side = field(default_factory=Side)
    there: Side = field(default_factory=Side)
    waiting: int = 0
    rejected: int = 0  # lines
    unreadable: int = 0  # lines of blocks that are not what was written
    only_there: int = 0  # older than what is kept, or somebody else's
    different: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    named: list[Difference] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return not any(self.different.values())

    def note(self, kind: Kind, sample: Sample, found: Sequence[str]) -> None:
        self.different[kind] += 1
        if len(self.named) < NAMED:
            self.named.append(Difference(kind, sample, tuple(found)))


class Comparison:
    """Of one destination with what it was given."""

    def __init__(self, kept: Kept, server: Reader, sieve: Sieve) -> None:
        self._kept, self._server, self._sieve = kept, server, sieve

    def hours(self, begin: int, end: int) -> Iterator[Hour]:
        """Each hour of that time (ns, whole seconds), as soon as it is compared. Raises Unreadable."""
        for opening, closing in spans(begin, end, HOUR):
            hour = Hour(opening, closing)
            entries = self._kept.within(opening, closing)
            windows = 1 + sum(entry.count for entry in entries) // WINDOW
            width = max((closing - opening) // windows // SECOND, 1) * SECOND
            for first, last in spans(opening, closing, width):
                within = [entry for entry in entries if entry.first < last and entry.last >= first]
                self._compare(hour, within, first, last)
            yield hour

    def _compare(self, hour: Hour, entries: Sequence[Entry], begin: int, end: int) -> None:
        delivered, waiting = self._given(hour, entries, begin, end)
        hour.waiting += len(waiting)
        if not delivered:
            return
        there: dict[Place, list[str]] = {}
        for sample in self._server.read({place[0] for place in delivered}, begin, end):
            there.setdefault(sample[:4], []).append(sample.value)
        for place, values in delivered.items():
            found = there.pop(place, [])
            kept = _side(place, values)
            hour.kept.add(kept)
            hour.there.add(kept if found == values else _side(place, found))
            if kind := _difference(values, found):
                hour.note(kind, Sample(*place, values[-1]), found)
        hour.only_there += len(there.keys() - waiting)

    def _given(
        self, hour: Hour, entries: Sequence[Entry], begin: int, end: int
    ) -> tuple[dict[Place, list[str]], set[Place]]:
        """What the server should hold, and what it may hold already or not."""
        delivered: dict[Place, list[str]] = {}
        waiting: set[Place] = set()
        for entry, line in self._lines(hour, entries):
            if not begin <= _instant(line) < end:
                continue
            if self._kept.is_rejected(line):
                hour.rejected += 1
                continue
            for sample in self._server.holds(parse(line)):
                if entry.delivered:
                    delivered.setdefault(sample[:4], []).append(sample.value)
                else:
                    waiting.add(sample[:4])
        for place in delivered.keys() & waiting:  # a dead letter that is sent again
            del delivered[place]
        return delivered, waiting

    def _lines(self, hour: Hour, entries: Sequence[Entry]) -> Iterator[tuple[Entry, bytes]]:
        for entry in entries:
            try:
                lines = self._sieve.sift(self._kept.lines(entry))
            except ValueError:
                hour.unreadable += entry.count
            else:
                yield from ((entry, line) for line in lines)


def _difference(values: Sequence[str], found: Sequence[str]) -> Kind | None:
    if not found:
        return Kind.MISSING
    if not set(found) <= set(values):
        return Kind.ALTERED
    return Kind.TWICE if len(found) > len(values) else None


def _side(place: Place, values: Sequence[str]) -> Side:
    return Side(len(values), sum(digest(place, value) for value in values))


def digest(place: Place, value: str) -> int:
    """64 bits of all that a sample is."""
    measurement, tags, name, instant = place
    whole = _series(measurement, tags, name).copy()
    whole.update(f"{instant} {value}".encode())
    return int.from_bytes(whole.digest())


@lru_cache(SERIES)
def _series(measurement: str, tags: Tags, name: str) -> blake2b:
    return blake2b(repr((measurement, tags, name)).encode(), digest_size=8)


def _instant(line: bytes) -> int:
    return int(line.rpartition(b" ")[2])
