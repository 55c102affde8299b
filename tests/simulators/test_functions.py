"""A device answers every function as the application protocol says, exceptions included."""

from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.drivers.modbus.points import Profile, Table, Unit
from sitewarden.simulators.modbus_slave import SlaveUnit
from sitewarden.simulators.registers import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE
from tests.scenarios import site
from tests.simulators.thing import Thing, unit

REFUSALS = [bytes([code]) for code in (ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE)]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """What is nearly right: a function that it has, and small numbers."""
    function = draw(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 17, 22, 23, 24, 43]))
    words = draw(st.lists(st.integers(0, 16), max_size=5))
    count = draw(st.sampled_from([b"", b"\1", b"\2", b"\4"]))
    return bytes([function]) + pack(f">{len(words)}H", *words) + count + draw(st.binary(max_size=4))


@pytest.fixture
def thing() -> Thing:
    return Thing()


@pytest.fixture
def device(thing: Thing) -> SlaveUnit:
    return SlaveUnit(unit().unit, thing)


def ask(device: SlaveUnit, request: str) -> str:
    return device.answer(bytes.fromhex(request), site.START).hex(" ")


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
        ("07", "07 00"),
        ("08 0000 a537", "08 00 00 a5 37"),  # the example of 6.8.2
        ("0b", "0b 00 00 00 00"),
        ("11", "11 05 74 65 73 74 ff"),  # "test", and it runs
        ("16 000a 00f2 0025", "16 00 0a 00 f2 00 25"),
        ("17 000b 0002 000a 0001 02 0064", "17 04 00 00 00 07"),
    ],
)
def test_every_function_code(device: SlaveUnit, request_pdu: str, answer: str) -> None:
    assert ask(device, request_pdu) == answer


@pytest.mark.parametrize(
    ("request_pdu", "answer"),
    [
        ("41 0000", "c1 01"),  # functions that it does not have
        ("14 07 06 0004 0001 0002", "94 01"),
        ("2b 0d 00", "ab 01"),
        ("08 0003 0000", "88 01"),
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
        ("07 00", "87 03"),
        ("08 000a 0001", "88 03"),
        ("16 000d 0000 0000", "96 02"),
        ("17 0100 0001 000a 0001 02 0064", "97 02"),  # what cannot be read is not written either
        ("17 000a 0001 000d 0001 02 0064", "97 02"),
        ("17 000a 007e 000a 0001 02 0064", "97 03"),
        ("18 000a", "98 02"),  # there is no queue
        ("2b 0e 05 00", "ab 03"),
        ("2b 0e 04 7f", "ab 02"),
    ],
)
def test_every_exception_and_nothing_changes(
    device: SlaveUnit, thing: Thing, request_pdu: str, answer: str
) -> None:
    before = dict(thing.now)
    assert ask(device, request_pdu) == answer
    assert thing.now == before


def test_writes_reach_the_plant_and_read_back(device: SlaveUnit, thing: Thing) -> None:
    ask(device, "0f 0000 0002 01 01")
    ask(device, "10 000a 0003 06 0064 0001 0000")
    assert {name: thing.now[name] for name in ("run", "lamp", "setpoint", "total")} == {
        "run": True,
        "lamp": False,
        "setpoint": 1.0,
        "total": 65536.0,
    }
    assert ask(device, "03 000a 0003") == "03 06 00 64 00 01 00 00"
    assert ask(device, "01 0000 0002") == "01 01 01"


def test_a_mask_keeps_the_other_bits(device: SlaveUnit, thing: Thing) -> None:
    ask(device, "06 000a 0012")
    ask(device, "16 000a 00f2 0025")
    assert ask(device, "03 000a 0001") == "03 02 00 17", "the example of 6.16"
    assert thing.now["setpoint"] == pytest.approx(0.23)


def test_what_is_written_is_read_back_by_the_same_request(device: SlaveUnit) -> None:
    assert ask(device, "17 000a 0002 000a 0001 02 0064") == "17 04 00 64 00 00"


