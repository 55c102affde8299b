"""Profiles: from YAML to the tables that the bus driver reads by."""

import re
from pathlib import Path

import pytest

from sitewarden.config.errors import ConfigErrors
from sitewarden.config.profile import SHIPPED, available, load_profile
from sitewarden.config.profile_address import as_written
from sitewarden.config.profile_shape import Addressing
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
ROOT = Path(__file__).parents[2]
ROW = r"^\| (\[[^|]+) \|[^|]+\| (\d+) \| ([^|]+)\|"  # of the table of profiles: name, points, writable


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


@pytest.mark.parametrize(("text", "says"), blocks("profile_file_mistakes.txt"))
def test_mistakes_of_a_whole_file_have_their_place(tmp_path: Path, text: str, says: str) -> None:
    flow, level = "{table: input, address: 0, type: u16, scale: 0.1}", "{table: input, address: 1, type: u16}"
    status = "{table: holding, address: 9, type: bits}"
    profile(tmp_path, "pump", f"points: {{flow: {flow}, level: {level}, status: {status}}}\n")
    last = "{table: input, address: 65536, type: u16}"
    profile(tmp_path, "last", f"addressing: documented\npoints: {{p: {last}}}\n")
    file = profile(tmp_path, "again", text)
    line, col = place(file)
    with pytest.raises(ConfigErrors) as caught:
        load_profile("again", [tmp_path])
    assert str(caught.value).splitlines() == [f"{file}:{line}:{col}: {says}"]


def test_extends_takes_points_over_and_changes_what_is_said_again(tmp_path: Path) -> None:
    profile(tmp_path, "pump", GOOD)
    flow = "{table: input, address: 9, type: u32}"
    profile(
        tmp_path,
        "twin",
        "extends: pump\nturnaround: 50ms\nforbidden: [{table: input, first: 90, last: 99}]\n"
        f"points:\n  level: {{address: 8, type: u16}}\n  flow: {flow}\n  mode: null\n",
    )
    profile(tmp_path, "third", "extends: twin\npoints: {level: {scale: 1}, power: null}\n")
    twin = load_profile("twin", [tmp_path])
    assert [point.name for point in twin.points] == ["power", "level", "flow"]
    level = twin.points[1]
    assert (level.address, level.kind, level.scale, level.offset) == (7, Kind.U16, 0.1, -1.0)
    assert level.word_order is Order.HIGH_FIRST
    assert (twin.title, twin.source, twin.longest_read, twin.turnaround) == ("A pump", "its manual", 60, 0.05)
    assert twin.forbidden == ((Table.HOLDING, 10, 19), (Table.INPUT, 89, 98)), "as the first file counts"
    assert (twin.points[2].address, twin.points[2].word_order) == (8, Order.LOW_FIRST)
    level, flowing = load_profile("third", [tmp_path]).points
    assert (level.address, level.scale, level.deadband, flowing.name) == (7, 1.0, 0.5, "flow")
    assert load_profile("third", [tmp_path]).family == load_profile("pump", [tmp_path]).family == "pump"


def test_mistakes_of_an_extended_profile_are_told_in_its_own_file(tmp_path: Path) -> None:
    file = profile(tmp_path, "a", "points: {p: {table: input, address: 1, type: u17}}\n")
    profile(tmp_path, "b", "extends: a\n")
    with pytest.raises(ConfigErrors) as caught:
        load_profile("b", [tmp_path])
    assert [error.file for error in caught.value.errors] == [str(file)]


def test_extends_in_a_circle_is_told_with_the_way_around(tmp_path: Path) -> None:
    for name, extends in ("ab", "bc", "ca"):
        profile(tmp_path, name, f"extends: {extends}\n")
    with pytest.raises(ConfigErrors, match=r"c.yaml:1:10: extends: found 'a', expected .* a → b → c → a$"):
        load_profile("a", [tmp_path])


@pytest.mark.parametrize(
    ("number", "table", "address"),
    [
        (1, Table.COIL, 0),
        (9999, Table.COIL, 9998),
        (10001, Table.DISCRETE, 0),
        (100001, Table.DISCRETE, 0),
        (39999, Table.INPUT, 9998),
        (310000, Table.INPUT, 9999),
        (40001, Table.HOLDING, 0),
        (400001, Table.HOLDING, 0),
        (465536, Table.HOLDING, 65535),
    ],
)
def test_a_reference_number_says_table_and_address(
    tmp_path: Path, number: int, table: Table, address: int
) -> None:
    kind = Kind.BOOL if table in {Table.COIL, Table.DISCRETE} else Kind.U16
    profile(tmp_path, "a", f"addressing: reference\npoints: {{p: {{address: {number}, type: {kind}}}}}\n")
    (point,) = load_profile("a", [tmp_path]).points
    assert (point.table, point.address) == (table, address)
    assert as_written(Addressing.REFERENCE, table, address) in {number, number - 90_000 * (number // 100_000)}


def test_parts_of_a_register_may_stand_beside_the_whole(tmp_path: Path) -> None:
    word = "{table: holding, address: 0, type: bits, writable: true}"
    bit, byte = "{table: holding, address: 0, type: bit, bit: 3}", "{table: holding, address: 0, type: u8h}"
    profile(tmp_path, "a", f"points: {{word: {word}, bit: {bit}, byte: {byte}}}\n")
    assert len(load_profile("a", [tmp_path]).points) == 3


def test_when_a_point_is_said_again_and_how_much_of_a_change_counts(tmp_path: Path) -> None:
    profile(
        tmp_path,
        "a",
        "points:\n  p:\n    {table: input, address: 0, type: u16, scale: 0.1, range: [20, 70],\n"
        "    deadband: 1%, min_interval: 500ms, max_interval: 5min, source: its label}\n",
    )
    profile(tmp_path, "b", "extends: a\npoints: {p: {range: [0, 10]}}\n")
    (point,) = load_profile("a", [tmp_path]).points
    assert (point.deadband, point.min_interval, point.max_interval) == (0.5, 0.5, 300.0)
    assert point.source == "its label"
    assert load_profile("b", [tmp_path]).points[0].deadband == 0.1, "a part of the new range"


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


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_readme_s_examples_are_profiles(tmp_path: Path, name: str) -> None:
    for block in (ROOT / name).read_text("utf-8").split("```yaml\n# profiles/")[1:]:
        file, _, text = block.partition("\n")
        profile(tmp_path, file.removesuffix(".yaml"), text.partition("```")[0])
    whole, small = (load_profile(name, [tmp_path]) for name in ("chiller", "chiller-small"))
    assert [point.name for point in whole.points] == ["outlet", "energy", "alarm", "mode"]
    assert whole.points[0].deadband == pytest.approx(0.6)
    assert [point.name for point in small.points] == ["outlet", "alarm", "mode"]
    assert (small.points[0].low, small.points[0].scale) == (0.0, 0.1)


def test_the_table_of_the_shipped_profiles_is_true() -> None:
    table = (ROOT / "docs" / "profiles.md").read_text("utf-8")
    rows = {row[0].strip(" []").partition("]")[0]: row for row in re.findall(ROW, table, re.MULTILINE)}
    assert set(rows) == set(available([SHIPPED]))
    for name, (_, points, writable) in rows.items():
        shipped = load_profile(name, [SHIPPED])
        assert int(points) == len(shipped.points)
        assert (writable.strip() != "–") == any(point.writable for point in shipped.points)
