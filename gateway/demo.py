"""The simulated estate behind `sitewarden demo`: real twins on real ports, alive in a thread of its own.

The gateway does not know the difference: it opens the twins' pseudo-terminals and TCP ports as it would
open a site's. Only the demo's buttons reach behind the wires, through `press`.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from threading import Thread
from typing import TypeVar

from sitewarden.config.site import Site
from sitewarden.drivers.plan import LinkPlan
from sitewarden.gateway.api.house import DemoControl
from sitewarden.gateway.board import places_of
from sitewarden.rules.cells import Place
from sitewarden.rules.model import Keep, Permit, PermitKind, Reading, Record, Stamp
from sitewarden.simulators.controls import Control, controls
from sitewarden.simulators.estate import Estate
from sitewarden.simulators.presses import Came, came, picture
from sitewarden.simulators.serve import Served, serve

T = TypeVar("T")

SAMPLE = 20.0  # s between two samples of the estate's history
HOUSES, CARS = 9, 96  # monthly cards of the demo, one for each flat


def permits(today: date) -> list[Permit]:
    """The cards of the demo's service centre: monthly, shared private space, temporary, expired, blocked."""
    begun, paid = today.replace(day=1), (today.replace(day=1) + timedelta(days=62)).replace(day=1)
    month_end = paid - timedelta(days=1)
    monthly = [
        _permit(flat, PermitKind.MONTHLY, begun, month_end, f"{1 + flat % HOUSES}-{1 + flat // HOUSES:02d}01")
        for flat in range(CARS)
    ]
    shared = [
        replace(_permit(100 + n, PermitKind.PRIVATE, begun, month_end, "6-1201"), space="B1-017")
        for n in range(2)
    ]
    visitors = [
        _permit(200 + n, PermitKind.TEMPORARY, today, today + timedelta(days=1), "") for n in range(3)
    ]
    expired = _permit(
        300, PermitKind.MONTHLY, begun - timedelta(days=31), begun - timedelta(days=1), "2-0402"
    )
    blocked = replace(_permit(301, PermitKind.MONTHLY, begun, month_end, "4-0903"), blocked=True)
    return [*monthly, *shared, *visitors, expired, blocked]


def _permit(number: int, kind: PermitKind, first: date, last: date, holder: str) -> Permit:
    return Permit(
        f"0100{0x0734E0 + 977 * number:06X}", kind, first, last, holder, f"演A{10007 + 37 * number:05d}"
    )


class LiveEstate:
    """`start` returns the links with the ports that a gateway has to open."""

    def __init__(
        self,
        site: Site,
        cards: Sequence[Permit],
        seed: int,
        cars_an_hour: float | None,
        now: Stamp,
        past: float = 0.0,
    ) -> None:
        """`past`: s that the estate has lived already when the gateway comes; see `history`."""
        self._begun, self._now = _before(now, past), now
        self._estate = Estate(
            site.plan, site.links, cards, seed, self._begun, cars_an_hour, cars_from=now.mono
        )
        self._links, self._cards = site.links, cards
        self._wires = {device: place.link for device, place in places_of(site).items()}
        self._loop: asyncio.AbstractEventLoop
        self._thread: Thread
        self._served: Served

    def history(self) -> Iterator[Reading]:
        """Lives through the past, before `start`: what a gateway would have read every `SAMPLE` s."""
        ago = self._now.mono - self._begun.mono
        while ago > 0.0:
            at = _before(self._now, ago)
            self._estate.woken(at)
            yield from (Reading(point, value, at) for point, value in self._estate.values(at))
            ago -= SAMPLE

    def whereabouts(self) -> Iterator[Record]:
        """Which cars are at home when the gateway comes, as the journal of one keeps it that saw them all."""
        for permit in self._cards:
            inside = self._estate.traffic.at_home(permit.card)
            yield Keep(f"inside/{permit.card}", Place(inside, permit.kind, permit.space, self._now))

    def start(self, ports_dir: Path) -> tuple[LinkPlan, ...]:
        """Raises OSError for a port that is taken."""
        ports_dir.mkdir(parents=True, exist_ok=True)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="estate", daemon=True)
        self._thread.start()
        self._served = self._ask(serve(self._estate, self._links, ports_dir, self._now)).result()
        return tuple(replace(link, port=self._served.ports[link.name]) for link in self._links)

    def stop(self) -> None:
        self._ask(self._served.stop()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def controls(self) -> Sequence[DemoControl]:
        return [_button(control) for control in controls(self._estate)]

    def press(self, control: DemoControl) -> Came:
        """Returns what came of it, once it has happened; raises KeyError for a control that the estate does
        not have."""
        return self._ask(self._press(control)).result()

    async def _press(self, control: DemoControl) -> Came:
        target = f"{control.target}/{control.value}" if control.value else control.target
        self._estate.woken(self._served.now())
        before = picture(self._estate)
        self._served.press(control.name, target)
        altered = picture(self._estate) != before
        return came(self._estate, self._wires, Control(control.name, control.target), altered)

    def _ask(self, coroutine: Coroutine[None, None, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)


def _before(now: Stamp, seconds: float) -> Stamp:
    return Stamp(now.wall - timedelta(seconds=seconds), now.mono - seconds)


def _button(control: Control) -> DemoControl:
    target, _, value = control.target.partition("/")
    return DemoControl(control.name, target, value)
