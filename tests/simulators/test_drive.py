"""A drive ramps, obeys the control words of its makers, trips and is reset."""

from math import isclose
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitewarden.config.profile import SHIPPED, load_profile
from sitewarden.drivers.modbus.points import Point, Profile
from sitewarden.rules.model import Value
from sitewarden.simulators import drive_faces
from sitewarden.simulators.faces import Wired
from sitewarden.simulators.plant.drive import COAST, OVERLOAD, RAMP, RATED_AMPERE, Drive
from sitewarden.simulators.registers import Refused, Registers
from tests.scenarios import site
from tests.simulators.shown import read


def standing() -> Drive:
    return Drive(Random(1), 0.0, on=False, speed=0.0, reference=1.0)


def test_it_ramps_up_and_down_and_coasts_without_its_converter() -> None:
    drive = standing()
    drive.switch(True)
    drive.advance(RAMP / 2)
    assert drive.speed == 0.5
    assert not drive.at_reference
    drive.advance(RAMP)
    assert drive.at_reference
    assert isclose(drive.current, RATED_AMPERE, rel_tol=0.05)
    drive.switch(False)
    drive.advance(RAMP * 1.5)
    assert drive.speed == 0.5
    assert drive.power == 0.0
    drive.switch(True)
    drive.advance(RAMP * 3)
    drive.switch(False, coasts=True)
    drive.advance(RAMP * 3 + COAST / 2)
    assert drive.speed == 0.5


@given(st.lists(st.floats(0.001, 2.0), min_size=1, max_size=20))
def test_its_speed_is_the_same_however_often_one_looks(steps: list[float]) -> None:
    often, seldom = standing(), standing()
    for drive in (often, seldom):
        drive.switch(True)
    for step in steps:
        often.advance(often.mono + step)
    seldom.advance(often.mono)
    assert isclose(often.speed, seldom.speed, abs_tol=1e-9)


def test_who_tripped_stands_until_it_is_reset_and_told_to_start_once_more() -> None:
    drive = Drive(Random(1), 0.0)
    drive.trip()
    drive.advance(COAST)
    assert (drive.speed, drive.alarm, drive.current) == (0.0, OVERLOAD, 0.0)
    drive.reset()
    drive.advance(2 * COAST)
    assert (drive.speed, drive.alarm) == (0.0, 0)
    drive.switch(True)
    drive.advance(2 * COAST + RAMP)
    assert drive.at_reference


def test_it_warms_up_while_it_works() -> None:
    drive = Drive(Random(1), 0.0, reference=1.0)
    drive.advance(3600.0)
    assert 50.0 < drive.celsius < 70.0


class Served:
    """A drive behind the registers of its profile."""

    def __init__(self, name: str) -> None:
        self.profile: Profile = load_profile(name, [SHIPPED])
        self.drive = Drive(Random(1), site.START.mono)
        source = Wired(self.profile, Random(1))
        if name == "danfoss-fc":
            face, word, obey = drive_faces.fc_face, drive_faces.FC_STARTS, drive_faces.obey_fc
        else:
            face, word, obey = drive_faces.abb_face, drive_faces.ABB_RUNS, drive_faces.obey_abb
        drive_faces.wire_drive(source, self.drive, face(self.drive), word, obey)
        self.registers = Registers(self.profile, source)
        self.seconds = 0.0

    def point(self, name: str) -> Point:
        return next(point for point in self.profile.points if point.name == name)

    def write(self, name: str, word: int) -> None:
        point, at = self.point(name), site.stamp(site.START.mono + self.seconds)
        self.registers.write(point.table, point.address, [word & 0xFFFF], at)

    def read(self, name: str) -> Value | None:
        return read(self.registers, self.point(name), site.stamp(site.START.mono + self.seconds))[0]


@pytest.mark.parametrize(
    ("name", "start", "stop", "reset", "half"),
    [("danfoss-fc", 0x047C, 0x043C, 0x04BC, 0x2000), ("abb-acs580", 0x047F, 0x047E, 0x04FE, 10_000)],
)
def test_the_control_word_starts_and_stops_it_and_the_reference_turns_it(
    name: str, start: int, stop: int, reset: int, half: int
) -> None:
    served = Served(name)
    assert (served.read("control_word"), served.read("running")) == (start, True)
    served.write("reference", half)
    served.seconds += 10
    assert served.read("actual") == pytest.approx(50.0, abs=0.01)
    assert served.read("frequency") == 25.0
    served.write("control_word", stop)
    assert served.read("control_word") == stop
    served.seconds += 10
    assert (served.read("actual"), served.read("running"), served.read("current")) == (0.0, False, 0.0)
    served.write("control_word", start)
    served.write("reference", -half)
    served.seconds += 10
    assert served.read("actual") == pytest.approx(-50.0, abs=0.01)
    served.drive.trip()
    served.seconds += 20
    assert (served.read("alarm"), served.read("actual")) == (True, 0.0)
    served.write("control_word", start)
    served.write("control_word", reset)
    served.seconds += 5
    assert (served.read("alarm"), served.read("running")) == (False, False)
    served.write("control_word", start)
    served.seconds += 10
    assert served.read("running")


@pytest.mark.parametrize("name", ["danfoss-fc", "abb-acs580"])
def test_a_word_that_is_not_for_it_changes_nothing_and_a_status_is_not_written(name: str) -> None:
    served = Served(name)
    served.write("control_word", 0)  # neither valid data nor by fieldbus
    served.seconds += 10
    assert served.read("running")
    with pytest.raises(Refused):
        served.write("running", 0)


def test_a_danfoss_turns_backwards_by_a_bit() -> None:
    served = Served("danfoss-fc")
    served.write("control_word", 0x847C)
    served.seconds += 10
    assert served.read("actual") == pytest.approx(-70.0, abs=0.01)
