"""Telemetry on its way and what became of it, compared: every value looked up, whatever the order."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from sitewarden.config.sinks import ALL, Filter
from sitewarden.gateway.sinks.base import Lane
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.sinks.parse import Record, parse
from sitewarden.gateway.sinks.readback import Influx, Sample, VictoriaMetrics, plain
from sitewarden.gateway.sinks.sieve import Sieve
from sitewarden.gateway.spool.blocks import Rank
from sitewarden.gateway.spool.compare import HOUR, SECOND, Comparison, Hour, Kind, digest
from sitewarden.gateway.spool.kept import Kept, spans
from sitewarden.gateway.spool.spool import Spool
from sitewarden.rules.model import Reading, Stamp

START = datetime(2026, 3, 1, tzinfo=UTC)
BEGIN = int(START.timestamp()) * SECOND
END = BEGIN + 3 * HOUR
NEVER = 1 << 62


class Shelf:
    """A server that has just what it was given."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def write(self, lines: Collection[bytes]) -> None:
        for line in lines:
            self.samples += self.holds(parse(line))

    def holds(self, record: Record) -> Iterator[Sample]:
        return Influx.holds(self, record)  # type: ignore[arg-type]

    def read(self, measurements: Collection[str], begin: int, end: int) -> Iterator[Sample]:
        for sample in reversed(self.samples):
            if sample.measurement in measurements and begin <= sample.instant < end:
                yield sample


def readings(count: int, every: float = 1.0) -> list[bytes]:
    told = [
        Reading(f"pump-{n % 3}.flow", n / 8, Stamp(START + timedelta(seconds=n * every), n * every))
        for n in range(count)
    ]
    return [line for _, line in Lines("cuihu").format(told)]


class Stage:
    def __init__(self, folder: Path, only: Filter = ALL) -> None:
        self.path = folder / "spool.db"
        self.spool = Spool(self.path, ["influx"], keep=86_400.0)
        self.shelf, self.only = Shelf(), only

    def put(self, lines: list[bytes], size: int = 500, rank: Rank = Rank.READING) -> None:
        for start in range(0, len(lines), size):
            block = lines[start : start + size]
            instants = [int(line.rpartition(b" ")[2]) for line in block]
            self.spool.append(block, min(instants), max(instants), rank)

    def deliver(self, most: int = 1 << 30) -> None:
        """As a sink does: what the filter leaves goes to the server."""
        while batch := self.spool.read("influx", Lane.LIVE, most, NEVER):
            for block in batch.blocks:
                self.shelf.write(Sieve(self.only).sift(block.lines))
            self.spool.done("influx", batch)
            if most < 1 << 30:
                return

    def compared(self, begin: int = BEGIN, end: int = END) -> list[Hour]:
        kept = Kept(self.path, "influx")
        try:
            return list(Comparison(kept, self.shelf, Sieve(self.only)).hours(begin, end))
        finally:
            kept.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.spool.close()


def test_what_arrived_is_there_hour_by_hour(stage: Stage) -> None:
    stage.put(readings(9000))
    stage.deliver()
    compared = stage.compared()
    assert [hour.kept.count for hour in compared] == [7200, 7200, 3600]  # value and quality
    assert all(hour.kept == hour.there for hour in compared)
    assert all(hour.equal and not hour.only_there for hour in compared)
    assert len({hour.kept.checksum for hour in compared}) == 3


def test_a_point_that_is_gone_is_named(stage: Stage) -> None:
    stage.put(readings(100))
    stage.deliver()
    gone = next(it for it in stage.shelf.samples if it.instant == BEGIN + 42 * SECOND and it.field == "value")
    stage.shelf.samples.remove(gone)
    (hour, *_) = stage.compared()
    assert not hour.equal
    assert hour.different == {Kind.MISSING: 1, Kind.ALTERED: 0, Kind.TWICE: 0}
    assert hour.named[0].sample == gone
    assert hour.kept.checksum != hour.there.checksum


def test_an_altered_value_and_one_that_is_there_twice_are_named(stage: Stage) -> None:
    stage.put(readings(100))
    stage.deliver()
    one, other = (number for number, it in enumerate(stage.shelf.samples[:4]) if it.field == "value")
    stage.shelf.samples[one] = stage.shelf.samples[one]._replace(value="7.0")
    stage.shelf.samples.append(stage.shelf.samples[other])
    (hour, *_) = stage.compared()
    assert {(it.kind, it.found) for it in hour.named} == {
        (Kind.ALTERED, ("7.0",)),
        (Kind.TWICE, ("0.125", "0.125")),
    }


