"""Whatever stands in a file: a site, or ConfigErrors with places in that file, and never anything else."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.config.document import parse
from sitewarden.config.errors import ConfigError, ConfigErrors
from sitewarden.config.site import load
from tests.config.site_text import good, write

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
