"""Every cell survives being written down, and nothing else is read."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.rules.cells import KEPT, KINDS, LaneCell, dump, kind_of, load
from sitewarden.rules.model import Stamp, Value

finite = st.floats(allow_nan=False, allow_infinity=False)
instants = st.datetimes().map(lambda wall: wall.replace(tzinfo=UTC, fold=0))
st.register_type_strategy(float, finite)
st.register_type_strategy(Stamp, st.builds(Stamp, instants, finite))
values = st.one_of(finite, st.integers(), st.booleans(), st.text(max_size=5))


def cells_of(kind: Any) -> st.SearchStrategy[object]:
    hints = get_type_hints(kind)
    own = {f.name: st.dictionaries(st.text(max_size=5), values, max_size=3) for f in fields(kind)}
    return st.builds(kind, **{name: own[name] for name, hint in hints.items() if hint == Mapping[str, Value]})


@pytest.mark.parametrize("prefix", sorted(KINDS))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_what_is_dumped_is_loaded_as_it_was(prefix: str, data: st.DataObject) -> None:
    cell = data.draw(cells_of(KINDS[prefix]))
    again = load(f"{prefix}/x", dump(cell))
    assert again == cell
    assert repr(again) == repr(cell), "types and all: 1 is not 1.0"


def test_every_kept_kind_has_a_key() -> None:
    assert set(KINDS.values()) >= KEPT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '{"grants":[{"card":"a"}]}',  # a grant that does not say when it lapses
        '{"grants":[{"lapses":"soon"}]}',
        '{"grants":[{"lapses":1.0,"kind":"weekly"}]}',
        '{"grants":{}}',
        '{"under":1}',
        '{"over":true}',
    ],
)
def test_a_garbled_cell_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        load("lane/in", text)


def test_an_error_says_where_it_is() -> None:
    with pytest.raises(ValueError, match=r"lane/in\.grants\[0\]\.lapses: expected float, found 'soon'"):
        load("lane/in", '{"grants":[{"lapses":"soon"}]}')


@pytest.mark.parametrize("key", ["", "lanes/in", "LANE/in"])
def test_a_key_that_no_cell_has_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="no cell is called"):
        kind_of(key)


def test_a_cell_may_grow_by_fields_with_defaults() -> None:
    assert load("lane/in", "{}") == LaneCell()


@given(st.text(max_size=30))
def test_no_text_is_half_understood(text: str) -> None:
    try:
        cell = load("lane/in", text)
    except ValueError:
        return
    assert json.loads(dump(cell)).keys() >= json.loads(text).keys()


def test_what_could_not_be_read_again_is_not_written() -> None:
    with pytest.raises(ValueError, match="no JSON for object"):
        dump(object())
