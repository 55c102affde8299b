"""What a page draws of a device."""

from pathlib import Path

import pytest

from sitewarden.gateway.board import Board
from sitewarden.gateway.web import views
from sitewarden.gateway.words import Words
from tests.config import site_text

LEFT_OUT = "{level: null, height: {table: input, address: 1, type: u16}}"


@pytest.mark.parametrize(("points", "key"), [("{level: {address: 9}}", ["level"]), (LEFT_OUT, [])])
def test_a_profile_of_the_site_s_own_is_drawn_as_the_one_that_it_extends(
    tmp_path: Path, points: str, key: list[str]
) -> None:
    devices = site_text.SECTIONS["devices"] + "\n  tank: {link: bus-1, unit: 9, profile: ours}"
    site_text.write(tmp_path)
    (tmp_path / "profiles" / "ours.yaml").write_text(f"extends: level-4-20ma\npoints: {points}\n", "utf-8")
    site = site_text.good(tmp_path, devices=devices)
    drawn = views.device(Board(site), Words(site, "en"), "tank")
    assert drawn.picture is views.PICTURES["level-4-20ma"]
    assert [gauge.name for gauge in drawn.key] == key
