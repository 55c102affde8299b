"""A destination in virtual time: a scripted server, a real spool, and the carrier between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sitewarden.config.sinks import InfluxPlan
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.sinks.answers import Answer, Kind
from sitewarden.gateway.sinks.base import Lane, Transport
from sitewarden.gateway.sinks.carrier import Carrier
from sitewarden.gateway.spool.blocks import Rank
from sitewarden.gateway.spool.spool import Spool
from sitewarden.rules.model import Trouble

START = datetime(2026, 3, 2, tzinfo=UTC)
NS = 1_000_000_000
EPOCH = int(START.timestamp()) * NS
TAKEN = Answer(Kind.TAKEN, 204)
RESET = Answer(Kind.LATER, 0, "ConnectionResetError: reset")
PLAN = InfluxPlan("influx", "http://nowhere", batch=1000)

Script = Callable[[Sequence[bytes], Lane], Answer]


def line(second: float, series: str = "pump-1") -> bytes:
    point = f"device={series},point=pressure"
    return b'reading,site=test,%s value=0.5,quality="good" %d' % (point.encode(), EPOCH + int(second * NS))


def second(of: bytes) -> float:
    return (int(of.rsplit(b" ", 1)[1]) - EPOCH) / NS


@dataclass
class Sent:
    at: float
    lane: Lane
    lines: list[bytes]


@dataclass
class Server(Transport):
    """Stores what its script takes. Every request takes `delay` s, and a line `each` s more."""

    now: "Now"
    script: Script = lambda lines, lane: TAKEN
    prepared: Answer = TAKEN
    delay: float = 0.02
    each: float = 0.0
    well: bool = True
    requests: list[Sent] = field(default_factory=list)
    taken: list[Sent] = field(default_factory=list)

    def prepare(self) -> Answer:
        self.now.seconds += self.delay
        return self.prepared

    def send(self, lines: Sequence[bytes], lane: Lane) -> Answer:
        self.now.seconds += self.delay + self.each * len(lines)
        sent = Sent(self.now.seconds, lane, list(lines))
        self.requests.append(sent)
        answer = self.script(lines, lane)
        if answer.kind is Kind.TAKEN:
            self.taken.append(sent)
        return answer

    def site_changed(self) -> None:
        """Nothing is remembered."""

    def healthy(self) -> bool:
        return self.well

    def close(self) -> None:
        """Nothing is open."""

    @property
    def stored(self) -> list[bytes]:
        return [each for sent in self.taken for each in sent.lines]


@dataclass
class Now:
    seconds: float = 0.0

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.seconds)


class Uplink:
    """Lines that were put for a second are there from that second on."""

    def __init__(self, folder: Path, plan: InfluxPlan = PLAN) -> None:
        self.now = Now()
        self.server = Server(self.now)
        self.spool = Spool(folder / "spool.db", [plan.name])
        self.troubles: list[Trouble] = []
        clock = Clock(wall=self.now.wall, mono=lambda: self.now.seconds)
        self.carrier = Carrier(plan, self.spool, self.troubles.append, clock, lambda: self.server)

    def put(self, lines: Sequence[bytes], rank: Rank = Rank.READING) -> None:
        instants = [EPOCH + int(second(each) * NS) for each in lines]
        self.spool.append(lines, min(instants), max(instants), rank)

    def run(self, until: float, coming: Callable[[float], None] | None = None, every: float = 1.0) -> None:
        """Turns as the thread makes them; `coming` puts what there is, every so many seconds."""
        due = self.now.seconds + every
        while self.now.seconds < until:
            wake = self.now.seconds + self.carrier.step()
            while coming and due <= min(max(wake, self.now.seconds), until):
                coming(due)
                if self.carrier.status().up:
                    wake = due
                due += every
            self.now.seconds = min(max(wake, self.now.seconds), until)

    @property
    def waiting(self) -> int:
        return self.spool.stats().pending[self.carrier.plan.name]

    @property
    def said(self) -> list[tuple[str, bool]]:
        return [(trouble.code, trouble.on) for trouble in self.troubles]


def refusing(bad: Callable[[bytes], bool], answer: Answer) -> Script:
    """Takes a request unless there is a bad line in it."""
    return lambda lines, lane: answer if any(map(bad, lines)) else TAKEN


def answering(*answers: Answer) -> Script:
    """These in turn, and takes everything after them."""
    left = list(answers)
    return lambda lines, lane: left.pop(0) if left else TAKEN
