"""How often each point is read, by the configuration."""

from dataclasses import replace

from sitewarden.drivers.modbus.points import Unit
from sitewarden.drivers.plan import BusPlan, Framing
from sitewarden.gateway.ledger.gaps import intervals, remade
from tests.scenarios import site


def test_every_point_is_read_at_the_interval_of_its_scan_class() -> None:
    each = intervals(site.links())
    assert each["io-gate"]["io-gate.in1"] == 0.2
    assert each["io-gate"]["io-gate.out1"] == 10.0
    assert each["pump-1"]["pump-1.flow"] == 1.0
    assert each["reader-in"] == {}


def test_whom_a_line_only_tells_is_not_missed() -> None:
    link = site.one_unit(site.LEVEL)
    everyone = BusPlan(Framing.RTU, (Unit("everyone", 0, site.LEVEL),))
    assert intervals([replace(link, wire=everyone)]) == {"everyone": {}}
    over_tcp = replace(everyone, framing=Framing.TCP)
    assert intervals([replace(link, wire=over_tcp)]) == {"everyone": {"everyone.level": 1.0}}


def test_links_that_come_go_or_change_are_made_anew() -> None:
    links = site.links()
    assert remade(links, links) == frozenset()
    assert remade(links, links[1:]) == {"reader-in"}
    assert remade(links[1:], links) == {"reader-in"}
    assert remade(links, site.links(site.CALM)) == {
        *("io-gate", "io-fire", "pump-1", "pump-2", "tank-1", "lift-1"),
    }
