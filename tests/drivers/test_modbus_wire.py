"""Frames: the standard's own examples, and what a line makes of an answer."""

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU

from sitewarden.drivers.modbus.points import Table
from sitewarden.drivers.modbus.request import Request, read, write
from sitewarden.drivers.modbus.wire import Counters, Tcp, Wire
from tests.drivers.virtual import line, stamp

ON, OFF = b"\1", b"\0"


def taken(wire: Wire, data: bytes, mono: float) -> bytes | None:
    """The PDU of the answer that these bytes complete; None: not yet."""
    answers = wire.take(data, stamp(mono))
    return answers[0].pdu if answers else None


def framed(unit_id: int, pdu: str) -> bytes:
    body = bytes([unit_id]) + bytes.fromhex(pdu)
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


# MODBUS Application Protocol V1.1b3, the examples of 6.1 to 6.6, 6.11 and 6.12; addresses count from 0.
EXAMPLES = [
    (read(1, Table.COIL, 0x13, 0x13), "0100130013", "0103CD6B05"),
    (read(1, Table.DISCRETE, 0xC4, 0x16), "0200C40016", "0203ACDB35"),
    (read(1, Table.HOLDING, 0x6B, 3), "03006B0003", "0306022B00000064"),
    (read(1, Table.INPUT, 8, 1), "0400080001", "0402000A"),
    (write(1, Table.COIL, 0xAC, [ON]), "0500ACFF00", "0500ACFF00"),
    (write(1, Table.COIL, 0xAC, [OFF]), "0500AC0000", "0500AC0000"),
    (write(1, Table.HOLDING, 1, [b"\0\3"]), "0600010003", "0600010003"),
    (
        write(1, Table.COIL, 0x13, [ON, OFF, ON, ON, OFF, OFF, ON, ON, ON, OFF]),
        "0F0013000A02CD01",
        "0F0013000A",
    ),
    (write(1, Table.HOLDING, 1, [b"\0\x0a\1\2"]), "100001000204000A0102", "1000010002"),
]


@pytest.mark.parametrize(("request_", "question", "answer"), EXAMPLES)
def test_the_examples_of_the_standard(request_: Request, question: str, answer: str) -> None:
    rtu, tcp = line(), Tcp()
    assert rtu.ask(request_, Counters()) == framed(1, question)
    assert taken(rtu, framed(1, answer), 1.0) == bytes.fromhex(answer)
    assert tcp.ask(request_, Counters()) == bytes.fromhex(f"00010000{len(question) // 2 + 1:04X}01{question}")
    back = bytes.fromhex(f"00010000{len(answer) // 2 + 1:04X}01{answer}")
    assert taken(tcp, back, 1.0) == bytes.fromhex(answer)


@pytest.mark.parametrize(
    ("request_", "frame"),
    [
        (read(1, Table.HOLDING, 0, 10), "01030000000AC5CD"),
        (read(1, Table.HOLDING, 0, 1), "010300000001840A"),
        (read(17, Table.HOLDING, 0x6B, 3), "1103006B00037687"),
        (read(17, Table.COIL, 0x13, 0x25), "1101001300250E84"),
        (write(17, Table.COIL, 0xAC, [ON]), "110500ACFF004E8B"),
        (write(1, Table.COIL, 0, [ON]), "01050000FF008C3A"),
        (read(2, Table.HOLDING, 0x40, 23), "0203004000170423"),  # a lift's building automation board
    ],
)
def test_check_sums_that_are_known(request_: Request, frame: str) -> None:
    assert line().ask(request_, Counters()).hex().upper() == frame


def test_the_silence_between_frames() -> None:
    assert line().pace.silence == pytest.approx(3.5 * 11 / 9600)
    assert line(19200).pace.silence == pytest.approx(3.5 * 11 / 19200)
    assert line(38400).pace.silence == 0.00175
    twice = "behind a serial server, what comes twice is drained all the same"
    assert line(None).pace.silence == 0.00175, twice


def test_a_refusal_is_an_answer() -> None:
    rtu = line()
    rtu.ask(read(10, Table.COIL, 0x4A1, 1), Counters())
    assert taken(rtu, framed(10, "8102"), 1.0) == b"\x81\x02"


