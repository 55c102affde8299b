"""Is a unit there, what does it say of itself, how soon does it answer?

An answer of any kind means that it is there, a refusal too: hardly any unit has a holding register 0 that may
be read, and all of them say so. Source: MODBUS Application Protocol V1.1b3, 6.3, 6.13, 6.21 and clause 7.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from sitewarden.drivers.modbus import request
from sitewarden.drivers.modbus.points import Table
from sitewarden.drivers.modbus.sniff import IDENTIFY
from sitewarden.gateway.cli.modbus.faults import GATEWAYS_OWN, named
from sitewarden.gateway.cli.modbus.master import Answer, Master, NoAnswer

IDENTIFICATION = IDENTIFY + b"\x01\x00"  # the basic objects, from the first on: maker, product, revision
SERVER_ID = b"\x11"
TIMED = 3  # more questions to a unit that is there, for its response time


@dataclass(frozen=True, slots=True)
class Present:
    unit_id: int
    says: str  # of itself; empty: nothing
    holding: str  # register 0, or why not
    seconds: tuple[float, ...] = field(repr=False)

    @property
    def fastest(self) -> float:
        return min(self.seconds)

    @property
    def usual(self) -> float:
        return median(self.seconds)


def probe(master: Master, unit_id: int) -> Present | NoAnswer:
    """`NoAnswer`, with what came instead: nobody there, or nobody to be understood."""
    pdu = request.read(unit_id, Table.HOLDING, 0, 1).pdu
    answer = master.ask(unit_id, pdu)
    if isinstance(answer, NoAnswer) and answer.garbled:  # a glitch, or for good?
        answer = master.ask(unit_id, pdu)
    if isinstance(answer, NoAnswer):
        return answer
    if answer.exception in GATEWAYS_OWN:
        return NoAnswer()
    holding = named(answer.exception) if answer.exception else str(int.from_bytes(answer.pdu[2:], "big"))
    told = [master.ask(unit_id, question) for question in (IDENTIFICATION, SERVER_ID)]
    says = [
        text
        for reply in told
        if isinstance(reply, Answer) and not reply.exception
        for text in said(reply.pdu)
    ]
    timed = [answer, *(master.ask(unit_id, pdu) for _ in range(TIMED))]
    seconds = tuple(reply.seconds for reply in timed if isinstance(reply, Answer))
    return Present(unit_id, ", ".join(dict.fromkeys(says)), holding, seconds)


def said(pdu: bytes) -> Iterator[str]:
    """What an identification or a server id has in words."""
    if pdu[0] == SERVER_ID[0]:
        texts = [pdu[2 : 2 + pdu[1]]]
    else:
        texts, place = [], 7
        for _ in range(pdu[6]):
            size = pdu[place + 1]
            texts.append(pdu[place + 2 : place + 2 + size])
            place += 2 + size
    for text in texts:
        seen = "".join(chr(byte) for byte in text if 0x20 <= byte < 0x7F).strip()
        if len(seen) > 1 or (seen and len(text) == 1):
            yield seen
