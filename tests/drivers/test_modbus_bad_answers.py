"""What a bad device answers is stated by its name, and is nobody else's affair."""

import pytest
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU

from sitewarden.drivers.modbus.request import EXCEPTIONS
from sitewarden.drivers.modbus.station import SPEAKS_FOR
from sitewarden.gateway.catalogue import LANGUAGES, Catalogue
from sitewarden.rules.model import LinkChanged, Quality, Reading, Reason
from tests.drivers.virtual import TURNAROUND, Slave, Virtual, bus, holding, register, unit

UNITS = [unit("bad", 1, register("a", 0), register("b", 1)), unit("good", 2, register("a", 0))]
TABLES = {1: holding({0: 1, 1: 2}), 2: holding({0: 3})}
SECONDS = 60


def undisturbed(world: Virtual) -> None:
    """The other unit is read each second, and was never said to be anything but well."""
    assert len(world.requests(2)) >= 0.98 * SECONDS
    assert [(reading.value, reading.quality) for reading in world.readings("good.a")] == [(3.0, Quality.GOOD)]
    assert [link.up for link in world.links() if link.device == "good"] == [True]


def reasons(world: Virtual) -> set[Reason]:
    return {event.reason for event in world.events if isinstance(event, Reading) and event.point[:3] == "bad"}


@pytest.mark.parametrize("tcp", [False, True], ids=["rtu", "tcp"])
@pytest.mark.parametrize("code", [*range(1, 12), 0x80])
def test_an_exception_has_its_name(code: int, tcp: bool) -> None:
    def refusing(request: bytes, answer: bytes) -> list[tuple[float, bytes]]:
        slave.refuses = {3: code} if answer[at] == 1 else {}
        return [(TURNAROUND, slave.answer(request) or b"")]

    slave, at = Slave(TABLES, tcp), 6 if tcp else 0
    world = Virtual(bus(UNITS, tcp), slave, refusing)
    world.run(SECONDS)
    reason = EXCEPTIONS.get(code, Reason.EXCEPTION)
    assert reasons(world) == {reason}
    ups = [event.up for event in world.events if isinstance(event, LinkChanged) and event.device == "bad"]
    assert ups == [reason not in SPEAKS_FOR], "a unit that refuses is there; one that is spoken for is not"
    for language in LANGUAGES:
        said = Catalogue.load(language).text(f"reason.{reason}")
        assert said != f"reason.{reason}"
        assert reason is Reason.EXCEPTION or str(code) in said
    undisturbed(world)


@pytest.mark.parametrize("tcp", [False, True], ids=["rtu", "tcp"])
@pytest.mark.parametrize("change", [-2, -1, 2, 4], ids=["short", "odd", "long", "longer"])
def test_an_answer_of_another_length_is_no_value(change: int, tcp: bool) -> None:
    """Framed and checked as it should be, so that only its length tells."""

    def resized(request: bytes, answer: bytes) -> list[tuple[float, bytes]]:
        if answer[at] != 1:
            return [(TURNAROUND, answer)]
        body = (answer[at + 3 : at + 7] + bytes(4))[: 4 + change]
        pdu = bytes([3, len(body)]) + body
        return [(TURNAROUND, framed(answer, pdu))]

    def framed(answer: bytes, pdu: bytes) -> bytes:
        if tcp:
            return answer[:4] + (len(pdu) + 1).to_bytes(2, "big") + answer[6:7] + pdu
        return FramerRTU(DecodePDU(False)).encode(pdu, 1, 0)

    at = 6 if tcp else 0
    world = Virtual(bus(UNITS, tcp), Slave(TABLES, tcp), resized)
    world.run(SECONDS)
    assert reasons(world) == {Reason.PROTOCOL}
    assert world.bus.counters["bad"].garbled > 0
    assert all(reading.value is None for reading in world.readings() if reading.point.startswith("bad."))
    undisturbed(world)
