"""A site that tells a broker: the demo's board, a real spool, carrier and transport, and no core."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from sitewarden.config.plan import Site
from sitewarden.config.sinks import MqttPlan
from sitewarden.config.site import load
from sitewarden.drivers.plan import BusPlan, LinkPlan
from sitewarden.gateway.board import Board
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.outlets import present
from sitewarden.gateway.sinks.carrier import Carrier
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.sinks.mqtt.transport import JsonTransport
from sitewarden.gateway.spool.spool import Spool
from sitewarden.rules.model import Effect, Keep, Operator, Reading, Stamp, Trouble
from tests.servers import until

DEMO = Path(__file__).parents[2] / "config" / "demo" / "site.yaml"
NAME = "broker"


@cache
def demo_site() -> Site:
    return load(DEMO)


class Stage:
    def __init__(self, spool: Path, port: int, **more: object) -> None:
        self.plan = replace(MqttPlan(NAME, "127.0.0.1", port), **more)  # type: ignore[arg-type]
        self.clock, self.troubles, self.asked = Clock(), list[Trouble](), list[Operator]()
        self.site = demo_site()
        self.board, self._lines = Board(self.site), Lines(self.site.id)
        self.spool = Spool(spool, [NAME])
        self.carrier: Carrier

    def start(self) -> None:
        transport = JsonTransport(
            self.plan, lambda: self.site, lambda: self.board, self.present, self.clock, self.operate
        )
        self.carrier = Carrier(self.plan, self.spool, self.troubles.append, self.clock, lambda: transport)
        self.carrier.start()

    def present(self) -> Sequence[Effect]:
        return present(self.board, self.clock.now())

    def operate(self, operator: Operator) -> "Future[Sequence[Effect]]":
        self.asked.append(operator)
        done: Future[Sequence[Effect]] = Future()
        done.set_result([operator])
        return done

    def now(self) -> Stamp:
        return self.clock.now()

    def seen(self, *effects: Effect) -> None:
        """They are on the board."""
        self.board.apply(effects)

    def tell(self, *effects: Effect) -> None:
        """They happen: on the board, and in a commit of the spool."""
        self.seen(*effects)
        lines = self._lines.format([each for each in effects if not isinstance(each, Keep)])
        if lines:
            instants = [ns for ns, _ in lines]
            self.spool.append([line for _, line in lines], min(instants), max(instants))

    def read(self, value: float, point: str = "pump-1.pressure", at: Stamp | None = None) -> Reading:
        return Reading(point, value, at or self.now())

    def is_told(self, within: float = 10.0) -> bool:
        def done() -> bool:
            self.spool.stats()
            status = self.carrier.status()
            return status.up and not status.waiting and not status.backlog

        return until(done, within)

    def close(self) -> None:
        self.carrier.stop()
        self.spool.close()


@contextmanager
def telling(spool: Path, port: int, **more: object) -> Iterator[Stage]:
    it = Stage(spool, port, **more)
    it.start()
    try:
        yield it
    finally:
        it.close()


def without(site: Site, device: str) -> Site:
    """The site as a reload leaves it that removed the device."""
    return replace(site, links=tuple(_without(link, device) for link in site.links))


def _without(link: LinkPlan, device: str) -> LinkPlan:
    wire = link.wire
    if not isinstance(wire, BusPlan):
        return link
    return replace(link, wire=replace(wire, units=tuple(it for it in wire.units if it.device != device)))
