"""What the first room says at a glance: the strip above, and a tile for each device."""

import re

import pytest
from fastapi.testclient import TestClient

from sitewarden.rules.model import Quality, Reading, Reason
from tests.api.small_house import SmallHouse

pytestmark = pytest.mark.slow


def test_the_tile_of_a_fire_input_bears_its_panels_alarm(house: SmallHouse, engineer: TestClient) -> None:
    house.up()
    assert '<a id="tile-io-fire" class="tile"' in engineer.get("/").text
    house.step(Reading("io-fire.line1", 700.0, house.later(1)))
    house.tick(1)
    assert '<a id="tile-io-fire" class="tile critical"' in engineer.get("/").text


@pytest.mark.parametrize(("lang", "calm"), [("en", "✓ No fire"), ("zh", "✓ 消防正常")])
def test_a_line_in_fault_is_never_calm_in_the_strip(
    house: SmallHouse, engineer: TestClient, lang: str, calm: str
) -> None:
    def strip(ohm: float) -> str:
        house.step(Reading("io-fire.line1", ohm, house.later(3)))
        return engineer.get(f"/?lang={lang}").text.partition('id="strip"')[2].partition("</div>")[0]

    assert calm in strip(2200.0)
    cut = strip(9e5)
    assert calm not in cut
    assert "✓" not in cut
    assert 'class="chip fire-normal high"' in cut
    assert {"en": "▲ Fire: not known", "zh": "▲ 火警状态未知"}[lang] in cut


def _tile(client: TestClient, device: str) -> str:
    page = client.get("/?lang=en").text
    found = re.search(rf'<a id="tile-{device}".*?</a>', page, re.DOTALL)
    assert found
    return " ".join(re.sub("<[^>]+>", " ", found[0]).split())


def test_a_tile_says_which_alarm_and_how_the_device_is_now(house: SmallHouse, engineer: TestClient) -> None:
    house.up()
    assert "✓ works" in _tile(engineer, "tank")
    house.read(tank_level=0.5)
    house.tick(10)
    assert "works ▲ High Roof tank is low" in _tile(engineer, "tank")
    house.read(tank_level=1.5)
    house.tick(10)
    told = _tile(engineer, "tank")
    assert "✓ works · alarm not acknowledged" in told
    assert "High" not in told


def test_a_device_that_answers_only_in_part_is_not_well(house: SmallHouse, engineer: TestClient) -> None:
    house.up()
    house.step(Reading("tank.level", 1.5, house.later(1), Quality.BAD, Reason.NOT_AVAILABLE))
    assert "✓ works" in _tile(engineer, "tank"), "it was read, and that is what the device says"
    house.step(Reading("tank.level", 1.5, house.later(1), Quality.BAD, Reason.ILLEGAL_ADDRESS))
    told = _tile(engineer, "tank")
    assert "✓" not in told
    assert "works · 1 of 1 values are not read: illegal data address" in told
