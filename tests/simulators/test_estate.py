"""The estate is wired as the plans say, and made to happen by its buttons."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.drivers.modbus.codec import decode, width
from sitewarden.drivers.modbus.points import Kind, Point, Profile, Table
from sitewarden.rules.model import Direction, Reason
from sitewarden.simulators.controls import PRESSES, controls, press
from sitewarden.simulators.drift import Drift
from sitewarden.simulators.estate import Estate, Seen, Switched
from sitewarden.simulators.registers import Registers
from tests.scenarios import site


def estate(seen: list[Seen] | None = None) -> Estate:
    heard = [] if seen is None else seen
    return Estate(site.plan(), site.links(), site.permits(), 1, site.START, seen=heard.append)


def line(plant: Estate) -> int:
    (ohms,) = plant.units["io-fire"].registers.read(Table.INPUT, 0, 1, site.START)
    return ohms


def test_the_fire_line_reads_what_the_bands_expect() -> None:
    plant = estate()
    read = {}
    for act in ("fire", "line_fault/open", "line_fault/short", "line_mended", "fire_over"):
        name, _, fault = act.partition("/")
        press(plant, name, f"panel-1/{fault}" if fault else "panel-1", site.START)
        read[act] = line(plant)
    assert 500 <= read["fire"] < 1200
    assert read["line_fault/open"] >= 6000
    assert read["line_fault/short"] < 300
    assert read["line_mended"] == read["fire"], "mended, and the contact still says fire"
    assert 1800 <= read["fire_over"] < 2600


def test_the_output_of_a_lane_moves_its_arm_and_the_inputs_follow() -> None:
    seen: list[Seen] = []
    plant = estate(seen)
    registers = plant.units["io-gate"].registers
    assert registers.read(Table.DISCRETE, 0, 2, site.START) == [0, 1]
    registers.write(Table.COIL, 0, [1], site.START)
    registers.write(Table.COIL, 0, [1], site.START)
    later = site.stamp(site.START.mono + 5)
    assert registers.read(Table.DISCRETE, 0, 2, later) == [1, 0]
    assert seen == [Switched(site.START.mono, "io-gate", "out1", True)]
    assert plant.gates["out-1"].arm.closed


def test_every_button_has_an_action_and_wrong_ones_are_refused() -> None:
    plant = estate()
    assert {control.name for control in controls(plant)} <= set(PRESSES)
    for name, target in (
        ("swipe", "nowhere/valid"),
        ("swipe", "in-1/not-a-card"),
        ("swipe", "in-1"),
        ("swipe", ""),
        ("burst_pipe", "in-1"),
        ("line_fault", "panel-1/bent"),
        ("trap_passenger", "pump-1"),
        ("unplug", "nowhere"),
        ("earthquake", ""),
    ):
        with pytest.raises(KeyError):
            press(plant, name, target, site.START)


def test_a_card_is_sent_only_from_the_side_where_its_car_is() -> None:
    plant = estate()
    ways = [
        {permit.card for permit in site.permits() if plant.traffic.may_go(permit.card, way)}
        for way in Direction
    ]
    assert not ways[0] & ways[1]
    card = min(ways[1])
    press(plant, "car_arrives", f"out-1/{card}", site.START)
    assert not any(plant.traffic.may_go(card, way) for way in Direction), "it is on its way"


NUMBERS = [kind for kind in Kind if kind not in (Kind.BOOL, Kind.STRING)]


@settings(max_examples=60)
@given(
    kind=st.sampled_from(NUMBERS),
    seed=st.integers(0, 9),
    mono=st.floats(0, 1e6),
    scale=st.sampled_from([1.0, 0.1]),
)
def test_an_unknown_device_reads_plausibly_within_its_range(
    kind: Kind, seed: int, mono: float, scale: float
) -> None:
    ranged = {} if kind in (Kind.BIT, Kind.ENUM, Kind.BITS) else {"low": 0.0, "high": 20.0}
    words = (
        4 if kind in (Kind.U64, Kind.I64, Kind.F64) else 2 if kind in (Kind.U32, Kind.I32, Kind.F32) else 1
    )
    point = Point("x", Table.HOLDING, 5, kind, words, scale=scale, **ranged)
    profile = Profile("unknown", (point,))
    registers = Registers(profile, Drift(profile, Random(seed)))
    read = registers.read(Table.HOLDING, 5, width(point), site.stamp(mono))
    value, reason = decode(point, b"".join(word.to_bytes(2, "big") for word in read))
    assert reason is Reason.NONE
    assert value is not None
