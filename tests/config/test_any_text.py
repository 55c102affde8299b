"""Whatever stands in a file: a site, or ConfigErrors with places in that file, and never anything else."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sitewarden.config.document import parse
from sitewarden.config.errors import ConfigError, ConfigErrors
from sitewarden.config.profile import load_profile
from sitewarden.config.site import load
from sitewarden.drivers.modbus.codec import width
from sitewarden.drivers.modbus.points import Kind, Profile, Table
from tests.config.site_text import good, write

pytestmark = pytest.mark.slow

FILE = Path("site.yaml")
WORDS = [
    "site",
    "links",
    "devices",
    "id",
    "5",
    "~",
    "yes",
    "1e400",
    "0x",
    "-",
    ":",
    "*a",
    "&a",
    "<<",
    "!!int",
    "'",
]
SCRAPS = st.sampled_from(
    [*WORDS, "{", "}", "[", "]", ", ", ": ", "\n", "\n  ", "# ", "|\n", "? ", "---\n", "\ud800"]
)


@example("&0{&0")
@given(st.one_of(st.text(), st.lists(SCRAPS, max_size=40).map("".join)))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_tree_or_a_mistake(text: str) -> None:
    with contextlib.suppress(ConfigErrors):
        for error in parse(FILE, text).errors:
            assert error.line >= 1
            assert str(error).startswith("site.yaml:")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    good(folder)
    return folder


def mistakes(file: Path) -> tuple[ConfigError, ...]:
    try:
        load(file, {})
    except ConfigErrors as wrong:
        return wrong.errors
    return ()


VALUES = st.recursive(
    st.one_of(
        st.sampled_from(
            ["null", "true", "-1", "0", "1.5", ".nan", ".inf", "10s", "in", "io-1", "pump-1.pressure"]
        ),
        st.sampled_from(
            ["''", "reader-1", "[1, 2]", "{env: A}", "2024-01-01", "0x1F", "9" * 400, "'\\ud800'", '"a\\0"']
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(
            st.sampled_from(["x", "1", "point", "type", "barrier", "lanes"]), inner, max_size=3
        ).map(lambda entries: "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"),
    ),
    max_leaves=6,
)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_value_anywhere_is_a_site_or_mistakes(folder: Path, data: st.DataObject) -> None:
    """One value somewhere in the good file is replaced by another."""
    file = write(folder)
    text = file.read_text("utf-8")
    places = [at for at, char in enumerate(text) if char == ":" and text[at + 1] in " \n"]
    at = data.draw(st.sampled_from(places)) + 1
    end = min((end for mark in ",}\n" if (end := text.find(mark, at + 1)) > 0), default=len(text))
    file.write_text(f"{text[:at]} {data.draw(VALUES)}{text[end:]}", "utf-8")
    for error in mistakes(file):
        assert error.line >= 1
        assert error.col >= 1
        assert error.expected


PROFILE = """
extends: base
addressing: documented
longest_read: 60
turnaround: 20ms
forbidden: [{table: holding, first: 11, last: 20}]
points:
  power: {table: holding, address: 312, type: u32, absent: 0xFFFF, range: [0, 100], deadband: 1%, scan: slow}
  level: {table: input, address: 1, type: i16, scale: 0.1, offset: -1, word_order: high_first}
  name: {table: holding, address: 1, type: string, words: 4, min_interval: 1s, max_interval: 5min}
  digits: {table: holding, address: 6, type: bcd, words: 2, byte_order: low_first}
  mode: {table: holding, address: 9, type: enum, names: {0: auto, 4: min}, writable: true, limits: [0, 4]}
  bit: {table: holding, address: 9, type: bit, bit: 3}
  flow: {scale: 2}
  speed: null
"""
BASE = "points: {flow: {table: input, address: 7, type: u16}, speed: {table: input, address: 8, type: f64}}\n"
PROFILE_VALUES = st.one_of(
    VALUES,
    st.sampled_from([*map(str, Kind), *map(str, Table), "reference", "wire", "101%", "2%", "65536", "40001"]),
)


def profile_or_mistakes(folder: Path) -> Profile | tuple[ConfigError, ...]:
    try:
        return load_profile("any", [folder])
    except ConfigErrors as wrong:
        return wrong.errors


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_anywhere_is_a_profile_or_mistakes(folder: Path, data: st.DataObject) -> None:
    text = PROFILE
    (folder / "base.yaml").write_text(BASE, "utf-8")
    for _ in range(data.draw(st.integers(1, 2))):
        places = [at for at, char in enumerate(text) if char == ":" and text[at + 1] in " \n"]
        at = data.draw(st.sampled_from(places)) + 1
        end = min((end for mark in ",}\n" if (end := text.find(mark, at + 1)) > 0), default=len(text))
        text = f"{text[:at]} {data.draw(PROFILE_VALUES)}{text[end:]}"
    (folder / "any.yaml").write_text(text, "utf-8")
    found = profile_or_mistakes(folder)
    if isinstance(found, Profile):
        assert all(point.address + width(point) <= 65536 for point in found.points)
    else:
        assert all(error.line >= 1 and error.col >= 1 and error.expected for error in found)


def test_the_profile_that_is_altered_is_right(folder: Path) -> None:
    (folder / "base.yaml").write_text(BASE, "utf-8")
    (folder / "any.yaml").write_text(PROFILE, "utf-8")
    assert len(load_profile("any", [folder]).points) == 7
