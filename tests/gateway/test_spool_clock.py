"""Whatever the clock does, every reading arrives once, in order and with its true instant."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.gateway.clock import SETTLE
from sitewarden.gateway.spool.blocks import Loss
from sitewarden.gateway.spool.spool import Spool
from tests.gateway.machine import NOON, Machine
from tests.gateway.spool_stage import Stage, ns, records

DEAD = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BATTERY = timedelta(days=3)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    it = Spool(tmp_path / "spool.db", ["influx"])
    yield it
    it.close()


class Life:
    """A gateway that reads a level every second: how often it has read, and when that really was."""

    def __init__(self, spool: Spool, machine: Machine) -> None:
        self.spool, self.machine, self.truth = spool, machine, NOON
        self.stage = Stage(spool, machine)
        self.true: list[datetime] = []

    def reads(self, times: int) -> None:
        for _ in range(times):
            self.stage.turn([self.stage.level(len(self.true))])
            self.true.append(self.truth)
            self.passes(1)

    def passes(self, seconds: float) -> None:
        self.machine.passes(seconds)
        self.truth += timedelta(seconds=seconds)

    def right(self) -> None:
        """NTP has found the time."""
        self.machine.wall = self.truth

    def dies(self, seconds: float) -> None:
        """And comes back within the same boot."""
        last = self.stage.clock.now()
        self.passes(seconds)
        self.stage = Stage(self.spool, self.machine, last=last)

    def boots(self, seconds: float, wall: datetime) -> None:
        last = self.stage.clock.now()
        self.passes(seconds)
        self.machine = Machine(wall, 7.0)
        self.stage = Stage(self.spool, self.machine, last=last, boot="two")

    def arrived(self) -> list[float]:
        """s by which each reading is from when it was. All are there, once, in order."""
        found = records(self.spool)
        assert [record.fields["value"] for record in found] == [*range(len(self.true))]
        assert [record.ns for record in found] == sorted({record.ns for record in found})
        return [(it.ns - ns(true)) / 1e9 for it, true in zip(found, self.true, strict=True)]


def exact(apart: list[float]) -> bool:
    return max(map(abs, apart)) < 1


@pytest.mark.slow
def test_a_dead_rtc_and_the_network_ten_minutes_later(spool: Spool) -> None:
    life = Life(spool, Machine(DEAD, 7.0))
    life.reads(600)
    assert records(spool) == []
    assert spool.stats().held == 600
    life.right()
    life.reads(10)
    assert exact(life.arrived())
    (told,) = spool.losses()
    first = ns(life.true[0])
    assert told == Loss("clock", 0, first, first + 599 * 10**9, note="600")


def test_nothing_that_is_held_is_told_of_before(spool: Spool) -> None:
    life = Life(spool, Machine(DEAD, 7.0))
    life.reads(5)
    life.right()
    life.reads(1)
    life.stage.turn()
    (loss,) = records(spool, "loss")
    assert (loss.tags["why"], loss.tags["cause"], loss.fields["note"]) == ("clock", "clock", "5")


def test_a_step_back_that_is_taken_back(spool: Spool) -> None:
    life = Life(spool, Machine())
    life.reads(20)
    life.machine.wall -= HOUR
    life.reads(20)
    assert spool.stats().held == 20
    life.right()
    life.reads(20)
    assert exact(life.arrived())


def test_a_step_forward_that_is_taken_back(spool: Spool) -> None:
    life = Life(spool, Machine())
    life.reads(20)
    life.machine.wall += HOUR
    life.reads(20)
    life.right()
    life.reads(20)
    assert exact(life.arrived())


def test_a_step_forward_that_stays_was_right(spool: Spool) -> None:
    """The clock was slow until then: what it had stamped is on its way already."""
    life = Life(spool, Machine(NOON - HOUR))
    life.reads(20)
    life.right()
    life.reads(10)
    life.passes(SETTLE)
    life.reads(10)
    apart = life.arrived()
    assert apart[:20] == [-3600.0] * 20
    assert exact(apart[20:])


def test_a_step_back_that_stays_was_right(spool: Spool) -> None:
    life = Life(spool, Machine(NOON + HOUR))
    life.stage.turn()
    life.right()
    life.reads(20)
    life.passes(3600)
    life.reads(10)
    assert exact(life.arrived())


@pytest.mark.parametrize("off", [0.5, 300.0])
def test_a_gateway_that_dies_while_it_does_not_know_the_time(spool: Spool, off: float) -> None:
    life = Life(spool, Machine(DEAD, 7.0))
    life.reads(20)
    life.dies(off)
    life.reads(20)
    life.right()
    life.reads(20)
    assert exact(life.arrived())
    assert spool.losses()[0].note == "40"


def test_a_boot_that_never_knew_the_time_is_put_as_near_as_can_be(spool: Spool) -> None:
    life = Life(spool, Machine(DEAD, 7.0))
    life.reads(20)
    life.boots(60, DEAD)
    life.reads(20)
    life.right()
    life.reads(20)
    apart = life.arrived()
    assert exact(apart[20:])
    assert apart[:20] == pytest.approx([60.0 - 7.0] * 20, abs=1.5)  # as if it had booted at once
    assert [loss.count for loss in spool.losses() if loss.why == "clock"] == [20]
    assert "estimate" in spool.losses()[0].note


def test_a_boot_that_knew_the_time_before_it_was_in_doubt_is_put_by_that(spool: Spool) -> None:
    life = Life(spool, Machine())
    life.reads(20)
    life.machine.wall -= HOUR
    life.reads(20)
    life.boots(86_400, life.truth + timedelta(seconds=86_400))
    life.reads(20)
    assert exact(life.arrived())


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(acts=st.lists(st.tuples(st.integers(1, 20), st.integers(-3, 3)), max_size=12), dead=st.booleans())
def test_whatever_it_did(acts: list[tuple[int, int]], dead: bool) -> None:
    """Readings, then a step to so many hours from the truth; all within the time that a step must stand."""
    with TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool.db", ["influx"])
        life = Life(spool, Machine(DEAD if dead else NOON, 7.0))
        for times, hours in acts:
            life.reads(times)
            if dead:
                life.machine.wall = DEAD + hours * HOUR
            else:
                life.machine.wall = life.truth + hours * HOUR
        life.reads(3)
        life.right()
        life.reads(3)
        assert exact(life.arrived())
        assert spool.stats().held == 0
        spool.close()
