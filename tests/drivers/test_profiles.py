"""The profiles that are shipped: each loads, says where it comes from, and can be read and shown."""

from pathlib import Path

import pytest

from sitewarden.config.profile import SHIPPED, load_profile
from sitewarden.drivers.modbus.codec import decode, encode
from sitewarden.drivers.modbus.pace import NETWORK
from sitewarden.drivers.modbus.planner import plan
from sitewarden.drivers.modbus.points import Kind, Point, Profile, Unit
from sitewarden.rules.model import Reason
from tests.drivers.virtual import unit

SCANS = unit("any", 1).scan


def profile(name: str) -> Profile:
    return load_profile(name, [SHIPPED])


def point(name: str, of: str) -> Point:
    return next(point for point in profile(of).points if point.name == name)


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_profile_is_honest_readable_and_speaks_both_languages(file: Path) -> None:
    found = profile(file.stem)
    assert found.title
    assert found.source
    assert found.verified
    for one in found.points:
        assert set(one.label) == {"en", "zh"}, one.name
        assert one.scan in SCANS, one.name
    assert sum(len(block.points) for block in plan(Unit("device", 1, found), NETWORK)) == len(found.points)


@pytest.mark.parametrize(
    ("of", "name", "address", "raw", "value"),
    [
        ("grundfos-cim", "pressure", 300, "0D48", 3.4),  # register 301 as the manual counts
        ("grundfos-cim", "running", 200, "0200", True),
        ("grundfos-cim", "power", 311, "0001D4C0", 120_000.0),  # high word first
        ("grundfos-cim", "temperature", 320, "7968", 37.65),  # 310.80 K
        ("grundfos-cu352", "inlet_pressure", 314, "FEAC", -0.340),  # 65196, seen on a live set
        ("level-4-20ma", "level", 0, "2EE0", 2.5),  # 12.000 mA of 4 to 20
        ("lift-monitor-a", "fault_unlevelled_trap", 0, "0002", True),
        ("lift-monitor-a", "door_open", 1, "0800", True),
        ("lift-monitor-a", "speed", 2, "070F", 1.5),
        ("lift-monitor-a", "floor", 2, "070F", 7.0),
        ("lift-monitor-a", "floors_run", 5, "00010000", 65536.0),
        ("supervised-input-4", "line3", 2, "0898", 2200.0),
    ],
)
def test_a_register_reads_as_its_source_says(
    of: str, name: str, address: int, raw: str, value: object
) -> None:
    found = point(name, of)
    assert found.address == address
    assert decode(found, bytes.fromhex(raw)) == (value, Reason.NONE)


def test_no_value_is_told_from_a_value() -> None:
    assert decode(point("flow", "grundfos-cim"), b"\xff\xff")[1] is Reason.NOT_AVAILABLE
    assert decode(point("running", "grundfos-cim"), b"\xff\xff")[1] is Reason.NOT_AVAILABLE
    level = point("level", "level-4-20ma")
    for microampere in (0, 3_590, 20_600, 22_000):  # a broken or shorted loop, NAMUR NE 43
        assert decode(level, microampere.to_bytes(2, "big"))[1] is Reason.OUT_OF_RANGE
    for microampere in (3_800, 4_000, 20_000, 20_500):
        assert decode(level, microampere.to_bytes(2, "big"))[1] is Reason.NONE


def test_every_output_takes_a_command() -> None:
    for name in ("relay-8in-8out", "two-pump-sump"):
        outputs = [one for one in profile(name).points if one.writable]
        assert outputs
        assert all(one.kind is Kind.BOOL and encode(one, True) == b"\1" for one in outputs)
