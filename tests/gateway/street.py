"""A street that is never quiet in front of a gateway, and an onlooker who notes what really happened there.

All of it lives outside the gateway's process, so that it is a truth to hold the gateway's records against.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import count, cycle
from pathlib import Path
from random import Random
from threading import Thread

from sitewarden.config.site import Site
from sitewarden.gateway.clock import Clock, wall_now
from sitewarden.rules.model import Permit
from sitewarden.simulators.controls import UNKNOWN_CARD
from sitewarden.simulators.estate import Estate, Seen, Switched
from sitewarden.simulators.gate import Car
from sitewarden.simulators.serve import Served, serve
from tests.gateway.live import LiveGateway, free_port

CONTACTS = ("c1", "c2", "c3", "c4", "c5", "c6")
METER = """\
title: A counter that counts its readers' looks, and six contacts
source: none, it is made for tests
verified: as it is simulated
addressing: wire
points:
  count: {table: input, address: 0, type: u32, scan: fast}
""" + "".join(
    f"  {name}: {{table: input, address: 2, type: bit, bit: {bit}, scan: fast}}\n"
    for bit, name in enumerate(CONTACTS)
)
"""Its points stand in one block: each read of it is one look, and no two looks see the same count."""

SITE = """\
site: {{id: test, timezone: Asia/Shanghai, language: en}}
data: data
commit_limit: {limit}
http: {{host: 127.0.0.1, port: {http}}}
links:
  gate-in:  {{serial: ports/gate-in}}
  gate-out: {{serial: ports/gate-out}}
  bus-gate: {{serial: ports/bus-gate, baud: 115200}}
  meter:    {{tcp: 127.0.0.1:{meter}}}
devices:
  reader-in:  {{link: gate-in, driver: rdm6300}}
  reader-out: {{link: gate-out, driver: rdm6300}}
  io-gate:    {{link: bus-gate, unit: 1, profile: relay-8in-8out, scan: {{fast: 50ms}}}}
  io-fire:    {{link: bus-gate, unit: 2, profile: supervised-input-4, scan: {{fast: 100ms}}}}
  meter:      {{link: meter, unit: 1, profile: meter, scan: {{fast: 20ms}}, timeout: 5s}}
parking:
  lanes:
    entrance:
      direction: in
      reader: reader-in
      barrier:
        {{device: io-gate, open: out1, pulse: 100ms, opened: in1, closed: in2, loop_under: in4}}
    exit:
      direction: out
      reader: reader-out
      barrier:
        {{device: io-gate, open: out2, pulse: 100ms, opened: in5, closed: in6, loop_under: in8}}
fire:
  panel:
    point: io-fire.line1
    bands: {{short: [0, 300], fire: [500, 1200], normal: [1800, 2600], open: [6000, 1000000]}}
