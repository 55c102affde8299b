"""A TCP box before a serial line: one request at a time, and it speaks for the dead."""

import pytest

from sitewarden.drivers.modbus.pace import rtu
from sitewarden.simulators.modbus_slave import SlaveUnit
from sitewarden.simulators.serial_gateway import GatewayLine, SerialGateway
from sitewarden.simulators.wire import Faults
from tests.scenarios import site
from tests.simulators.test_modbus_slave import tcp
from tests.simulators.thing import unit

PACE = rtu(11 / 9600, 9600)
ONE = PACE.exchange(asked=5, answered=4, turnaround=0.0)  # s of the read of a register
STATE = "03 000d 0001"


@pytest.fixture
def units() -> list[SlaveUnit]:
    return [unit(number) for number in (1, 2, 3)]


def run(*boxes: SerialGateway) -> list[tuple[float, bytes]]:
    """What the boxes of one line say until they rest, and when."""
    said: list[tuple[float, bytes]] = []
    while (due := boxes[0].line.wake_at) is not None:
        said += [(due, answer) for box in boxes for answer in box.woken(site.stamp(due))]
    return said


def ask(box: SerialGateway, data: bytes, mono: float = 0.0) -> None:
    assert list(box.received(data, site.stamp(mono))) == []


def test_requests_wait_for_the_line(units: list[SlaveUnit]) -> None:
    box = SerialGateway(GatewayLine(units, PACE))
    other = box.session()
    ask(box, tcp(1, f"01 {STATE}") + tcp(2, f"02 {STATE}"))
    ask(other, tcp(1, f"03 {STATE}"))
    said = run(box, other)
    assert [answer for _, answer in said] == [
        tcp(n, f"{u:02} 03 02 ffff") for n, u in ((1, 1), (2, 2), (1, 3))
    ]
    ends = [ONE * n - PACE.silence for n in (1, 2, 3)]
    assert [mono for mono, _ in said] == pytest.approx(ends)


@pytest.mark.parametrize("silent", [False, True])
def test_a_dead_unit_costs_its_time_out_and_exception_11(units: list[SlaveUnit], silent: bool) -> None:
    box = SerialGateway(GatewayLine(units, PACE, timeout=0.5, silent=silent))
    units[0].deaf = True
    ask(box, tcp(1, f"01 {STATE}") + tcp(2, f"09 {STATE}") + tcp(3, f"02 {STATE}"))
    said = run(box)
    expected = [] if silent else [tcp(1, "01 83 0b"), tcp(2, "09 83 0b")]
    assert [answer for _, answer in said] == [*expected, tcp(3, "02 03 02 ffff")]
    assert said[-1][0] == pytest.approx(2 * (PACE.lasts(5) + 0.5 + PACE.silence) + ONE - PACE.silence)


def test_an_answer_that_is_late_or_spoilt_is_none(units: list[SlaveUnit]) -> None:
    box = SerialGateway(GatewayLine(units, PACE, timeout=0.5))
    units[0].turnaround = 0.6
    units[1].faults = Faults(noise=1.0)
    ask(box, tcp(1, f"01 {STATE}") + tcp(2, f"02 {STATE}"))
    assert [answer for _, answer in run(box)] == [tcp(1, "01 83 0b"), tcp(2, "02 83 0b")]


def test_a_broadcast_is_done_and_not_answered(units: list[SlaveUnit]) -> None:
    box = SerialGateway(GatewayLine(units, PACE))
    ask(box, tcp(1, "00 05 0000 ff00") + tcp(2, "01 01 0000 0001"))
    assert [answer for _, answer in run(box)] == [tcp(2, "01 01 01 01")]
