"""The site in one language."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sitewarden.gateway.words import Words
from tests.api.small_house import demo_site


@pytest.fixture(params=["zh", "en"])
def words(request: pytest.FixtureRequest) -> Words:
    return Words(demo_site(), request.param)


def test_a_wire_is_known_by_what_hangs_on_it(words: Words) -> None:
    named = {"zh": "线路：道闸控制箱、消防输入模块", "en": "Line: Gate box, Fire input module"}
    assert words.subject("bus-gate") == named[words.lang]
    assert words.subject("nothing-of-ours") == "nothing-of-ours"


def test_a_fire_panel_without_a_title_is_called_one(words: Words) -> None:
    titled, untitled = {"zh": ("消防联动", "消防主机（panel）"), "en": ("Fire panel", "Fire panel (panel)")}[
        words.lang
    ]
    assert words.subject("panel") == words.title("panel") == titled
    bare = Words(replace(demo_site(), titles={}), words.lang)
    assert bare.subject("panel") == bare.title("panel") == untitled


def test_whoever_came_by_a_link_is_called_so(words: Words) -> None:
    assert words.by("owner") == {"zh": "链接登录者", "en": "holder of the link"}[words.lang]
    assert words.by("booth") == "booth"


def test_an_instant_is_as_short_as_its_day_allows_and_can_be_told_in_full(words: Words) -> None:
    wall = datetime(2026, 12, 31, 15, 59, 58, tzinfo=UTC)
    told = [words.moment(wall, now) for now in (wall, wall.replace(hour=16), wall.replace(year=2028))]
    zh = ["23:59:58", "2026年12月31日 23:59", "2026年12月31日 23:59"]
    en = ["23:59:58", "31 Dec 2026 23:59", "31 Dec 2026 23:59"]
    assert told == {"zh": zh, "en": en}[words.lang]
    assert words.instant(wall) == "2026-12-31 23:59:58 Asia/Shanghai"
