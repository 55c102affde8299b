"""A gateway that runs tells of itself, whoever may listen later."""

from collections.abc import Iterator

import pytest

from sitewarden.gateway.sinks.parse import Record, parse
from sitewarden.gateway.spool.kept import Kept
from tests.gateway.live import LiveSite, live_site

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    with live_site(tmp_path_factory.mktemp("site")) as live:
        yield live


def told(site: LiveSite, measurement: str) -> list[Record]:
    kept = Kept(site.site.data / "spool.db", "nobody")
    try:
        lines = (line for entry in kept.within(0, 1 << 62) for line in kept.lines(entry))
        return [record for record in map(parse, lines) if record.measurement == measurement]
    finally:
        kept.close()


def test_how_it_is(site: LiveSite) -> None:
    site.until(lambda: told(site, "gateway"))
    gateway = told(site, "gateway")[0]
    assert gateway.fields["clock_trusted"] is True
    assert gateway.fields["journal_ok"] is True
    assert 0 <= float(gateway.fields["uptime"]) < 60
    assert told(site, "site")[0].fields["devices"] == 5.0


def test_what_its_points_are_with_another_site_again(site: LiveSite) -> None:
    site.until(lambda: told(site, "point"))
    before = told(site, "point")
    assert len({(it.tags["device"], it.tags["point"]) for it in before}) == len(before)
    site.write(site.text.replace("unit: 1, profile: lift", "unit: 1, title: Lift A, profile: lift"))
    site.ask("POST", "/reload")
    site.until(lambda: len(told(site, "point")) == 2 * len(before))
    assert "Lift A · Floor" in {it.fields["title"] for it in told(site, "point")}