@pytest.mark.parametrize("glitch", ["00", "FF", "00FF00"])
def test_what_a_turning_line_reads_as_is_passed_over(glitch: str) -> None:
    rtu = line()
    rtu.ask(read(1, Table.INPUT, 8, 1), Counters())
    assert taken(rtu, bytes.fromhex(glitch) + framed(1, "0402000A"), 1.0) == b"\4\2\0\x0a"


@pytest.mark.parametrize(
    "wrong",
    [
        framed(2, "0402000A"),  # another unit
        framed(1, "0302000A"),  # another function
        framed(1, "0404000A000B"),  # more than was asked for
        framed(1, "8302"),  # another function's refusal
        framed(2, "0406") + framed(1, "0402000A"),  # a good frame inside of another
    ],
)
def test_what_is_not_the_answer_is_never_taken(wrong: bytes) -> None:
    rtu, counters = line(), Counters()
    rtu.ask(read(1, Table.INPUT, 8, 1), counters)
    assert taken(rtu, wrong, 1.0) is None
    assert taken(rtu, framed(1, "0402000A"), 1.1) == b"\4\2\0\x0a", "a new frame begins after a silence"
    assert counters.discarded == 1


def test_a_wrong_check_is_said_at_once() -> None:
    rtu = line()
    asked = read(1, Table.INPUT, 8, 1)
    rtu.ask(asked, Counters())
    (answer,) = rtu.take(framed(1, "0402000A")[:-2] + b"\0\0", stamp(1.0))
    assert (answer.request, answer.pdu) == (asked, b"")
    assert re.match("CRC 0000 where .... was expected", answer.broken)


def mbap(transaction: int, unit_id: int, pdu: str) -> bytes:
    return bytes.fromhex(f"{transaction:04X}0000{len(pdu) // 2 + 1:04X}{unit_id:02X}{pdu}")


def test_tcp_throws_away_the_answers_to_older_requests() -> None:
    tcp, counters = Tcp(), Counters()
    tcp.ask(read(1, Table.INPUT, 8, 1), counters)
    tcp.reset()
    tcp.ask(read(1, Table.INPUT, 9, 1), counters)
    both = mbap(1, 1, "0402AAAA") + mbap(2, 1, "0402000A")
    assert taken(tcp, both[:9], 1.0) is None
    assert taken(tcp, both[9:], 1.0) == b"\4\2\0\x0a"
    assert counters.discarded == 1


@pytest.mark.parametrize(
    "wrong", [mbap(1, 2, "0402000A"), mbap(1, 1, "0302000A"), mbap(1, 1, "0404000A000B")]
)
def test_tcp_says_at_once_that_its_answer_is_broken(wrong: bytes) -> None:
    tcp = Tcp()
    asked = read(1, Table.INPUT, 8, 1)
    tcp.ask(asked, Counters())
    (answer,) = tcp.take(wrong, stamp(1.0))
    assert (answer.request, answer.pdu) == (asked, b"")
    assert "in answer to" in answer.broken


def test_tcp_numbers_its_requests_from_1_to_65535_and_again() -> None:
    tcp, request = Tcp(), read(1, Table.INPUT, 8, 1)
    numbers = [int.from_bytes(tcp.ask(request, Counters())[:2], "big") for _ in range(65537)]
    assert numbers[:2] + numbers[-3:] == [1, 2, 65535, 1, 2]


@given(st.binary(max_size=300), st.booleans())
def test_rubbish_is_never_an_answer(rubbish: bytes, over_tcp: bool) -> None:
    wire = Tcp() if over_tcp else line()
    wire.ask(read(7, Table.HOLDING, 100, 40), Counters())
    assert taken(wire, rubbish, 1.0) is None


def test_of_rubbish_without_end_nothing_is_held() -> None:
    rtu, asked = line(), read(7, Table.HOLDING, 100, 40)
    rtu.ask(asked, Counters())
    tracemalloc.start()
    for n in range(1000):
        assert taken(rtu, b"rubbish!" * 100, 1.0 + n / 1000) is None
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rtu.give_up(asked)
    assert held < 10_000


def test_a_pause_of_the_usb_adapter_does_not_break_a_frame() -> None:
    rtu, answer = line(115200), framed(1, "0402000A")
    rtu.ask(read(1, Table.INPUT, 8, 1), Counters())
    assert taken(rtu, answer[:3], 1.0) is None
    assert taken(rtu, answer[3:], 1.016) == b"\4\2\0\x0a"