def test_what_waits_is_not_looked_for_and_may_be_there(stage: Stage) -> None:
    """An answer that was lost: the server has the lines, the spool has no proof."""
    lines = readings(100)
    stage.put(lines[:60])
    stage.deliver()
    stage.put(lines[60:])
    stage.shelf.write(lines[60:80])
    (hour, *_) = stage.compared()
    assert hour.equal
    assert (hour.kept.count, hour.waiting, hour.only_there) == (120, 80, 0)


def test_a_dead_letter_that_is_sent_again_is_on_its_way(stage: Stage) -> None:
    lines = readings(10)
    stage.put(lines)
    stage.deliver()
    stage.shelf.samples = [it for it in stage.shelf.samples if it.instant != BEGIN + 4 * SECOND]
    stage.put([lines[4]])
    (hour, *_) = stage.compared()
    assert (hour.equal, hour.kept.count, hour.waiting) == (True, 18, 2)


def test_a_dead_letter_is_not_missed(stage: Stage) -> None:
    lines = readings(10)
    stage.put(lines)
    stage.deliver()
    stage.shelf.samples = [it for it in stage.shelf.samples if it.instant != BEGIN + 4 * SECOND]
    stage.spool.bury("influx", [(lines[4], "no such field")])
    (hour, *_) = stage.compared()
    assert (hour.equal, hour.kept.count, hour.rejected) == (True, 18, 1)


def test_what_nobody_delivered_is_counted_and_no_fault(stage: Stage) -> None:
    stage.put(readings(100)[50:])
    stage.deliver()
    stage.shelf.write(readings(50))
    (hour, *_) = stage.compared()
    assert hour.equal
    assert hour.only_there == 100


def test_what_a_filter_leaves_out_is_not_missed(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Filter(points=("pump-1.*",)))
    stage.put(readings(90))
    stage.deliver()
    assert {dict(sample.tags)["device"] for sample in stage.shelf.samples} == {"pump-1"}
    (hour, *_) = stage.compared()
    assert (hour.equal, hour.kept.count) == (True, 60)
    stage.spool.close()


def test_memory_does_not_grow_with_the_hour(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sitewarden.gateway.spool.compare.WINDOW", 300)
    asked: list[tuple[int, int]] = []
    read = Shelf.read

    def counted(self: Shelf, measurements: Collection[str], begin: int, end: int) -> Iterator[Sample]:
        asked.append((begin, end))
        return read(self, measurements, begin, end)

    monkeypatch.setattr(Shelf, "read", counted)
    stage.put(readings(3000))
    stage.deliver()
    (hour, *_) = stage.compared()
    assert (hour.equal, hour.kept.count) == (True, 6000)
    assert len(asked) >= 9
    assert asked[0][0] == BEGIN
    assert all(one[1] == next_[0] for one, next_ in pairwise(asked))


def test_a_block_that_is_not_what_was_written_is_told(stage: Stage) -> None:
    stage.put(readings(100), size=50)
    stage.deliver()
    stage.spool._file.db.execute("UPDATE blocks SET crc = crc + 1 WHERE id = 50")
    (hour, *_) = stage.compared()
    assert (hour.unreadable, hour.kept.count, hour.equal) == (50, 100, True)


def test_how_far_back_it_goes(stage: Stage) -> None:
    kept = Kept(stage.path, "influx")
    assert kept.oldest is None
    stage.put([b'alarm,site=cuihu state="x" %d' % (BEGIN - HOUR)], rank=Rank.EVENT)
    assert kept.oldest == BEGIN - HOUR
    stage.put(readings(10))
    assert kept.oldest == BEGIN
    kept.close()


def test_time_in_pieces() -> None:
    assert list(spans(5, 25, 10)) == [(5, 10), (10, 20), (20, 25)]
    assert list(spans(5, 5, 10)) == []


def test_the_checksum_is_the_same_everywhere() -> None:
    place = "reading", (("site", "cuihu"),), "value", BEGIN
    assert digest(place, "0.5") == 2447704426361326828
    assert digest(place, "0.25") != digest((*place[:3], BEGIN + 1), "0.5")


def test_what_a_server_can_hold() -> None:
    record = parse(b'reading,site=a,point=p value=0.1,state=true,quality="good" 1772366400001500123')
    influx = list(Influx.holds(None, record))  # type: ignore[arg-type]
    assert [(it.field, it.value) for it in influx] == [
        ("value", "0.1"),
        ("state", "true"),
        ("quality", '"good"'),
    ]
    metrics = list(VictoriaMetrics.holds(None, record))  # type: ignore[arg-type]
    assert [(it.measurement, it.instant, it.value) for it in metrics] == [
        ("reading_value", 1772366400001000000, "0.1"),
        ("reading_state", 1772366400001000000, "1"),
    ]
    assert plain(3) == plain(3.0) == "3.0"
