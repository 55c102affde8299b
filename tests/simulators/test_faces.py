"""Every shipped profile has a twin that lives: all its registers make sense, and what must change does."""

from pathlib import Path

import pytest

from sitewarden.config.profile import SHIPPED, load_profile
from sitewarden.drivers.modbus.codec import Decoded
from sitewarden.drivers.modbus.points import Unit
from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, TcpPort
from sitewarden.rules.model import Quality, Reason, Stamp, Value
from sitewarden.simulators.base import Twin
from sitewarden.simulators.estate import Estate
from tests.drivers.virtual import Slave, Virtual, bus
from tests.scenarios import site
from tests.simulators.shown import read

pytestmark = pytest.mark.slow

HOUR = 3600
MORNING = range(6 * HOUR, 8 * HOUR, 60)  # s after the start, which is midnight
STILL = {"relay-8in-8out", "supervised-input-4"}  # nothing is wired to them here
LIVING = {  # what must have changed since midnight, or does so in these hours
    "grundfos-cim": {"flow", "power", "running", "temperature", "speed"},
    "grundfos-cu352": {"flow", "pressure", "power", "p1_speed"},
    "danfoss-fc": {"current", "power", "temperature"},
    "abb-acs580": {"current"},
    "level-4-20ma": {"level"},
    "lift-monitor-a": {"floor", "door_open", "speed", "door_count", "vibration_x"},
    "vanke-ba": {"starts", "distance", "energy", "speed"},
    "two-pump-sump": {"level", "p1_running", "p2_starts"},
}


def shipped(name: str) -> Unit:
    return Unit("device", 1, load_profile(name, [SHIPPED]))


def served(unit: Unit, framing: Framing = Framing.TCP) -> Estate:
    link = LinkPlan("extra", TcpPort("127.0.0.1", 0), BusPlan(framing, (unit,)))
    return Estate(site.plan(), (*site.links(), link), [], 1, site.START)


def seen(estate: Estate, at: Stamp) -> dict[str, Decoded]:
    unit = estate.units["device"]
    return {point.name: read(unit.registers, point, at) for point in unit.unit.profile.points}


def test_every_shipped_profile_is_here() -> None:
    assert STILL | set(LIVING) == {file.stem for file in SHIPPED.glob("*.yaml")}


@pytest.mark.parametrize("name", sorted(STILL | set(LIVING)))
def test_a_shipped_profile_has_a_living_twin(name: str) -> None:
    estate = served(shipped(name))
    values: dict[str, set[Value | None]] = {}
    for seconds in (0, *MORNING):
        at = site.stamp(site.START.mono + seconds)
        estate.woken(at)
        for point, (value, reason) in seen(estate, at).items():
            assert reason is Reason.NONE, f"{point}: {reason}"
            values.setdefault(point, set()).add(value)
    assert {point for point in LIVING.get(name, ()) if len(values[point]) > 1} == LIVING.get(name, set())


def write(estate: Estate, name: str, word: int, at: Stamp) -> None:
    unit = estate.units["device"]
    point = next(point for point in unit.unit.profile.points if point.name == name)
    unit.registers.write(point.table, point.address, [word], at)


def test_a_pump_switched_off_by_bus_stands_until_it_is_released() -> None:
    estate = served(shipped("grundfos-cim"))
    estate.works.tank.level = 1.0  # both are wanted
    at = site.stamp(site.START.mono + 30)
    estate.woken(at)
    assert seen(estate, at)["running"] == (True, Reason.NONE)
    write(estate, "control", 0b001, at)
    at = site.stamp(site.START.mono + 40)
    estate.woken(at)
    assert seen(estate, at)["running"] == (False, Reason.NONE)
    assert seen(estate, at)["control"] == (1, Reason.NONE)
    estate.pumps["device"].fault = 57
    write(estate, "control", 0b111, at)
    at = site.stamp(site.START.mono + 50)
    estate.woken(at)
    assert seen(estate, at)["running"] == (True, Reason.NONE)
    assert seen(estate, at)["alarm_code"] == (0, Reason.NONE)


def test_a_pump_of_a_sump_and_one_of_a_booster_set_run_when_they_are_told_to() -> None:
    for name, output, word, running in (
        ("two-pump-sump", "p2_run", 1, "p2_running"),
        ("grundfos-cu352", "p3_force", 1, "p3_running"),
    ):
        estate = served(shipped(name))
        write(estate, output, word, site.START)
        at = site.stamp(site.START.mono + 5)
        estate.woken(at)
        assert seen(estate, at)[running] == (True, Reason.NONE)
        write(estate, output, 0, at)
        assert seen(estate, at)[output] == (0, Reason.NONE)


def test_the_ba_board_tells_of_a_trapped_passenger() -> None:
    estate = served(shipped("vanke-ba"))
    estate.lifts["device"].trap(site.START.mono)
    before, after = (site.stamp(site.START.mono + seconds) for seconds in (5, 60))
    assert seen(estate, before)["trapped"] == (False, Reason.NONE)
    now = seen(estate, after)
    raised = {name for name, (value, _) in now.items() if value is True}
    assert raised == {
        *("fault", "trapped", "stop_unlevelled", "stop_outside_zone"),
        *("stop_outside_unlocking_zone", "car_button_alarm"),
    }


def test_a_profile_that_extends_a_shipped_one_has_the_same_plant_behind_it(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text("extends: level-4-20ma\npoints: {level: {address: 9}}\n", "utf-8")
    unit = Unit("device", 1, load_profile("ours", [tmp_path, SHIPPED]))
    estate = served(unit)
    assert seen(estate, site.START)["level"][0] == pytest.approx(estate.works.tank.level, abs=0.001)


def test_a_word_is_written_whole_and_its_bits_follow(tmp_path: Path) -> None:
    word, bit = "type: bits, writable: true", "type: bit, bit: 3"
    points = f"word: {{table: holding, address: 0, {word}}}, bit: {{table: holding, address: 0, {bit}}}"
    (tmp_path / "ours.yaml").write_text(f"points: {{{points}}}\n", "utf-8")
    estate = served(Unit("device", 1, load_profile("ours", [tmp_path])))
    write(estate, "word", 0b1001, site.START)
    assert seen(estate, site.START) == {"word": (9, Reason.NONE), "bit": (True, Reason.NONE)}


class Wired(Slave):
    """The twin on the bus of the tests."""

    def __init__(self, twin: Twin) -> None:
        super().__init__({}, tcp=False)
        self._twin, self._mono = twin, site.START.mono

    def answer(self, frame: bytes) -> bytes | None:
        self._mono += 0.01
        return b"".join(self._twin.received(frame, site.stamp(self._mono)))


@pytest.mark.parametrize("name", sorted(STILL | set(LIVING)))
def test_our_own_driver_reads_all_of_it(name: str) -> None:
    estate = served(shipped(name), Framing.RTU)
    unit = estate.units["device"].unit
    line = Virtual(bus([unit]), Wired(estate.twins["extra"]))
    line.run(15.0)
    good = {reading.point for reading in line.readings() if reading.quality is Quality.GOOD}
    assert good == {f"device.{point.name}" for point in unit.profile.points}