@pytest.mark.parametrize("code", [2, 3, 4, 6])
def test_a_register_or_a_function_may_be_refused(device: SlaveUnit, code: int) -> None:
    device.registers.refused[Table.HOLDING, 12] = code
    assert ask(device, "03 000a 0006") == f"83 0{code}"
    assert ask(device, "03 000d 0001") == "03 02 ff ff"
    device.functions.refuses[3] = code
    assert ask(device, "03 000d 0001") == f"83 0{code}"
    assert ask(device, "01 0000 0001") == "01 01 00"


def test_it_counts_what_it_did_and_keeps_a_log(device: SlaveUnit) -> None:
    for request in ("01 0000 0001", "03 0009 0001", "0b"):
        ask(device, request)
    device.functions.refuses[4] = 6
    ask(device, "04 0000 0001")
    assert ask(device, "0b") == "0b 00 00 00 01", "refusals and questions for the count are none"
    assert ask(device, "08 000d 0000") == "08 00 0d 00 02", "exceptions"
    assert ask(device, "08 0011 0000") == "08 00 11 00 01", "of them busy"
    assert ask(device, "08 000e 0000") == "08 00 0e 00 08", "messages"
    log = ask(device, "0c")
    assert log.startswith("0c 18 00 00 00 04 00 00 80 40 80 40 80"), "six bytes, the newest event first"
    assert log.endswith("44 80 40 80 41 80 40 80 00"), "it began with a start"
    assert ask(device, "08 000a 0000") == "08 00 0a 00 00"
    assert ask(device, "08 000d 0000") == "08 00 0d 00 00"


def test_it_listens_only_until_it_is_restarted(device: SlaveUnit, thing: Thing) -> None:
    assert ask(device, "08 0004 0000") == ""
    assert ask(device, "05 0000 ff00") == ""
    assert thing.now["run"] is False
    assert ask(device, "08 0001 0000") == ""
    assert ask(device, "05 0000 ff00") != ""


def objects(answer: str) -> dict[int, str]:
    raw, found, place = bytes.fromhex(answer), dict[int, str](), 7
    for _ in range(raw[6]):
        number, size = raw[place], raw[place + 1]
        found[number] = raw[place + 2 : place + 2 + size].decode()
        place += 2 + size
    assert place == len(raw)
    return found


def test_it_says_who_it_is(device: SlaveUnit) -> None:
    basic = {0: "Thing", 1: "test", 2: "twin"}
    assert objects(ask(device, "2b 0e 01 00")) == basic
    assert objects(ask(device, "2b 0e 02 00")) == basic | {4: "Thing of two coils", 6: "thing"}
    assert objects(ask(device, "2b 0e 03 80")) == {0x80: "Its maker's leaflet"}
    assert objects(ask(device, "2b 0e 04 04")) == {4: "Thing of two coils"}


def test_who_it_is_may_take_several_answers(thing: Thing) -> None:
    wordy = Profile("x", (), title="Wordy " + "w" * 150, source="s" * 150)
    device = SlaveUnit(Unit("wordy", 1, wordy), thing)
    first = bytes.fromhex(ask(device, "2b 0e 03 00"))
    assert len(first) <= 253
    assert first[4:6] == b"\xff\x80", "more follows, from object 0x80 on"
    assert objects(ask(device, "2b 0e 03 80")) == {0x80: "s" * 150}


@settings(max_examples=300)
@given(st.one_of(st.binary(min_size=1, max_size=253), requests()))
def test_whatever_is_asked_it_answers_or_refuses(pdu: bytes) -> None:
    answer = unit().answer(pdu, site.START)
    silent = pdu[:5] == bytes.fromhex("08 0004 0000")
    refused = answer[:1] == bytes([pdu[0] | 0x80])
    assert silent or (answer[0] == pdu[0] and len(answer) <= 253) or (refused and answer[1:] in REFUSALS)
