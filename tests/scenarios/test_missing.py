"""What real drivers say of real trouble, and what the ledger makes of it."""

from dataclasses import replace

import pytest

from sitewarden.drivers.modbus.points import Table
from sitewarden.drivers.plan import BusPlan, LinkPlan
from sitewarden.gateway.ledger.gaps import intervals, remade
from sitewarden.gateway.ledger.ledger import Ledger
from sitewarden.gateway.spool.blocks import Loss
from sitewarden.rules.model import Effect, Stamp
from sitewarden.simulators.world import World
from tests.scenarios import site

T0 = site.START.mono
S = 10**9  # ns


def boot_ns(at: Stamp) -> int:
    return round(at.mono * S)


class Site:
    """A world with a ledger that listens."""

    def __init__(self) -> None:
        self.links = site.links()
        self.world = World(site.plan(), self.links, site.permits(), seed=5, start=site.START)
        self.ledger = Ledger(intervals(self.links))
        self.ledger.begin(None, (), "boot", round(T0 * S))
        self.told: list[Loss] = []
        self._taken = 0
        self.run(5)

    def run(self, until: float) -> None:
        """s since the start, a commit each half second."""
        while self.world.mono < T0 + until:
            self.world.run(min(self.world.mono + 0.5, T0 + until))
            fresh: list[Effect] = [effect for _, effect in self.world.effects[self._taken :]]
            self._taken += len(fresh)
            self.ledger.take(fresh, boot_ns)
            self.ledger.due(round(self.world.mono * S))
            self.told += self.ledger.tell(0, round(self.world.mono * S))

    def reload(self, links: tuple[LinkPlan, ...]) -> None:
        self.ledger.adopt(intervals(links), remade(self.links, links), round(self.world.mono * S))
        self.world.reload(site.plan(), links)
        self.links = links

    def gaps(self) -> list[tuple[str, str, int, int]]:
        """Subject, why, and the seconds since the start."""
        return [(it.subject, it.why, round(it.first / S - T0), round(it.last / S - T0)) for it in self.told]


@pytest.fixture
def there() -> Site:
    return Site()


def test_a_site_that_works_has_no_gaps(there: Site) -> None:
    there.run(200)
    assert there.told == []
    assert there.ledger.open(0, 0) == []


def test_a_unit_without_power_is_one_gap(there: Site) -> None:
    there.world.estate.units["pump-1"].deaf = True
    there.run(65)
    there.world.estate.units["pump-1"].deaf = False
    there.run(120)
    ((subject, why, first, last),) = there.gaps()
    assert (subject, why) == ("pump-1", "timeout")
    assert 5 <= first <= 7
    assert 65 <= last <= 100  # it is asked at growing intervals whether it is back
    assert there.told[0].count == pytest.approx(6 * (last - first), abs=12)


def test_a_register_that_a_unit_does_not_have_is_a_gap_of_its_point(there: Site) -> None:
    there.world.estate.units["pump-1"].registers.refused[Table.HOLDING, 301] = 2
    there.run(60)
    there.world.estate.units["pump-1"].registers.refused.clear()
    there.run(90)
    own = [gap for gap in there.gaps() if gap[0] == "pump-1.flow"]
    assert [gap[:2] for gap in own] == [("pump-1.flow", "illegal_address")]
    assert len(there.told) <= 3


def test_a_bus_that_is_unplugged_is_a_gap_for_each_of_its_devices(there: Site) -> None:
    there.world.press("unplug", "bus-2")
    there.run(35)
    there.world.press("plug", "bus-2")
    there.run(120)
    assert sorted(gap[:2] for gap in there.gaps()) == [
        ("pump-1", "link_down"),
        ("pump-2", "link_down"),
        ("tank-1", "link_down"),
    ]
    assert all(first == 5 and last in (35, 36) for _, _, first, last in there.gaps())


def test_a_reload_is_told_as_one(there: Site) -> None:
    *others, lift = there.links
    assert isinstance(lift.wire, BusPlan)
    there.reload((*others, replace(lift, wire=replace(lift.wire, probes=0.1))))
    there.run(100)
    assert there.gaps() == [("lift-1", "altered", 5, 5)]
