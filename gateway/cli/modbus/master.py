"""Asks one question and waits for the answer: all that a tool needs of a master.

It listens as the monitor does (`sniff.py`), so that it can say what came instead of an answer: its own
words handed back by the adapter, another unit, or bytes that are no frame at all.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pymodbus.framer import FramerAscii, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from sitewarden.drivers.modbus.sniff import (
    AsciiSniffer,
    Frame,
    RtuSniffer,
    Sniffer,
    Spoilt,
    TcpSniffer,
    answers,
)
from sitewarden.drivers.plan import Framing, Port, pace
from sitewarden.gateway.cli.modbus.port import Channel
from sitewarden.gateway.clock import Clock

FRAMERS = {Framing.RTU: FramerRTU, Framing.ASCII: FramerAscii, Framing.TCP: FramerSocket}
SNIFFERS: Mapping[Framing, Callable[[], Sniffer]] = {
    Framing.RTU: RtuSniffer,
    Framing.ASCII: AsciiSniffer,
    Framing.TCP: TcpSniffer,
}
GOES_ON = 0.1  # s that an answer may pause; adapters hand over in pieces
BETWEEN = 0.005  # s of silence before a request at least; a slow line needs more
MOST_CHATTER = 1.0  # s; on a line that never rests we speak nevertheless
MOST = 600  # bytes; more than any frame: a line that never rests is not answering


@dataclass(frozen=True, slots=True)
class Answer:
    pdu: bytes
    seconds: float  # from the request to the whole answer

    @property
    def exception(self) -> int:
        """The code of a refusal; 0: it is none."""
        return self.pdu[1] if self.pdu[0] & 0x80 else 0


@dataclass(frozen=True, slots=True)
class NoAnswer:
    garbled: bytes = b""  # what came and is no frame

    def __bool__(self) -> bool:
        return False


class Master:
    """`echo`: the adapter hands back what was sent; found out by itself from the first answer on."""

    def __init__(self, channel: Channel, port: Port, framing: Framing, timeout: float, echo: bool) -> None:
        self.echo, self.late = echo, set[int]()  # units that answered when another was asked
        self._channel, self._framing, self._timeout = channel, framing, timeout
        self._framer = FRAMERS[framing](DecodePDU(is_server=False))
        self._pace = pace(port, framing)
        self._clock, self._transaction = Clock(), 1

    def frame(self, unit_id: int, pdu: bytes) -> bytes:
        """The request as it goes over the wire next."""
        return self._framer.encode(pdu, unit_id, self._transaction)

    def tell(self, pdu: bytes) -> None:
        """Everybody on the line, who do it and do not answer."""
        self._send(self.frame(0, pdu))
        time.sleep(self._timeout)

    def ask(self, unit_id: int, pdu: bytes) -> Answer | NoAnswer:
        asked = Frame(self._clock.now(), self.frame(unit_id, pdu), unit_id, pdu, None, self._transaction)
        self._transaction = self._transaction % 0xFFFF + 1
        self._send(asked.raw)
        begun = time.monotonic()
        until = begun + self._pace.lasts(len(pdu)) + self._timeout
        sniffer, echoes, garbled, size = SNIFFERS[self._framing](), int(self.echo), b"", 0
        while size < MOST:
            data = self._channel.receive(max(0.0, until - time.monotonic()))
            size += len(data)
            at = self._clock.now()
            for heard in sniffer.received(data, at) if data else sniffer.silent(at):
                if isinstance(heard, Spoilt):
                    garbled += heard.raw
                elif heard.raw == asked.raw and (echoes or not answers(pdu, heard.pdu)):
                    self.echo, echoes = True, 0
                elif self._belongs(heard, asked):
                    return Answer(heard.pdu, time.monotonic() - begun)
                else:
                    self.late.add(heard.unit_id)
            if not data:
                break
            until = max(until, time.monotonic() + GOES_ON)
        return NoAnswer(garbled)

    def _belongs(self, heard: Frame, asked: Frame) -> bool:
        transaction = heard.transaction in (None, asked.transaction)
        return transaction and heard.unit_id == asked.unit_id and answers(asked.pdu, heard.pdu)

    def _send(self, raw: bytes) -> None:
        self._rest()
        self._channel.send(raw)

    def _rest(self) -> None:
        """Until the line is silent. What still comes is late, and nobody's answer any more."""
        sniffer, until = SNIFFERS[self._framing](), time.monotonic() + MOST_CHATTER
        silence = max(BETWEEN, self._pace.silence)
        while time.monotonic() < until and (data := self._channel.receive(silence)):
            heard = sniffer.received(data, self._clock.now())
            self.late |= {one.unit_id for one in heard if isinstance(one, Frame)}
