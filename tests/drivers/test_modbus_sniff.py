"""A line overheard: every frame once, however the bytes come, and who answered whom."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.framer import FramerAscii, FramerRTU

from sitewarden.drivers.modbus.sniff import (
    AsciiSniffer,
    Fault,
    Frame,
    Heard,
    RtuSniffer,
    Side,
    Sniffer,
    Spoilt,
    Talk,
    TcpSniffer,
    Unanswered,
    answers,
)
from sitewarden.rules.model import Stamp

START = datetime(2026, 3, 1, 8, tzinfo=UTC)

# MODBUS Application Protocol V1.1b3, the examples of 6.1 to 6.21: request and answer.
EXAMPLES = [
    ("0100130013", "0103CD6B05"),
    ("0200C40016", "0203ACDB35"),
    ("03006B0003", "0306022B00000064"),
    ("0400080001", "0402000A"),
    ("0500ACFF00", "0500ACFF00"),
    ("0600010003", "0600010003"),
    ("07", "076D"),
    ("080000A537", "080000A537"),
    ("0B", "0BFFFF0108"),
    ("0C", "0C08000001080121" + "2000"),
    ("0F0013000A02CD01", "0F0013000A"),
    ("100001000204000A0102", "1000010002"),
    ("11", "1103" + "01FF05"),
    ("140E0600040001000206000300090002", "140C05060DFE0020" + "0506" + "33CD0040"),
    ("150D0600040007000306AF04BE100D", "150D0600040007000306AF04BE100D"),
    ("16000400F20025", "16000400F20025"),
    ("170003" + "0006" + "000E0003" + "0600FF00FF00FF", "170C00FE0ACD00010003000D00FF"),
    ("1804DE", "180006000201B81284"),
    ("2B0E0100", "2B0E010100000300" + "02" + "4142" + "0101" + "43" + "0201" + "44"),
    ("03006B0003", "8302"),
]
PAIRS = [(bytes.fromhex(asked), bytes.fromhex(answer)) for asked, answer in EXAMPLES]
CLEAR = [pair for pair in PAIRS if pair[0] != b"\x07"]  # a status may look like the request's check


def stamp(mono: float) -> Stamp:
    return Stamp(START + timedelta(seconds=mono), mono)


def rtu(unit_id: int, pdu: bytes) -> bytes:
    body = bytes([unit_id]) + pdu
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


def ascii_frame(unit_id: int, pdu: bytes) -> bytes:
    body = bytes([unit_id]) + pdu
    return b":" + (body + bytes([FramerAscii.compute_LRC(body)])).hex().upper().encode() + b"\r\n"


def tcp(transaction: int, pdu: bytes) -> bytes:
    return transaction.to_bytes(2, "big") + (len(pdu) + 1).to_bytes(4, "big") + b"\x07" + pdu


def listened(sniffer: Sniffer, *pieces: bytes, every: float = 0.001) -> list[Heard]:
    heard: list[Heard] = []
    for at, piece in enumerate(pieces):
        heard += sniffer.received(piece, stamp(at * every))
    return [*heard, *sniffer.silent(stamp(len(pieces) * every))]


def said(heard: list[Heard]) -> list[bytes]:
    return [one.pdu for one in heard if isinstance(one, Frame)]


@pytest.mark.parametrize("framed", [rtu, ascii_frame])
def test_every_example_of_the_standard_is_heard_and_paired(framed: object) -> None:
    assert callable(framed)
    sniffer: Sniffer = RtuSniffer() if framed is rtu else AsciiSniffer()
    talk = Talk()
    for asked, answer in PAIRS:
        heard = listened(sniffer, framed(17, asked), framed(17, answer))
        frames = [one for one in heard if isinstance(one, Frame)]
        assert [frame.pdu for frame in frames] == [asked, answer]
        (question,) = talk.heard(frames[0])
        (reply,) = talk.heard(frames[1])
        assert (question.side, reply.side) == (Side.MASTER, Side.UNIT)  # type: ignore[union-attr]
        assert reply.asked == frames[0]
        assert answers(asked, answer)


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([rtu, ascii_frame]))
def test_any_split_gives_the_same_frames(chance: Random, framed: object) -> None:
    assert callable(framed)
    pdus = [chance.choice(chance.choice(CLEAR)) for _ in range(12)]
    # From the units 162 and 163 the answer of function 23 is by chance a good request as well.
    stream = b"".join(framed(chance.randrange(1, 160), pdu) for pdu in pdus)
    cuts = sorted(chance.randrange(len(stream) + 1) for _ in range(20))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) if a != b]
    heard = listened(RtuSniffer() if framed is rtu else AsciiSniffer(), *pieces)
    assert said(heard) == pdus
    assert len(heard) == len(pdus)


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_noise_costs_itself_alone_and_every_byte_is_accounted_for(chance: Random) -> None:
    """Noise never becomes a frame that was not sent, and the frames around it are heard."""
    pdus, stream = [], b""
    for _ in range(8):
        if chance.random() < 0.5:
            stream += chance.randbytes(chance.randrange(1, 12))
        pdu = chance.choice(chance.choice(CLEAR))
        pdus.append(pdu)
        stream += rtu(9, pdu)
    heard = listened(RtuSniffer(), stream)
    assert said(heard) == pdus
    assert b"".join(one.raw for one in heard) == stream


def test_a_rest_of_the_line_ends_a_frame_that_was_cut_short() -> None:
    whole = rtu(1, PAIRS[2][1])
    heard = listened(RtuSniffer(), whole[:-3], whole, every=0.05)
    assert [type(one) for one in heard] == [Spoilt, Frame]
    assert heard[0].raw == whole[:-3]


def test_a_wrong_check_and_a_glitch_are_told_apart() -> None:
    whole = rtu(1, PAIRS[2][1])
    bad, glitch, good = listened(RtuSniffer(), whole[:-1] + b"\0", b"\0", whole, every=0.05)
    assert isinstance(bad, Spoilt)
    assert bad.fault is Fault.CHECK
    assert isinstance(glitch, Spoilt)
    assert glitch.fault is Fault.GLITCH
    assert isinstance(good, Frame)


def test_silence_is_what_passed_less_the_time_of_the_bytes() -> None:
    sniffer = RtuSniffer(character=0.001)
    asked, answer = rtu(1, PAIRS[2][0]), rtu(1, PAIRS[2][1])
    first, second = [*sniffer.received(asked, stamp(0.008)), *sniffer.received(answer, stamp(0.023))]
    assert isinstance(first, Frame)
    assert first.gap is None
    assert isinstance(second, Frame)
    assert second.gap == pytest.approx(0.023 - 0.008 - 0.011)


def test_an_adapter_that_gathers_bytes_cuts_no_frame() -> None:
    """Sixteen milliseconds between two pieces are no silence when the line was busy all the while."""
    character = 11 / 9600
    answer = rtu(1, bytes([3, 60]) + bytes(60))
    sniffer = RtuSniffer(character)
    heard: list[Heard] = []
    for n in range(0, len(answer), 14):
        heard += sniffer.received(answer[n : n + 14], stamp(min(n + 14, len(answer)) * character))
    assert [type(one) for one in heard] == [Frame]


def test_a_makers_own_function_ends_with_the_silence() -> None:
    heard = listened(RtuSniffer(), rtu(5, b"\x41\x01\x02\x03"), rtu(5, b"\x41\x09"), every=0.05)
    assert said(heard) == [b"\x41\x01\x02\x03", b"\x41\x09"]


def test_ascii_with_a_wrong_sum_or_rubbish_is_said() -> None:
    good = ascii_frame(1, PAIRS[2][0])
    heard = listened(AsciiSniffer(), b"xx" + good, good[:-3] + b"0\r\n", b":zz\r\n", good)
    assert [type(one) for one in heard] == [Spoilt, Frame, Spoilt, Spoilt, Frame]


def test_over_tcp_answers_belong_to_transactions() -> None:
    ours, theirs, talk = TcpSniffer(), TcpSniffer(), Talk()
    asked = listened(ours, tcp(1, PAIRS[2][0]) + tcp(2, PAIRS[3][0]))
    back = listened(theirs, tcp(2, PAIRS[3][1])[:3], tcp(2, PAIRS[3][1])[3:] + tcp(1, PAIRS[2][1]))
    for frame in asked:
        assert isinstance(frame, Frame)
        list(talk.heard(frame, Side.MASTER))
    replies = [reply for frame in back if isinstance(frame, Frame) for reply in talk.heard(frame, Side.UNIT)]
    assert [reply.asked for reply in replies] == [asked[1], asked[0]]
    assert list(talk.over()) == []
    assert isinstance(listened(TcpSniffer(), b"HTTP/1.1 400 Bad Request")[0], Spoilt)


def frame(pdu: bytes, mono: float, unit_id: int = 1) -> Frame:
    return Frame(stamp(mono), rtu(unit_id, pdu), unit_id, pdu)


def test_a_request_that_nobody_answered_is_told_when_the_next_comes() -> None:
    talk, asked = Talk(), PAIRS[2][0]
    list(talk.heard(frame(asked, 0.0)))
    lost, again = talk.heard(frame(asked, 0.3))
    assert isinstance(lost, Unanswered)
    assert again.side is Side.MASTER  # type: ignore[union-attr]
    assert [one.asked.at for one in talk.over()] == [stamp(0.3)]


def test_a_write_and_its_answer_are_the_same_bytes_and_a_late_one_is_the_write_again() -> None:
    talk, asked = Talk(), PAIRS[5][0]
    assert [one.side for one in talk.heard(frame(asked, 0.0))] == [Side.MASTER]  # type: ignore[union-attr]
    assert [one.side for one in talk.heard(frame(asked, 0.02))] == [Side.UNIT]  # type: ignore[union-attr]
    list(talk.heard(frame(asked, 1.0)))
    assert isinstance(next(iter(talk.heard(frame(asked, 2.5)))), Unanswered)


def test_a_request_is_given_up_when_others_go_on_talking() -> None:
    talk = Talk()
    list(talk.heard(Frame(stamp(0), b"", 7, PAIRS[2][0], transaction=1), Side.MASTER))
    lost, _ = talk.heard(Frame(stamp(4), b"", 7, PAIRS[2][0], transaction=2), Side.MASTER)
    assert isinstance(lost, Unanswered)
    assert lost.asked.transaction == 1


def test_nobody_answers_a_broadcast_and_an_answer_without_its_request_is_one() -> None:
    talk = Talk()
    list(talk.heard(frame(PAIRS[5][0], 0.0, unit_id=0)))
    assert list(talk.over()) == []
    for answer in (PAIRS[2][1], b"\x83\x02"):
        (found,) = talk.heard(frame(answer, 0.1))
        assert found.side is Side.UNIT  # type: ignore[union-attr]
        assert found.asked is None


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("0300000002", "0302000A"),  # fewer registers than were asked for
        ("0300000001", "0402000A"),
        ("0100000008", "010200FF"),
        ("0600010003", "0600010004"),
        ("0300000001", "8403"),
    ],
)
def test_what_cannot_be_the_answer_is_none(asked: str, answer: str) -> None:
    assert not answers(bytes.fromhex(asked), bytes.fromhex(answer))
