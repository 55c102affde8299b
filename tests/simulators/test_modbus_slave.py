"""The slave answers as the application protocol says, exceptions included."""

from collections.abc import Mapping

import pytest

from sitewarden.drivers.modbus.points import Kind, Order, Point, Profile, Table, Unit
from sitewarden.drivers.plan import Framing
from sitewarden.rules.model import Stamp, Value
from sitewarden.simulators.modbus_slave import ModbusSlave, SlaveUnit, crc16
from tests.scenarios import site

PROFILE = Profile(
    "test",
    (
        Point("run", Table.COIL, 0, Kind.BOOL, writable=True),
        Point("lamp", Table.COIL, 1, Kind.BOOL, writable=True),
        Point("door", Table.DISCRETE, 3, Kind.BOOL),
        Point("level", Table.INPUT, 0, Kind.I16, scale=0.1),
        Point("energy", Table.INPUT, 2, Kind.U32, word_order=Order.LOW_FIRST),
        Point(
            "setpoint", Table.HOLDING, 10, Kind.U16, scale=0.01, writable=True, write_low=0, write_high=100
        ),
        Point("total", Table.HOLDING, 11, Kind.U32, writable=True),
        Point("state", Table.HOLDING, 13, Kind.U16, absent=0xFFFF),
        Point("floor", Table.HOLDING, 14, Kind.U8H),
        Point("speed", Table.HOLDING, 14, Kind.U8L, scale=0.1),
        Point("fault", Table.HOLDING, 15, Kind.BIT, bit=11),
    ),
)


class Thing:
    def __init__(self) -> None:
        self.now: dict[str, Value | None] = {
            "run": False,
            "lamp": True,
            "door": True,
            "level": -1.5,
            "energy": 0x00012345,
            "setpoint": 50.0,
            "total": 7,
            "state": None,
            "floor": 3,
            "speed": 1.5,
            "fault": True,
        }

    def values(self, at: Stamp) -> Mapping[str, Value | None]:
        return self.now

    def write(self, point: str, value: Value, at: Stamp) -> None:
        self.now[point] = value


@pytest.fixture
def thing() -> Thing:
    return Thing()


@pytest.fixture
def unit(thing: Thing) -> SlaveUnit:
    return SlaveUnit(Unit("thing", 1, PROFILE), thing)


def ask(unit: SlaveUnit, request: str) -> str:
    return unit.answer(bytes.fromhex(request), site.START).hex(" ")


@pytest.mark.parametrize(
    ("request_pdu", "answer"),
    [
        ("01 0000 0002", "01 01 02"),
        ("02 0003 0001", "02 01 01"),
        ("04 0000 0004", "04 08 ff f1 00 00 23 45 00 01"),
        ("03 000a 0006", "03 0c 13 88 00 00 00 07 ff ff 03 0f 08 00"),
        ("05 0000 ff00", "05 00 00 ff 00"),
        ("06 000a 1388", "06 00 0a 13 88"),
        ("0f 0000 0002 01 01", "0f 00 00 00 02"),
        ("10 000b 0002 04 00010000", "10 00 0b 00 02"),
    ],
)
def test_every_function_code(unit: SlaveUnit, request_pdu: str, answer: str) -> None:
    assert ask(unit, request_pdu) == answer


@pytest.mark.parametrize(
    ("request_pdu", "answer"),
    [
        ("07 0000 0000", "87 01"),  # a function that it does not have
        ("2b 0e01 0000", "ab 01"),
        ("01 0001 0002", "81 02"),  # beyond the table's end
        ("02 0000 0001", "82 02"),
        ("03 0009 0001", "83 02"),
        ("04 0004 0001", "84 02"),
        ("06 000d 0001", "86 02"),  # read only
        ("05 0007 ff00", "85 02"),
        ("03 000a 0000", "83 03"),  # nothing, or more than a frame holds
        ("03 000a 007e", "83 03"),
        ("01 0000 07d1", "81 03"),
        ("05 0000 1234", "85 03"),  # neither on nor off
        ("0f 0000 0002 02 0100", "8f 03"),  # a wrong byte count
        ("10 000b 0002 03 000100", "90 03"),
        ("06 000a 2711", "86 03"),  # 100.01 %
        ("03 000a", "83 03"),  # cut short
    ],
)
def test_every_exception_and_nothing_changes(
    unit: SlaveUnit, thing: Thing, request_pdu: str, answer: str
) -> None:
    before = dict(thing.now)
    assert ask(unit, request_pdu) == answer
    assert thing.now == before


