"""A booster set holds its pressure through a day, and does with a pump what it is told."""

from itertools import pairwise
from random import Random

from sitewarden.simulators.plant.booster import DROP, SETPOINT, Booster, Force

HOUR, DAY = 3600, 86_400


def run(booster: Booster, begin: int, seconds: int) -> list[int]:
    """How many pumps ran."""
    counts = []
    for second in range(begin, begin + seconds):
        booster.advance(1.0, second % DAY)
        counts.append(len(booster.running))
    return counts


def test_a_day_with_two_peaks_and_a_night() -> None:
    booster = Booster(Random(1))
    pressures, counts = [], []
    for second in range(DAY):
        booster.advance(1.0, second)
        pressures.append(booster.pressure)
        counts.append(len(booster.running))
    assert min(pressures) > SETPOINT - DROP - 0.3
    assert max(pressures) < SETPOINT + 0.2
    assert counts[3 * HOUR : 4 * HOUR].count(0) > HOUR // 2, "it stops for low flow"
    assert max(counts[7 * HOUR : 8 * HOUR]) == 2
    starts = sum(max(0, after - before) for before, after in pairwise(counts))
    assert starts < DAY / 300, "no pump is started again and again"
    assert all(pump.hours > 0 for pump in booster.pumps)


def test_a_pump_is_started_or_stopped_whatever_the_set_wants() -> None:
    booster = Booster(Random(2))
    run(booster, 12 * HOUR, 600)
    (duty,) = booster.running
    duty.force = Force.STOP
    run(booster, 12 * HOUR + 600, 60)
    assert duty not in booster.running
    assert len(booster.running) == 1
    assert booster.pressure > SETPOINT - DROP
    for pump in booster.pumps:
        pump.force = Force.START
    assert run(booster, 12 * HOUR + 660, 60)[-1] == 3
    assert all(pump.current > 0 and pump.celsius > 24.0 for pump in booster.pumps)
    for pump in booster.pumps:
        pump.force = Force.AUTOMATIC
    assert run(booster, 12 * HOUR + 720, 60)[-1] == 1


def test_a_pump_with_a_fault_stands_and_another_takes_over() -> None:
    booster = Booster(Random(3))
    run(booster, 12 * HOUR, 600)
    (duty,) = booster.running
    duty.fault = 51
    run(booster, 12 * HOUR + 600, 60)
    assert duty not in booster.running
    assert booster.running
