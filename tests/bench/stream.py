"""A Modbus TCP unit of a thousand registers in front of the real engine, answered from memory."""

import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count, cycle
from random import Random
from zoneinfo import ZoneInfo

from sitewarden.drivers.engine import Engine, Publish, Send
from sitewarden.drivers.modbus.points import Kind, Point, Profile, Table, Unit
from sitewarden.drivers.plan import BusPlan, Framing, LinkPlan, TcpPort, build
from sitewarden.rules.core import Core
from sitewarden.rules.model import Effect, Stamp
from sitewarden.rules.plan import SitePlan

POINTS = 1000
IMAGES = 16  # different states of the registers, in turn
NOON = datetime(2026, 3, 10, 4, tzinfo=UTC)
PLAN = SitePlan("bench", ZoneInfo("Asia/Shanghai"))


def at(seconds: float) -> Stamp:
    return Stamp(NOON + timedelta(seconds=seconds), 1000.0 + seconds)


def wide_unit(many: int = POINTS) -> Unit:
    points = tuple(Point(f"value-{n}", Table.HOLDING, n, Kind.U16, scale=0.1) for n in range(many))
    return Unit("unit", 1, Profile("wide", points))


def images(changing: float, many: int = POINTS) -> list[bytes]:
    """Register images, each of which differs from the one before in `changing` of its registers."""
    chance = Random(1)
    registers = [chance.randrange(0x8000) for _ in range(many)]
    made = []
    for _ in range(IMAGES):
        for place in chance.sample(range(many), round(changing * many)):
            registers[place] = registers[place] + 1
        made.append(struct.pack(f">{many}H", *registers))
    return made


def answer(request: bytes, registers: bytes) -> bytes:
    """The answer of a unit with these holding registers to a read (V1.1b3, 6.3) over TCP."""
    first, many = struct.unpack_from(">HH", request, 8)
    head = struct.pack(">4sHBBB", request[:4], 3 + 2 * many, request[6], request[7], 2 * many)
    return head + registers[2 * first : 2 * (first + many)]


def polls(changing: float) -> Iterator[Sequence[Effect]]:
    """Each step is one poll of all points, a second after the last: what it made the core say."""
    plan = LinkPlan("plant", TcpPort("127.0.0.1", 502), BusPlan(Framing.TCP, (wide_unit(),)))
    engine = Engine(Core(PLAN), {plan.name: partial(build, plan)})
    state = cycle(images(changing))
    for second in count():
        now, registers = at(second), next(state)
        todo = engine.woken(now) if second else engine.connected(plan.name, now)
        effects: list[Effect] = []
        while todo:
            more = []
            for part in todo:
                match part:
                    case Publish(said):
                        effects += said
                    case Send(link, data):
                        more += engine.received(link, answer(data, registers), now)
            todo = more
        yield effects
