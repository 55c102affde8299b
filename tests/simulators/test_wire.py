"""A wire is as slow as its baud rate and as bad as its faults, by the seed alone."""

from random import Random

import pytest

from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, Parity, Port, SerialPort, TcpPort
from sitewarden.simulators.card_reader import REPEATS_EVERY, CardReaderTwin, rdm6300_frame
from sitewarden.simulators.wire import Faults, Wire, char_time
from tests.scenarios import site


@pytest.mark.parametrize(
    ("port", "framing", "seconds"),
    [
        (SerialPort("x", 9600), Framing.RTU, 10 / 9600),
        (SerialPort("x", 19200, Parity.EVEN), Framing.RTU, 11 / 19200),
        (SerialPort("x", 9600, Parity.NONE, 2), Framing.RTU, 11 / 9600),
        (SerialPort("x", 9600, Parity.EVEN, data_bits=7), Framing.ASCII, 10 / 9600),
        (TcpPort("x", 1), Framing.RTU, 0.0),
        (TcpPort("x", 1, line_baud=9600), Framing.RTU, 11 / 9600),
        (TcpPort("x", 1, line_baud=9600), Framing.TCP, 0.0),  # the box behind it keeps the time
    ],
)
def test_a_character_takes_its_bits(port: Port, framing: Framing, seconds: float) -> None:
    assert char_time(LinkPlan("x", port, BusPlan(framing, ()))) == seconds


def test_frames_queue_behind_each_other() -> None:
    wire = Wire(Random(1), char=0.001, delay=0.005)
    assert wire.send(b"12345", 1.0) == [(pytest.approx(1.010), b"12345")]
    assert wire.send(b"6", 1.0) == [(pytest.approx(1.011), b"6")]


def test_a_cut_wire_swallows_everything() -> None:
    wire = Wire(Random(1))
    wire.cut = True
    assert wire.send(b"1", 0.0) == []
    wire.cut = False
    assert wire.send(b"2", 0.0) == [(0.0, b"2")]


def test_pieces_keep_their_order_and_lose_nothing_by_splitting() -> None:
    wire = Wire(Random(1), char=0.001)
    wire.faults = Faults(split=1.0)
    pieces = wire.send(b"abcdefgh", 0.0)
    assert len(pieces) == 2
    assert b"".join(data for _, data in pieces) == b"abcdefgh"
    assert pieces[0][0] < pieces[1][0] == pytest.approx(0.008)


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        (Faults(loss=1.0), b""),
        (Faults(duplicate=1.0), b"okok"),
    ],
)
def test_faults_do_what_they_say(faults: Faults, expected: bytes) -> None:
    wire = Wire(Random(1))
    wire.faults = faults
    assert b"".join(data for _, data in wire.send(b"ok", 0.0)) == expected


def test_noise_flips_one_bit_of_a_byte() -> None:
    wire = Wire(Random(1))
    wire.faults = Faults(noise=1.0)
    ((_, data),) = wire.send(bytes(8), 0.0)
    assert [byte.bit_count() for byte in data] == [1] * 8


def test_the_reader_says_a_known_card_as_the_module_does() -> None:
    assert rdm6300_frame("62E3086CED") == bytes.fromhex("0236324533303836434544303803")
    assert rdm6300_frame("01000734E0") == bytes.fromhex("0230313030303733344530443203")


def test_a_held_card_repeats_until_it_leaves() -> None:
    reader = CardReaderTwin()
    reader.hold("62E3086CED", site.START.mono, seconds=3.5 * REPEATS_EVERY)
    frames = []
    while (due := reader.wake_at) is not None:
        frames += reader.woken(site.stamp(due))
    assert frames == [rdm6300_frame("62E3086CED")] * 4
