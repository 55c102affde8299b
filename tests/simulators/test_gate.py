"""Arms, and the cars that come to them."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.simulators.card_reader import CardReaderTwin
from sitewarden.simulators.gate import Car, Gate, Visit
from sitewarden.simulators.plant.arm import CLOSES_AFTER, FALLS_IN, RISES_IN, TIRES_AFTER, Arm
from tests.scenarios import site

CARD = "62E3086CED"


def test_a_pulse_raises_the_arm_in_its_time_and_it_closes_when_nobody_comes() -> None:
    arm = Arm(0.0)
    arm.hold_open(True, 1.0)
    arm.hold_open(False, 1.5)
    arm.advance(1.0 + RISES_IN / 2)
    assert abs(arm.height - 0.5) < 1e-9
    assert not arm.opened
    assert not arm.closed
    arm.advance(1.0 + RISES_IN + 0.001)
    assert arm.opened
    arm.advance(1.5 + TIRES_AFTER + FALLS_IN - 0.1)
    assert not arm.closed
    arm.advance(1.5 + TIRES_AFTER + FALLS_IN + 0.1)
    assert arm.closed


def test_it_closes_a_moment_after_the_car_but_not_while_it_is_held() -> None:
    arm = Arm(0.0)
    arm.hold_open(True, 0.0)
    arm.car(True, 5.0)
    arm.car(False, 8.0)
    arm.advance(100.0)
    assert arm.opened, "the open input is held"
    arm.hold_open(False, 100.0)
    arm.car(True, 101.0)
    arm.car(False, 104.0)
    arm.advance(104.0 + CLOSES_AFTER - 0.01)
    assert arm.opened
    arm.advance(104.0 + CLOSES_AFTER + FALLS_IN + 0.01)
    assert arm.closed


def test_a_falling_arm_rises_again_for_a_car() -> None:
    arm = Arm(0.0)
    arm.hold_open(True, 0.0)
    arm.hold_open(False, 2.0)
    arm.close(3.0)
    arm.car(True, 3.5)
    height = arm.height
    assert 0.0 < height < 1.0
    arm.advance(4.0)
    assert arm.height > height


ACTS = st.sampled_from(["open", "release", "close", "come", "go"])


@settings(max_examples=100)
@given(st.lists(st.tuples(st.floats(0.0, 5.0), ACTS), max_size=40))
def test_whatever_happens_the_arm_never_comes_down_on_a_car(acts: list[tuple[float, str]]) -> None:
    arm, mono = Arm(0.0), 0.0
    for pause, act in acts:
        mono += pause
        match act:
            case "open" | "release":
                arm.hold_open(act == "open", mono)
            case "close":
                arm.close(mono)
            case "come" | "go":
                arm.car(act == "come", mono)
        assert 0.0 <= arm.height <= 1.0
        assert not arm.fell_on_car


class Street:
    """One gate, and a barrier controller that opens for `CARD` half a second after it is held out."""

    def __init__(self) -> None:
        self.ended: list[Visit] = []
        self.reader = CardReaderTwin()
        lane = site.plan().parking.lanes[0]
        self.gate = Gate(lane, self.reader, Random(1), 0.0, self.ended.append)
        self.opens = True

    def run(self, until: float) -> None:
        for tick in range(round(until * 20)):
            mono = tick / 20
            self.gate.advance(mono)
            if self.reader.wake_at is not None and self.opens:
                self.reader.wake_at = None
                self.gate.arm.hold_open(True, mono)
                self.gate.arm.hold_open(False, mono)


def test_a_car_drives_through_when_the_arm_opens() -> None:
    street = Street()
    street.gate.arrive(Car(CARD), 0.0)
    street.run(20.0)
    assert [(visit.car.card, visit.through) for visit in street.ended] == [(CARD, True)]
    assert not street.gate.before
    assert street.gate.arm.closed


def test_a_car_that_is_not_let_in_tries_twice_and_turns_away() -> None:
    street = Street()
    street.opens = False
    street.gate.arrive(Car(CARD), 0.0)
    street.run(40.0)
    assert [visit.through for visit in street.ended] == [False]


def test_a_tailgater_slips_through_behind_and_alone_does_not() -> None:
    street = Street()
    street.gate.arrive(Car(CARD), 0.0)
    street.gate.arrive(Car(tailgates=True), 0.0)
    street.run(20.0)
    assert [visit.through for visit in street.ended] == [True, True]

    alone = Street()
    alone.gate.arrive(Car(tailgates=True), 0.0)
    alone.run(40.0)
    assert [visit.through for visit in alone.ended] == [False]
