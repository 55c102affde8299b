"""All units of a line: who answers, how it is framed, and when."""

from random import Random

import pytest

from sitewarden.drivers.modbus.points import Unit
from sitewarden.drivers.plan import Framing
from sitewarden.simulators.frames import crc16, lrc
from sitewarden.simulators.modbus_slave import ModbusSlave, SlaveUnit
from sitewarden.simulators.wire import Faults
from tests.scenarios import site
from tests.simulators.thing import PROFILE, Thing
from tests.simulators.thing import unit as new_unit

STATE, NO_STATE = "01 03 000d 0001", "01 03 02 ffff"  # a read, and its answer


@pytest.fixture
def unit() -> SlaveUnit:
    return new_unit()


def rtu(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + crc16(body)


def ascii_(text: str) -> bytes:
    body = bytes.fromhex(text)
    return b":" + (body + bytes([lrc(body)])).hex().upper().encode() + b"\r\n"


def tcp(transaction: int, text: str) -> bytes:
    body = bytes.fromhex(text)
    return transaction.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(2, "big") + body


def hear(slave: ModbusSlave, data: bytes, mono: float = 1.0) -> list[bytes]:
    return list(slave.received(data, site.stamp(mono)))


def wake(slave: ModbusSlave, mono: float) -> list[bytes]:
    return list(slave.woken(site.stamp(mono)))


def test_the_check_sums_are_those_of_the_standard() -> None:
    assert crc16(bytes.fromhex("01 03 00 00 00 0A")).hex() == "c5cd"
    assert crc16(bytes.fromhex("02 03 00 40 00 17")).hex() == "0423"
    assert ascii_("01 03 0000 0001") == b":010300000001FB\r\n"


@pytest.fixture
def slave(unit: SlaveUnit) -> ModbusSlave:
    return ModbusSlave(Framing.RTU, [unit])


REQUESTS = (
    STATE,
    "01 07",
    "01 0b",
    "01 08 0000 a537",
    "01 0f 0000 0002 01 01",
    "01 10 000b 0002 04 00010000",
    "01 11",
    "01 16 000a 00f2 0025",
    "01 17 000b 0002 000a 0001 02 0064",
    "01 18 000a",
    "01 2b 0e 01 00",
    "01 41 123456",
)


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("request_text", REQUESTS)
def test_every_request_is_framed_whatever_its_length(
    unit: SlaveUnit, framing: Framing, request_text: str
) -> None:
    frame = {Framing.RTU: rtu, Framing.ASCII: ascii_, Framing.TCP: lambda text: tcp(7, text)}[framing]
    slave, expected = (
        ModbusSlave(framing, [unit]),
        new_unit().answer(bytes.fromhex(request_text)[1:], site.START),
    )
    stream = 2 * frame(request_text)
    answers = [answer for byte in stream for answer in hear(slave, bytes([byte]))]
    assert answers[0] == frame("01" + expected.hex())
    assert len(answers) == 2


def test_it_is_silent_for_others_for_spoilt_requests_and_when_deaf(
    slave: ModbusSlave, unit: SlaveUnit
) -> None:
    good = rtu(STATE)
    assert hear(slave, rtu("02 03 000d 0001")) == []
    assert hear(slave, good[:-1] + b"\0") == []
    assert hear(slave, good[:5], 2.0) == []
    assert len(hear(slave, good, 3.0)) == 1, "a silence ends what was half received"
    assert unit.answer(bytes.fromhex("08 000b 0000"), site.START).hex() == "08000b0002", "on the bus"
    assert unit.answer(bytes.fromhex("08 000c 0000"), site.START).hex() == "08000c0001", "spoilt"
    unit.deaf = True
    assert hear(slave, good, 4.0) == []


def test_a_colon_begins_an_ascii_frame_anew(unit: SlaveUnit) -> None:
    slave = ModbusSlave(Framing.ASCII, [unit])
    assert hear(slave, b"\xff:0103" + ascii_(STATE)) == [ascii_(NO_STATE)]
    assert hear(slave, b":010300000001FC\r\n:01\r\n:xy\r\n") == []


def test_a_broadcast_is_done_by_all_that_hear_and_not_answered() -> None:
    things = Thing(), Thing(), Thing()
    units = [SlaveUnit(Unit(f"{n}", n, PROFILE), thing) for n, thing in enumerate(things, 1)]
    units[2].deaf = True
    assert hear(ModbusSlave(Framing.RTU, units), rtu("00 05 0000 ff00")) == []
    assert [thing.now["run"] for thing in things] == [True, True, False]


def test_a_slow_unit_answers_later(slave: ModbusSlave, unit: SlaveUnit) -> None:
    unit.turnaround = 0.5
    assert hear(slave, rtu(STATE), 1.0) == []
    assert slave.wake_at == 1.5
    assert wake(slave, 1.4) == []
    assert wake(slave, 1.5) == [rtu(NO_STATE)]
    assert slave.wake_at is None


def test_several_transactions_are_answered_in_turn_or_the_quickest_first() -> None:
    slow, quick = SlaveUnit(Unit("slow", 1, PROFILE), Thing(), Random(3)), new_unit(2)
    slave = ModbusSlave(Framing.TCP, [slow, quick])
    slow.turnaround, slow.jitter = 0.1, 1.0
    requests = [tcp(n, STATE) for n in range(1, 9)] + [tcp(9, "02 03 000d 0001")]
    for in_turn in (True, False):
        slow.in_turn = in_turn
        assert [answer[1] for answer in hear(slave, b"".join(requests))] == [9]
        order = []
        while (due := slave.wake_at) is not None:
            order += [answer[1] for answer in wake(slave, due)]
        assert sorted(order) == [*range(1, 9)]
        assert (order == sorted(order)) is in_turn


def test_a_noisy_unit_spoils_its_own_answers_only(unit: SlaveUnit) -> None:
    slave = ModbusSlave(Framing.RTU, [unit, new_unit(2)])
    unit.faults = Faults(noise=1.0)
    (spoilt,) = hear(slave, rtu(STATE))
    assert len(spoilt) == len(rtu(NO_STATE))
    assert spoilt != rtu(NO_STATE)
    assert hear(slave, rtu("02 03 000d 0001")) == [rtu("02 03 02 ffff")]
    unit.faults = Faults(loss=1.0)
    assert hear(slave, rtu(STATE)) == []


def test_a_babbling_unit_speaks_unasked_again_and_again(slave: ModbusSlave, unit: SlaveUnit) -> None:
    unit.babbles_at = 2.0
    assert slave.wake_at == 2.0
    assert wake(slave, 1.9) == []
    (said,) = wake(slave, 2.0)
    assert 1 <= len(said) <= 16
    assert slave.wake_at is not None
    assert slave.wake_at > 2.0


def test_tcp_hands_the_transaction_back_and_drops_what_is_no_frame(unit: SlaveUnit) -> None:
    slave = ModbusSlave(Framing.TCP, [unit])
    assert hear(slave, tcp(1, STATE)[:3] + b"\1" + tcp(1, STATE)[4:]) == []
    assert hear(slave, tcp(0x1234, "01 03 0100 0001")) == [tcp(0x1234, "01 83 02")]
