"""Profiles: from YAML to the tables that the bus driver reads by."""

from pathlib import Path

import pytest

from sitewarden.config.errors import ConfigErrors
from sitewarden.config.profile import SHIPPED, available, load_profile
from sitewarden.drivers.modbus.codec import width
from sitewarden.drivers.modbus.points import Kind, Order, Point, Table
from tests.config.site_text import blocks, place

GOOD = """
title: {en: A pump, zh: 泵}
source: its manual
verified: nothing
addressing: documented
word_order: low_first
longest_read: 60
forbidden: [{table: holding, first: 11, last: 20}]
points:
  power:
    {table: holding, address: 312, type: u32, unit: W, absent: 0xFFFFFFFF, range: [0, 100], normal: [10, 20]}
  level: {table: input, address: 1, type: i16, scale: 0.1, offset: -1, word_order: high_first, deadband: 0.5}
  mode:
    table: holding
    address: 9
    type: enum
    names: {0: auto, 4: {en: min, zh: 最低}}
    setting: true
    writable: true
    limits: [0, 4]
    scan: slow
    label: {en: Mode, zh: 方式}
"""
BLOCKS = blocks("profile_mistakes.txt")


def profile(folder: Path, name: str, text: str) -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(text, "utf-8")
    return file


def test_what_it_becomes(tmp_path: Path) -> None:
    profile(tmp_path, "pump", GOOD)
    pump = load_profile("pump", [tmp_path])
    assert (pump.name, pump.title, pump.longest_read) == ("pump", "A pump", 60)
    assert pump.forbidden == ((Table.HOLDING, 10, 19),)
    power, level, mode = pump.points
    assert power == Point(
        "power",
        Table.HOLDING,
        311,
        Kind.U32,
        words=2,
        word_order=Order.LOW_FIRST,
        unit="W",
        absent=0xFFFFFFFF,
        low=0.0,
        high=100.0,
        normal_low=10.0,
        normal_high=20.0,
    )
    assert (level.address, level.word_order, level.scale, level.offset) == (0, Order.HIGH_FIRST, 0.1, -1.0)
    assert mode.setting
    assert not level.setting
    assert (mode.names, mode.write_high, mode.scan, mode.label["zh"]) == (
        {0: {"zh": "auto", "en": "auto"}, 4: {"zh": "最低", "en": "min"}},
        4.0,
        "slow",
        "方式",
    )


@pytest.mark.parametrize(("point", "says"), BLOCKS)
def test_mistakes_have_their_place(tmp_path: Path, point: str, says: str) -> None:
    file = profile(tmp_path, "pump", f"addressing: documented\npoints:\n  {point}\n")
    line, col = place(file)
    with pytest.raises(ConfigErrors) as caught:
        load_profile("pump", [tmp_path])
    assert f"{file}:{line}:{col}: {says}" in str(caught.value).splitlines()


def test_extends_takes_points_over_and_replaces_what_stands_again(tmp_path: Path) -> None:
    profile(tmp_path, "pump", GOOD)
    level, flow = (f"{{table: input, address: {address}, type: u16}}" for address in (7, 8))
    profile(tmp_path, "twin", f"extends: pump\npoints:\n  level: {level}\n  flow: {flow}\n")
    twin = load_profile("twin", [tmp_path])
    assert [point.name for point in twin.points] == ["power", "level", "mode", "flow"]
    assert (twin.points[1].address, twin.points[1].kind) == (7, Kind.U16)
    assert (twin.title, twin.source, twin.longest_read) == ("A pump", "its manual", 60)


def test_extends_in_a_circle_or_of_nothing(tmp_path: Path) -> None:
    profile(tmp_path, "a", "extends: b\n")
    profile(tmp_path, "b", "extends: a\n")
    profile(tmp_path, "c", "extends: bb\n")
    with pytest.raises(ConfigErrors, match=r"b.yaml:1:10: extends: found 'a', expected one of 'c'"):
        load_profile("a", [tmp_path])
    with pytest.raises(ConfigErrors, match="did you mean 'b'"):
        load_profile("c", [tmp_path])


def test_the_site_s_own_profile_comes_before_the_shipped_one(tmp_path: Path) -> None:
    profile(tmp_path, "grundfos-cim", GOOD)
    assert load_profile("grundfos-cim", [tmp_path, SHIPPED]).title == "A pump"
    assert len(load_profile("grundfos-cim", [SHIPPED]).points) > 20


@pytest.mark.parametrize("name", sorted(available([SHIPPED])))
def test_shipped_profiles_say_where_they_come_from(name: str) -> None:
    shipped = load_profile(name, [SHIPPED])
    assert shipped.title
    assert shipped.source
    assert shipped.verified
    for point in shipped.points:
        assert set(point.label) == {"zh", "en"}, point.name
        assert point.address + width(point) <= 65536
