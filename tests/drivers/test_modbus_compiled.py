"""A compiled point reads as `decode` does, wherever in a block it stands."""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitewarden.drivers.modbus.codec import decode, width
from sitewarden.drivers.modbus.compiled import compiled
from sitewarden.drivers.modbus.points import Kind, Order, Point, Table
from sitewarden.rules.model import Reason

ANALOGUE = frozenset(Kind) - {Kind.BOOL, Kind.BIT, Kind.ENUM, Kind.BITS, Kind.STRING}
SCALES = st.sampled_from([1.0, 0.1, 0.01, 0.001, 2.0, -1.0, 1 / 3, 1e-6, 0.0125])
OFFSETS = st.sampled_from([0.0, -273.15, 7.0, 0.1])
BOUNDS = st.none() | st.sampled_from([-100.0, 0.0, 12.5, 1000.0])


@st.composite
def points(draw: st.DrawFn) -> Point:
    kind = draw(st.sampled_from([kind for kind in Kind if kind is not Kind.BOOL]))
    analogue = kind in ANALOGUE
    return Point(
        "p",
        Table.HOLDING,
        0,
        kind,
        words=draw(st.integers(1, 4)) if kind in {Kind.STRING, Kind.BCD} else 1,
        bit=draw(st.integers(0, 15)),
        word_order=draw(st.sampled_from(Order)),
        byte_order=draw(st.sampled_from(Order)),
        scale=draw(SCALES) if analogue else 1.0,
        offset=draw(OFFSETS) if analogue else 0.0,
        absent=draw(st.sampled_from([None, 0, 1, -1, 0xFF, 0x8000, 0xFFFF, 0xFFFFFFFF])),
        low=draw(BOUNDS) if analogue else None,
        high=draw(BOUNDS) if analogue else None,
    )


@given(points(), st.integers(0, 4), st.data())
def test_reads_as_the_reference_does(point: Point, place: int, data: st.DataObject) -> None:
    size = 2 * width(point)
    octet = st.sampled_from([0x00, 0x01, 0x7F, 0x80, 0xC0, 0xFF]) | st.integers(0, 255)
    raw = bytes(data.draw(st.lists(octet, min_size=size, max_size=size)))
    block = b"\xa5" * (2 * place) + raw + b"\x5a\x5a"
    value, reason = compiled(point, place)(block)
    expected = decode(point, raw)
    assert (value, reason) == expected
    assert type(value) is type(expected[0])


@given(st.integers(0, 40), st.binary(min_size=6, max_size=6))
def test_a_coil_is_its_bit_of_the_answer(place: int, raw: bytes) -> None:
    coil = Point("p", Table.COIL, 0, Kind.BOOL)
    on = raw[place // 8] >> place % 8 & 1
    assert compiled(coil, place)(raw) == decode(coil, bytes([on]))


@pytest.mark.parametrize("scale", [0.1, 0.01, 0.001, 0.25, 4.6566e-10])
def test_a_scaled_integer_is_the_number_that_the_manual_would_print(scale: float) -> None:
    point = Point("p", Table.HOLDING, 0, Kind.U32, scale=scale)
    for number in (3, 7, 123_457, 4_294_967_295):
        exact = float(Decimal(repr(scale)) * number)
        assert compiled(point, 0)(struct.pack(">I", number)) == (exact, Reason.NONE)
