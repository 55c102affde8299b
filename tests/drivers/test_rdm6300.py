"""The card reader: frames from the field, and everything a line can do to them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitewarden.drivers.base import Output
from sitewarden.drivers.cards.rdm6300 import Rdm6300, frame
from sitewarden.rules.model import CardRead, Command, Do, LinkChanged, Reason
from tests.drivers.virtual import stamp

AT = stamp(1.0)
GOLDEN = {
    "0236324533303836434544303803": "62E3086CED",
    "0230313030303733344530443203": "01000734E0",
}
CARDS = st.binary(min_size=5, max_size=5).map(lambda number: number.hex().upper())
NOISE = st.binary(max_size=20).map(lambda noise: noise.replace(b"\x02", b""))


def cards(outputs: list[Output]) -> list[str]:
    return [output.card for output in outputs if isinstance(output, CardRead)]


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(ends)]


@pytest.mark.parametrize(("sent", "card"), GOLDEN.items())
def test_reads_frames_from_the_field(sent: str, card: str) -> None:
    assert list(Rdm6300("in").received(bytes.fromhex(sent), AT)) == [CardRead("in", card, AT)]
    assert frame(card).hex() == sent


def test_reads_what_clones_send() -> None:
    reader = Rdm6300("in")
    assert cards(list(reader.received(b"\x0262e3086ced08\x03", AT))) == ["62E3086CED"]
    assert cards(list(reader.received(b"\x0201000734E0D2\r\n\x03", AT))) == ["01000734E0"]


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x0262E3086CED09\x03",  # check
        b"\x0262E3086CEG08\x03",  # not hexadecimal
        b"\x0262E3086CED0\x03",  # short
        b"\x0262E3086CED080\x03",  # long
        b"\x0262E3086CED08\r\x03",  # half a line end
        b"\x0262E30\x02",  # cut by the next
        b"\x02" + b"0" * 40,  # no end
    ],
)
def test_a_garbled_frame_is_counted_and_the_next_one_is_read(wrong: bytes) -> None:
    reader = Rdm6300("in")
    assert cards(list(reader.received(wrong + frame("01000734E0"), AT))) == ["01000734E0"]
    assert (reader._counters.garbled, reader._counters.frames) == (1 + wrong.endswith(b"\x02"), 1)


@given(st.lists(st.tuples(NOISE, CARDS), max_size=5), st.lists(st.integers(min_value=0), max_size=12))
def test_any_split_and_any_noise_between_frames_gives_the_same_cards(
    sent: list[tuple[bytes, str]], cuts: list[int]
) -> None:
    stream = b"".join(noise + frame(card) for noise, card in sent)
    reader = Rdm6300("in")
    read = [card for piece in pieces(stream, cuts) for card in cards(list(reader.received(piece, AT)))]
    assert read == [card for _, card in sent]
    assert reader._counters.garbled == 0


@given(CARDS, st.integers(min_value=0, max_value=13), st.integers(min_value=1, max_value=255))
def test_a_flipped_byte_never_makes_another_card(card: str, place: int, flip: int) -> None:
    garbled = bytearray(frame(card))
    garbled[place] ^= flip
    read = cards(list(Rdm6300("in").received(bytes(garbled), AT)))
    assert read in ([], [card])  # the case of a digit may flip


def test_a_frame_does_not_go_on_after_the_link_was_away() -> None:
    reader, whole = Rdm6300("in"), frame("01000734E0")
    assert list(reader.received(whole[:7], AT)) == []
    assert list(reader.lost(AT, Reason.LINK_DOWN)) == [LinkChanged("in", False, AT, Reason.LINK_DOWN)]
    assert list(reader.connected(AT)) == [LinkChanged("in", True, AT)]
    assert list(reader.received(whole[7:], AT)) == []


def test_has_no_outputs_and_no_timers() -> None:
    reader = Rdm6300("in")
    assert reader.wake_at is None
    assert list(reader.woken(AT)) == []
    with pytest.raises(ValueError, match="no output 'out1'"):
        list(reader.command(Command("in", "out1", Do.SET), AT))
