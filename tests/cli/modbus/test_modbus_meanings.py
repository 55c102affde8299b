"""What registers may mean: everything that is typed is among it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitewarden.gateway.cli.modbus.meanings import Arrangement, bcd, bits, signed, spans, swapped, text
from sitewarden.gateway.cli.modbus.typed import Type, coils, registers

SENSIBLE = {
    Type.U32: st.integers(1, 10**8),
    Type.I32: st.integers(-(10**8), -1),
    Type.F32: st.floats(2**-13, 1e7, width=32) | st.floats(-1e7, -(2**-13), width=32),
    Type.U64: st.integers(1, 10**15),
    Type.I64: st.integers(-(10**15), -1),
    Type.F64: st.floats(1e-6, 1e12),
    Type.BCD: st.integers(10_000, 99_999_999),
}


@given(data=st.data(), order=st.sampled_from(Arrangement), before=st.lists(st.integers(0, 65535), max_size=3))
@pytest.mark.parametrize("kind", SENSIBLE)
def test_what_is_written_is_among_what_is_read(
    kind: Type, data: st.DataObject, order: Arrangement, before: list[int]
) -> None:
    """Wherever it stands, in the order in which it was written."""
    value = data.draw(SENSIBLE[kind])
    words = registers([str(value)], kind, order)
    found = [
        span.values[order]
        for span in spans(100, [*before, *words])
        if span.first == 100 + len(before) and span.words == len(words) and span.kind == kind
        if order in span.values
    ]
    assert found == [pytest.approx(value, rel=1e-6)]


@given(st.lists(st.integers(0, 65535), max_size=8))
def test_whatever_stands_there_only_sensible_values_are_said(words: list[int]) -> None:
    for span in spans(0, words):
        assert span.values
        for value in span.values.values():
            if isinstance(value, float):
                assert 1e-6 <= abs(value) <= 1e12
            elif isinstance(value, int):
                assert abs(value) <= 10**15


def test_zeros_mean_nothing_together() -> None:
    assert list(spans(0, [0, 0, 0, 0])) == []


def test_a_text_is_found_in_both_orders_of_its_bytes() -> None:
    words = registers(["GRUNDFOS"], Type.TEXT, Arrangement.ABCD)
    (found,) = [span for span in spans(0, [1, *words, 0]) if span.kind == "text"]
    assert (found.first, found.words) == (1, 4)
    assert found.values == {Arrangement.ABCD: "GRUNDFOS", Arrangement.BADC: "RGNUFDSO"}


def test_one_word() -> None:
    assert (signed(0xFFF1), signed(0x7FFF)) == (-15, 32767)
    assert bits(0x8421) == "1000 0100 0010 0001"
    assert swapped(0x1234) == 0x3412
    assert (bcd(0x1234), bcd(0x123A), bcd(9)) == (1234, None, None)
    assert (text(0x4142), text(0x0041), text(0)) == ("AB", ".A", "")


@pytest.mark.parametrize(
    ("kind", "typed", "words"),
    [
        (Type.U16, "0x1F", [31]),
        (Type.I16, "-1", [65535]),
        (Type.F32, "21.5", [0x41AC, 0]),
        (Type.BCD, "1234", [0x1234]),
        (Type.BCD, "12345", [1, 0x2345]),
        (Type.TEXT, "abc", [0x6162, 0x6300]),
    ],
)
def test_values_as_they_are_typed(kind: Type, typed: str, words: list[int]) -> None:
    assert registers([typed], kind, Arrangement.ABCD) == words


@pytest.mark.parametrize(
    ("kind", "typed"),
    [(Type.U16, "-1"), (Type.I16, "40000"), (Type.F32, "1e99"), (Type.BCD, "-3"), (Type.TEXT, "水泵")],
)
def test_what_does_not_fit_is_said_with_what_does(kind: Type, typed: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        registers([typed], kind, Arrangement.ABCD)


def test_coils_are_on_or_off() -> None:
    assert coils(["on", "OFF", "1", "false"]) == [1, 0, 1, 0]
    with pytest.raises(ValueError, match="expected on or off"):
        coils(["perhaps"])
