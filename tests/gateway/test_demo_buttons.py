"""A button of the demo says what came of it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from sitewarden.config.site import Site, load
from sitewarden.drivers.plan import TcpPort
from sitewarden.gateway.api.house import DemoControl
from sitewarden.gateway.demo import LiveEstate, permits
from sitewarden.rules.model import Stamp
from sitewarden.simulators.presses import Came
from tests.servers import free_port

pytestmark = pytest.mark.slow

DEMO = Path(__file__).parents[2] / "config" / "demo" / "site.yaml"


def _elsewhere(site: Site) -> Site:
    links = (
        replace(link, port=TcpPort("127.0.0.1", free_port())) if isinstance(link.port, TcpPort) else link
        for link in site.links
    )
    return replace(site, links=tuple(links))


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[LiveEstate]:
    site = _elsewhere(load(DEMO))
    cards = [card for card in permits(date(2026, 11, 30)) if not card.blocked]
    estate = LiveEstate(site, cards, 1, None, Stamp(datetime(2026, 11, 30, 4, tzinfo=UTC), 5000.0))
    estate.start(tmp_path / "ports")
    yield estate
    estate.stop()


@pytest.mark.parametrize(
    "pressed",
    [
        [("swipe", "entrance", "unknown", Came.ARRIVES), ("swipe", "entrance", "unknown", Came.QUEUED)],
        [("swipe", "entrance", "blocked", Came.NO_CARD)],
        [
            ("unplug", "gate-in", "", Came.DONE),
            ("unplug", "gate-in", "", Came.SAME),
            ("swipe", "entrance", "unknown", Came.UNHEARD),
        ],
        [("line_fault", "panel", "open", Came.DONE), ("fire", "panel", "", Came.BROKEN)],
        [("unplug", "bus-gate", "", Came.DONE), ("fire", "panel", "", Came.UNHEARD)],
        [("burst_pipe", "", "", Came.DONE), ("burst_pipe", "", "", Came.SAME)],
        [("device_fault", "pump-1", "slow", Came.DONE), ("device_mended", "pump-1", "", Came.DONE)],
        [("device_fault", "pump-1", "deaf", Came.DONE), ("device_fault", "pump-1", "deaf", Came.SAME)],
        [("trap_passenger", "lift-a", "", Came.DONE), ("trap_passenger", "lift-a", "", Came.SAME)],
    ],
    ids=lambda pressed: f"{pressed[-1][0]}-{pressed[-1][3]}",
)
def test_a_button_answers(estate: LiveEstate, pressed: list[tuple[str, str, str, Came]]) -> None:
    for name, target, value, came in pressed:
        assert estate.press(DemoControl(name, target, value)) is came