def test_writes_reach_the_plant_and_read_back(unit: SlaveUnit, thing: Thing) -> None:
    ask(unit, "0f 0000 0002 01 01")
    ask(unit, "10 000a 0003 06 0064 0001 0000")
    assert {name: thing.now[name] for name in ("run", "lamp", "setpoint", "total")} == {
        "run": True,
        "lamp": False,
        "setpoint": 1.0,
        "total": 65536.0,
    }
    assert ask(unit, "03 000a 0003") == "03 06 00 64 00 01 00 00"
    assert ask(unit, "01 0000 0002") == "01 01 01"


def test_refused_registers_answer_with_an_illegal_address(unit: SlaveUnit) -> None:
    unit.registers.refused.add((Table.HOLDING, 12))
    assert ask(unit, "03 000a 0006") == "83 02"
    assert ask(unit, "03 000d 0001") == "03 02 ff ff"


def rtu(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + crc16(body)


def test_the_check_sum_is_the_one_of_the_standard() -> None:
    assert crc16(bytes.fromhex("01 03 00 00 00 0A")).hex() == "c5cd"
    assert crc16(bytes.fromhex("02 03 00 40 00 17")).hex() == "0423"


class TestRtu:
    @pytest.fixture
    def slave(self, unit: SlaveUnit) -> ModbusSlave:
        return ModbusSlave(Framing.RTU, [unit])

    def hear(self, slave: ModbusSlave, data: bytes, mono: float = 1.0) -> list[bytes]:
        return list(slave.received(data, site.stamp(mono)))

    def test_bytes_may_come_one_by_one(self, slave: ModbusSlave) -> None:
        request = rtu("01 03 000d 0001")
        answers = [answer for byte in request for answer in self.hear(slave, bytes([byte]))]
        assert answers == [rtu("01 03 02 ffff")]

    def test_it_is_silent_for_others_for_spoilt_requests_and_when_deaf(
        self, slave: ModbusSlave, unit: SlaveUnit
    ) -> None:
        good = rtu("01 03 000d 0001")
        assert self.hear(slave, rtu("02 03 000d 0001")) == []
        assert self.hear(slave, good[:-1] + b"\0") == []
        assert self.hear(slave, good[:5], 2.0) == []
        assert len(self.hear(slave, good, 3.0)) == 1, "a silence ends what was half received"
        unit.deaf = True
        assert self.hear(slave, good, 4.0) == []

    def test_a_broadcast_is_done_and_not_answered(self, slave: ModbusSlave, thing: Thing) -> None:
        assert self.hear(slave, rtu("00 05 0000 ff00")) == []
        assert thing.now["run"] is True

    def test_a_slow_unit_answers_later(self, slave: ModbusSlave, unit: SlaveUnit) -> None:
        unit.turnaround = 0.5
        assert self.hear(slave, rtu("01 03 000d 0001"), 1.0) == []
        assert slave.wake_at == 1.5
        assert list(slave.woken(site.stamp(1.4))) == []
        assert list(slave.woken(site.stamp(1.5))) == [rtu("01 03 02 ffff")]
        assert slave.wake_at is None


def test_tcp_keeps_the_transaction_and_takes_requests_back_to_back(unit: SlaveUnit) -> None:
    slave = ModbusSlave(Framing.TCP, [unit])
    stream = bytes.fromhex("0001 0000 0006 01 03 000d 00010002 0000 0006 01 03 0100 0001")
    answers = list(slave.received(stream[:9], site.START)) + list(slave.received(stream[9:], site.START))
    assert [answer.hex() for answer in answers] == ["000100000005010302ffff", "000200000003018302"]
