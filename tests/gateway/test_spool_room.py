"""What goes when there is no room, what stays after it was delivered, and what is said of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sitewarden.gateway.database import MIB
from sitewarden.gateway.spool.blocks import Batch, Rank
from sitewarden.gateway.spool.spool import Spool
from tests.gateway.spool_under_test import drain, noise, oldest

S = 10**9  # ns


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    it = Spool(tmp_path / "spool.db", ["influx"], most=MIB, keep=1e9)
    yield it
    it.close()


def full(spool: Spool) -> int:
    return sum(loss.count for loss in spool.losses(1000) if loss.why == "full")


def test_what_is_delivered_goes_first_and_is_no_loss(spool: Spool) -> None:
    for n in range(300):
        spool.append(noise(n, 100), n, n)
        assert drain(spool) == noise(n, 100)
    assert (spool.stats().lost, spool.dropping, spool.fill) == (0, False, 0.0)
    assert 0 < spool.stats().kept < 30_000  # it is full of what was delivered


@pytest.mark.slow
def test_then_the_oldest_readings_and_never_an_event_while_there_is_one(spool: Spool) -> None:
    for n in range(10):
        spool.append(noise(n, 10), n, n, Rank.EVENT)
    for n in range(300):
        spool.append(noise(n, 100), n, n)
    assert spool.dropping
    assert full(spool) == spool.stats().lost > 0
    got = drain(spool)
    assert got[:100] == [line for n in range(10) for line in noise(n, 10)]
    assert got[-100:] == noise(299, 100)
    assert len(got) - 100 + spool.stats().lost == 30_000


@pytest.mark.slow
def test_events_go_last_of_all(spool: Spool) -> None:
    for n in range(20):
        spool.append(noise(n, 100), n, n)
    for n in range(300):
        spool.append(noise(n, 100), n, n, Rank.EVENT)
    lost = full(spool)
    got = drain(spool)
    assert got[-100:] == noise(299, 100)  # and no reading is left
    assert len(got) + lost == 32_000


def test_what_waits_for_the_clock_goes_before_events(spool: Spool) -> None:
    spool.hold(noise(1, 100), 1, 1)
    for n in range(300):
        spool.append(noise(n, 100), n, n, Rank.EVENT)
    assert spool.stats().held == 0
    (first,) = [loss for loss in spool.losses(1000) if loss.note]
    assert (first.why, first.count) == ("full", 100)


def test_each_destination_loses_what_it_lacked(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", ["away", "there"], most=MIB)
    for n in range(200):
        spool.append(noise(n, 100), n, n)
        drain(spool, "there")
    assert {loss.destination for loss in spool.losses(1000)} == {"away"}
    assert len(drain(spool, "away")) + full(spool) == 20_000
    spool.close()


def test_it_is_over_when_enough_was_delivered(spool: Spool) -> None:
    for n in range(300):
        spool.append(noise(n, 100), n, n)
    assert spool.fill > 0.9
    while spool.fill > 0.6:
        batch = oldest(spool)
        assert batch
        spool.done("influx", batch)
    spool.append(noise(1, 100), 1, 1)
    assert not spool.dropping


@pytest.mark.slow
@pytest.mark.parametrize(("keep", "kept"), [(0.0, 0), (100.0, 100), (1e9, 1000)])
def test_what_is_delivered_is_kept_for_a_while(tmp_path: Path, keep: float, kept: int) -> None:
    spool = Spool(tmp_path / "spool.db", ["influx"], keep=keep)
    for n in range(1000):
        spool.append([b"line"], n * S, n * S)
        if n % 10 == 9:
            drain(spool)
    assert kept <= spool.stats().kept <= kept + 64
    spool.close()


def test_what_nobody_has_is_kept_however_old_it_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", ["away", "there"], keep=10.0)
    for n in range(200):
        spool.append([b"line"], n * S, n * S)
        drain(spool, "there")
    assert len(drain(spool, "away")) == 200
    spool.close()


def test_a_new_destination_gets_what_is_kept_too(spool: Spool) -> None:
    spool.append(noise(1, 10), 1, 1)
    drain(spool)
    spool.serve(["influx", "new"])
    assert drain(spool, "new") == noise(1, 10)


def test_a_batch_of_which_a_part_was_dropped_meanwhile_may_be_done(spool: Spool) -> None:
    spool.append(noise(0, 100), 0, 0)
    batch = oldest(spool)
    assert isinstance(batch, Batch)
    for n in range(1, 200):
        spool.append(noise(n, 100), n, n)
    spool.done("influx", batch)
    assert len(drain(spool)) + full(spool) == 20_000
