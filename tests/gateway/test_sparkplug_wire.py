"""Our payloads as Google's decoder reads them, its payloads as ours does, and bytes that are none."""

import math
import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.gateway.sinks.sparkplug.wire import (
    KINDS,
    DataType,
    Kind,
    Malformed,
    Metric,
    Payload,
    Property,
    decode,
    encode,
)
from tests.gateway.sparkplug_definition import PAYLOAD, DecodeError, Message

UINT64 = st.integers(0, 2**64 - 1)
WORDS = st.text(max_size=8)
VALUES = {
    Kind.INT: st.integers(0, 2**32 - 1),
    Kind.LONG: UINT64,
    Kind.FLOAT: st.floats(width=32, allow_nan=False),
    Kind.DOUBLE: st.floats(allow_nan=False),
    Kind.BOOLEAN: st.booleans(),
    Kind.STRING: WORDS,
}
NAMES = {kind: f"{kind.name.lower()}_value" for kind in Kind}
ON_WIRE = {bool: Kind.BOOLEAN, int: Kind.LONG, float: Kind.DOUBLE, str: Kind.STRING}


@st.composite
def typed(draw):
    type_ = draw(st.sampled_from(DataType))
    return type_, draw(st.none() | VALUES[KINDS[type_]])


@st.composite
def metrics(draw):
    type_, value = draw(typed())
    if draw(st.booleans()) and KINDS[type_] not in (Kind.INT, Kind.FLOAT):
        type_ = None
    properties = {key: Property(*it) for key, it in draw(st.dictionaries(WORDS, typed(), max_size=2)).items()}
    return Metric(
        value,
        draw(st.none() | UINT64),
        draw(WORDS),
        draw(st.none() | UINT64),
        type_,
        draw(st.booleans()),
        properties,
    )


PAYLOADS = st.builds(Payload, st.lists(metrics(), max_size=2), st.none() | UINT64, st.none() | UINT64)


def said(message: Message, name: str):
    """None: not there."""
    return getattr(message, name) if message.HasField(name) else None


def held(message: Message):
    name = message.WhichOneof("value")
    return name, getattr(message, name) if name else None


@pytest.mark.slow
@settings(max_examples=100)
@given(PAYLOADS)
def test_what_is_written_is_what_an_independent_decoder_reads(payload):
    read = PAYLOAD.FromString(encode(payload))
    assert (said(read, "timestamp"), said(read, "seq")) == (payload.timestamp, payload.seq)
    assert len(read.metrics) == len(payload.metrics)
    for theirs, ours in zip(read.metrics, payload.metrics, strict=True):
        assert (said(theirs, "name") or "") == ours.name
        assert (said(theirs, "alias"), said(theirs, "timestamp")) == (ours.alias, ours.timestamp)
        assert said(theirs, "datatype") == ours.type
        assert (said(theirs, "is_historical") or False) is ours.historical
        assert (said(theirs, "is_null") or False) is (ours.value is None)
        kind = KINDS[ours.type] if ours.type else ON_WIRE.get(type(ours.value))
        assert held(theirs) == ((None, None) if ours.value is None else (NAMES[kind], ours.value))
        assert list(theirs.properties.keys) == list(ours.properties)
        for property_, own in zip(theirs.properties.values, ours.properties.values(), strict=True):
            assert property_.type == own.type
            assert (said(property_, "is_null") or False) is (own.value is None)
            name = NAMES[KINDS[own.type]]
            assert held(property_) == ((None, None) if own.value is None else (name, own.value))


@pytest.mark.slow
@settings(max_examples=100)
@given(PAYLOADS)
def test_what_another_encoder_writes_is_read(payload):
    theirs = PAYLOAD(timestamp=payload.timestamp, seq=payload.seq, uuid="skipped", body=b"\x08\xff")
    for ours in payload.metrics:
        metric = theirs.metrics.add(alias=ours.alias, timestamp=ours.timestamp, is_transient=True)
        metric.metadata.description = "skipped"
        if ours.name:
            metric.name = ours.name
        if ours.value is None:
            metric.is_null = True
        else:
            kind = KINDS[ours.type] if ours.type else ON_WIRE[type(ours.value)]
            setattr(metric, NAMES[kind], ours.value)
    read = decode(theirs.SerializeToString())
    assert read.timestamp == payload.timestamp
    assert [(it.name, it.alias, it.timestamp, it.value) for it in read.metrics] == [
        (it.name, it.alias, it.timestamp, it.value) for it in payload.metrics
    ]


def agreed(data: bytes) -> None:
    """Raises Malformed and nothing else; what we read and the other decoder as well, both read alike."""
    with suppress(Malformed, DecodeError):
        ours, theirs = decode(data), PAYLOAD.FromString(data)
        assert ours.timestamp == said(theirs, "timestamp")
        assert [repr((it.name, it.alias, it.value)) for it in ours.metrics] == [
            repr((said(it, "name") or "", said(it, "alias"), None if it.is_null else held(it)[1]))
            for it in theirs.metrics
        ]


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_with_one_error(data):
    agreed(data)


@pytest.mark.slow
@settings(max_examples=100)
@given(PAYLOADS, st.data())
def test_a_payload_cut_short_or_with_a_flipped_bit_is_read_or_refused_with_one_error(payload, data):
    whole = bytearray(encode(payload))
    if whole:
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    agreed(bytes(whole[: data.draw(st.integers(0, len(whole)))]))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x08", "without end"),  # a field without what it holds
        (b"\x08" + b"\xff" * 10 + b"\x01", "without end"),  # a number of eleven groups
        (b"\x12\x05\x08\x01", "ends at 7 of 4"),  # a metric longer than what is there
        (b"\x00\x01", "field 0"),
        (b"\x0b\x0c", "kind 3"),  # a group, which the definition does not use
        (b"\x12\x03\x0a\x01\xff", "UTF-8"),
        (b"\x12\x03\x69\x00\x00", "ends at 9 of 3"),  # a double of two bytes
    ],
)
def test_what_is_wrong_is_said(data, words):
    with pytest.raises(Malformed, match=words):
        decode(data)


def test_a_negative_number_is_its_twos_complement():
    metric = PAYLOAD.FromString(
        encode(Payload([Metric(-1, type=DataType.INT32), Metric(-2, type=DataType.INT64)]))
    ).metrics
    assert struct.unpack("<i", struct.pack("<I", metric[0].int_value)) == (-1,)
    assert metric[1].long_value == 2**64 - 2


def test_what_came_twice_counts_as_it_came_last():
    one, two = PAYLOAD(), PAYLOAD()
    one.metrics.add(name="a", alias=1, double_value=math.pi)
    two.metrics.add(name="b", alias=2, boolean_value=True)
    # The two metrics as one: protocol buffers allow what is written to be appended to.
    both = one.metrics[0].SerializeToString() + two.metrics[0].SerializeToString()
    (metric,) = decode(b"\x12" + bytes([len(both)]) + both).metrics
    assert (metric.name, metric.alias, metric.value) == ("b", 2, True)


def test_what_the_birth_has_typed_takes_few_bytes():
    """An alias, an instant and a double, with the two bytes of the metric's own length."""
    few, more = (encode(Payload([Metric(0.41, 1_767_225_600_000, alias=7)] * count)) for count in (1, 2))
    assert len(more) - len(few) == 20
