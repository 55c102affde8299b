"""Registers to values and back, kind by kind."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitewarden.drivers.modbus.codec import decode, encode, width
from sitewarden.drivers.modbus.points import Kind, Order, Point, Table
from sitewarden.rules.model import Reason, Value

LOW = Order.LOW_FIRST


def point(kind: Kind, table: Table = Table.HOLDING, **options: object) -> Point:
    return Point("p", table, 0, kind, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "raw", "value"),
    [
        (point(Kind.BOOL, Table.COIL), "01", True),
        (point(Kind.BOOL, Table.DISCRETE), "00", False),
        (point(Kind.BIT, bit=9), "0200", True),
        (point(Kind.BIT, bit=10), "0200", False),
        (point(Kind.BIT, bit=0, byte_order=LOW), "0100", True),
        (point(Kind.U8H), "1234", 0x12),
        (point(Kind.U8L), "1234", 0x34),
        (point(Kind.U8L, scale=0.1), "0517", 2.3),
        (point(Kind.U16), "FFFE", 65534),
        (point(Kind.U16, byte_order=LOW), "1234", 0x3412),
        (point(Kind.I16), "FFFE", -2),
        (point(Kind.I16, scale=0.001), "FEAC", -0.340),  # inlet pressure seen on a live Hydro MPC
        (point(Kind.U16, scale=0.1), "0003", 0.3),
        (point(Kind.U16, scale=0.01, offset=-273.15), "7282", 20.0 - 0.01),
        (point(Kind.U32), "0001E240", 123456),
        (point(Kind.U32, word_order=LOW), "E2400001", 123456),
        (point(Kind.U32, word_order=LOW, byte_order=LOW), "40E20100", 123456),
        (point(Kind.I32), "FFFE1DC0", -123456),
        (point(Kind.U64), "00000000499602D2", 1234567890),
        (point(Kind.I64, word_order=LOW), "FFFFFFFFFFFFFFFF", -1),
        (point(Kind.F32), "42F6E979", struct.unpack(">f", bytes.fromhex("42F6E979"))[0]),
        (point(Kind.F32, word_order=LOW), "000041C8", 25.0),
        (point(Kind.F64), "4039000000000000", 25.0),
        (point(Kind.BCD), "1234", 1234),
        (point(Kind.BCD, words=2, scale=0.01), "00123456", 1234.56),
        (point(Kind.STRING, words=3), "434F4E540000", "CONT"),
        (point(Kind.STRING, words=2, byte_order=LOW), "4F43544E", "CONT"),
        (point(Kind.STRING, words=2), "4F4B2020", "OK"),
        (point(Kind.ENUM, names={4: "min"}), "0004", 4),
        (point(Kind.BITS), "8001", 0x8001),
    ],
)
def test_decodes(what: Point, raw: str, value: Value) -> None:
    assert decode(what, bytes.fromhex(raw)) == (value, Reason.NONE)
    assert type(decode(what, bytes.fromhex(raw))[0]) is type(value) or isinstance(value, int)


@pytest.mark.parametrize(
    ("what", "raw", "reason"),
    [
        (point(Kind.U16, absent=0xFFFF), "FFFF", Reason.NOT_AVAILABLE),
        (point(Kind.I16, absent=0x8000), "8000", Reason.NOT_AVAILABLE),
        (point(Kind.I16, absent=-32768), "8000", Reason.NOT_AVAILABLE),
        (point(Kind.BIT, bit=3, absent=0xFFFF), "FFFF", Reason.NOT_AVAILABLE),
        (point(Kind.U8L, absent=0xFF), "00FF", Reason.NOT_AVAILABLE),
        (point(Kind.U32, absent=0xFFFFFFFF), "FFFFFFFF", Reason.NOT_AVAILABLE),
        (point(Kind.F32), "7FC00000", Reason.NOT_AVAILABLE),  # not a number
        (point(Kind.F32), "FF800000", Reason.NOT_AVAILABLE),  # minus infinity
        (point(Kind.BCD), "12A4", Reason.PROTOCOL),
        (point(Kind.U16, low=0, high=100), "0065", Reason.OUT_OF_RANGE),
        (point(Kind.I16, low=0), "FFFF", Reason.OUT_OF_RANGE),
    ],
)
def test_says_why_there_is_no_value(what: Point, raw: str, reason: Reason) -> None:
    assert decode(what, bytes.fromhex(raw)) == (None, reason)


def test_both_ends_of_a_range_are_in_it() -> None:
    what = point(Kind.U16, low=1, high=2)
    assert [decode(what, bytes([0, n]))[1] for n in range(4)] == [
        Reason.OUT_OF_RANGE,
        Reason.NONE,
        Reason.NONE,
        Reason.OUT_OF_RANGE,
    ]


@given(
    st.sampled_from(
        [kind for kind in Kind if kind not in {Kind.BOOL, Kind.STRING, Kind.BCD, Kind.F32, Kind.F64}]
    ),
    st.sampled_from(Order),
    st.sampled_from(Order),
    st.sampled_from([(1.0, 0.0), (0.1, 0.0), (0.01, -273.15), (2.0, 7.0)]),
    st.binary(min_size=8, max_size=8),
)
def test_what_is_encoded_is_decoded(
    kind: Kind, words: Order, octets: Order, linear: tuple[float, float], drawn: bytes
) -> None:
    analogue = kind not in {Kind.BIT, Kind.ENUM, Kind.BITS}
    scale, offset = linear if analogue else (1.0, 0.0)
    what = point(kind, word_order=words, byte_order=octets, scale=scale, offset=offset, bit=5)
    raw = drawn[: 2 * width(what)]
    if kind in {Kind.U64, Kind.I64}:
        raw = bytes(8)  # beyond 2**53 a float is coarser than the register
    value, _ = decode(what, raw)
    assert value is not None
    assert encode(what, value, onto=raw) == raw


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(Order))
def test_floats_come_back_exactly(value: float, words: Order) -> None:
    what = point(Kind.F32, word_order=words)
    assert decode(what, encode(what, value)) == (value, Reason.NONE)


def test_a_part_of_a_register_leaves_the_rest_alone() -> None:
    assert encode(point(Kind.BIT, bit=1), True, onto=b"\x80\x01").hex() == "8003"
    assert encode(point(Kind.BIT, bit=0), False, onto=b"\x80\x01").hex() == "8000"
    assert encode(point(Kind.U8H), 0x12, onto=b"\xab\xcd").hex() == "12cd"
    assert encode(point(Kind.U8L), 0x12, onto=b"\xab\xcd").hex() == "ab12"


@pytest.mark.parametrize(
    ("what", "value"),
    [
        (point(Kind.U16), 65536),
        (point(Kind.U16), -1),
        (point(Kind.U8L), 256),
        (point(Kind.BCD), 10000),
        (point(Kind.BCD), -5),
        (point(Kind.F32), 1e39),
        (point(Kind.U16), float("nan")),
        (point(Kind.U16), "text"),
        (point(Kind.STRING, words=1), "long"),
        (point(Kind.STRING, words=1), "水"),
        (point(Kind.STRING, words=1), 1.0),
    ],
)
def test_refuses_what_the_register_cannot_hold(what: Point, value: Value) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode(what, value)