alarms:
{alarms}"""
ALARMS = "".join(f"  {name}: {{point: meter.{name}, is: true, severity: high}}\n" for name in CONTACTS)

WALK = 0.25  # s between two cards at a reader
HELD_OUT = 0.05  # s: one frame
ARRIVE = 1.0  # s between two looks for a lane without a car


@dataclass(frozen=True, slots=True)
class Move:
    """An open output was switched. `fire`: while fire may have done it."""

    at: datetime
    lane: str
    on: bool
    fire: bool


class Street:
    def __init__(self, site: Site, permits: Sequence[Permit], seed: int) -> None:
        self.chance = Random(seed)
        self.moves: list[Move] = []
        self.shown: list[tuple[datetime, int]] = []  # what the meter answered, and when
        self.still = False  # the meter counts no more
        self.contacts = dict.fromkeys(CONTACTS, False)
        self.swipes = 0
        self.fire = False  # from the panel's word to the operator's
        self.cars = self.cards = False  # whether they come by themselves
        self._links = site.links
        self._lane_of = {(it.barrier.device, it.barrier.open): it.id for it in site.plan.parking.lanes}
        self._valid = [it.card for it in permits[:24]]
        self._denied = [UNKNOWN_CARD, permits[-2].card, "0BADBADBAD", permits[-1].card]
        self._numbers = count(1)
        self._at_move: Callable[[], None] | None = None
        self.estate = Estate(site.plan, site.links, permits, seed, Clock().now(), seen=self._saw)
        meter = self.estate.sources["meter"].inputs
        meter["count"] = lambda _: self._look()
        meter |= {name: partial(lambda name, _: self.contacts[name], name) for name in CONTACTS}
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="street", daemon=True)
        self._served: Served

    def start(self, ports: Path) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._begin(ports), self._loop).result()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._served.stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def do(self, act: Callable[[], None]) -> None:
        """Does it in the estate's own thread, and returns once that is done."""

        async def _done() -> None:
            self._settled(act)

        asyncio.run_coroutine_threadsafe(_done(), self._loop).result()

    # -- what a test makes happen ----------------------------------------------------------------

    def come_and_go(self, on: bool = True) -> None:
        """From now on cars and cards come by themselves, or do not."""
        self.cars = self.cards = on

    def hold_out(self, lane: str, card: str) -> None:
        """A card at the lane's reader."""
        self.do(partial(self._hold_out, lane, card))

    def burn(self, on: bool) -> None:
        self.do(lambda: setattr(self.estate.lines["panel"], "fire", on))

    def drop_outputs(self) -> None:
        """The module of the barriers loses its power for a moment, and with it what it was told."""
        for lane in self.estate.plan.parking.lanes:
            write = self.estate.sources[lane.barrier.device].write
            self.do(partial(write, lane.barrier.open, False, self._served.now()))

    def doom(self, pid: int, delay: float, at_move: bool, done: Callable[[datetime], None]) -> None:
        """Kills the process after `delay` s, or at the very instant of the first movement after it."""

        def _kill() -> None:
            done(wall_now())
            os.kill(pid, signal.SIGKILL)

        def _due() -> None:
            if at_move:
                self._at_move = _kill
            else:
                _kill()

        self._loop.call_soon_threadsafe(self._loop.call_later, delay, _due)

    def openings(self, lane: str) -> list[datetime]:
        """When the lane's output was switched on, and fire had no part in it."""
        return [move.at for move in self.moves if move.lane == lane and move.on and not move.fire]

    @property
    def held(self) -> bool:
        return all(gate.arm.open_held for gate in self.estate.gates.values())

    @property
    def empty(self) -> bool:
        """No car is at any lane."""
        return all(gate.wake_at is None for gate in self.estate.gates.values())

    # -- what happens by itself ------------------------------------------------------------------

    async def _begin(self, ports: Path) -> None:
        self._served = await serve(self.estate, self._links, ports)
        for lane in self.estate.gates:
            self._walk(lane, cycle(("", *self._denied)))
            self._arrive(lane)

    def _walk(self, lane: str, cards: "cycle[str]") -> None:
        """One card after the other; every fifth may be let in."""
        if self.cards:
            self._settled(partial(self._hold_out, lane, next(cards) or self.chance.choice(self._valid)))
        self._loop.call_later(WALK, self._walk, lane, cards)

    def _arrive(self, lane: str) -> None:
        """Cars whose drivers have no card, and go through with whoever else is let in."""
        if self.cars and self.estate.gates[lane].wake_at is None:
            self._settled(lambda: self.estate.arrive(lane, Car(), self._served.now().mono))
        self._loop.call_later(ARRIVE, self._arrive, lane)

    def _hold_out(self, lane: str, card: str) -> None:
        self.estate.gates[lane].reader.hold(card, self._served.now().mono, HELD_OUT)
        self.swipes += 1

    def _settled(self, act: Callable[[], None]) -> None:
        act()
        self._served.settle()

    # -- what the onlooker sees ------------------------------------------------------------------

    def _saw(self, seen: Seen) -> None:
        if isinstance(seen, Switched):
            lane = self._lane_of[seen.device, seen.output]
            self.moves.append(Move(wall_now(), lane, seen.on, self.fire))
            if seen.on and self._at_move:
                act, self._at_move = self._at_move, None
                act()

    def _look(self) -> int:
        if self.still:
            return self.shown[-1][1]
        number = next(self._numbers)
        self.shown.append((wall_now(), number))
        return number


class StreetSite(LiveGateway):
    """A site at such a street, which is quiet at first."""

    def __init__(self, folder: Path, sinks: str = "", seed: int = 1, limit: str = "150ms") -> None:
        (folder / "profiles").mkdir()
        (folder / "profiles" / "meter.yaml").write_text(METER, encoding="utf-8")
        text = SITE.format(http=free_port(), meter=free_port(), limit=limit, alarms=ALARMS)
        super().__init__(folder, text + sinks)
        self.street = Street(self.site, self.permits, seed)
        self.street.start(folder / "ports")

    def close(self) -> None:
        super().close()
        self.street.stop()

    def opens(self, number: int) -> float:
        """s from the card of that number at the entrance to its barrier's relay. Nobody else may come."""
        street = self.street
        before, begun = len(street.openings("entrance")), wall_now()
        street.hold_out("entrance", self.permits[number].card)
        self.until(lambda: len(street.openings("entrance")) > before, 5.0)
        self.until(lambda: not street.moves[-1].on)
        return (street.openings("entrance")[-1] - begun).total_seconds()

    def burns(self) -> float:
        """s from a fire to the last barrier's relay; then it is over, and an operator has said so."""
        begun = wall_now()
        self.street.burn(True)
        self.until(lambda: self.street.held)
        took = (self.street.moves[-1].at - begun).total_seconds()
        self.street.burn(False)
        self.until(lambda: self.ask("GET", "/site")["fire"]["stage"] == "held")
        self.ask("POST", "/fire/reset")
        self.until(lambda: not any(gate.arm.open_held for gate in self.street.estate.gates.values()))
        return took
