"""The page in Chromium: live, by hand and without scripts, in both languages and on a phone."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from sitewarden.gateway.api.server import ApiServer
from sitewarden.gateway.clock import Clock
from sitewarden.gateway.records import micros
from sitewarden.gateway.sinks.base import SinkStatus
from sitewarden.gateway.spool.blocks import Loss
from sitewarden.gateway.tokens import Role
from sitewarden.gateway.troubles import Troubles
from sitewarden.rules.model import AlarmState, Reading
from tests.api.small_house import SmallHouse

pytestmark = pytest.mark.browser

SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
ROOMS = ("/", "/lanes", "/alarms", "/telemetry", "/more", "/devices/pump-1", "/devices/lift-a")
ALARM = "device_offline:lift-a"

COLOURS = """canvas => {
    const all = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(new Uint32Array(all.buffer)).size;
}"""
"""How many there are in a picture."""

Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def server(house: SmallHouse) -> Iterator[ApiServer]:
    house.up()
    house.lose("lift-a")
    server = ApiServer(house, Troubles([].append, Clock()))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def faults() -> list[str]:
    """What the consoles of all pages complained of."""
    return []


@pytest.fixture
def visit(chromium: Browser, house: SmallHouse, server: ApiServer, faults: list[str]) -> Iterator[Opened]:
    """Opens a room as the engineer, and finds no fault on the console until the end."""
    contexts = []

    def opened(path: str, lang: str = "en", size: dict[str, int] = DESKTOP, scripts: bool = True) -> Page:
        context = chromium.new_context(viewport=size, java_script_enabled=scripts)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        base = f"http://127.0.0.1:{server.port}"
        page.goto(f"{base}/welcome?code={house.tokens.link(house.now())}")
        page.wait_for_url(f"{base}/")
        page.goto(f"{base}{path}?lang={lang}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def keep(page: Page, name: str) -> None:
    """A picture to look at, when somebody asked for them with SITEWARDEN_SHOTS=folder."""
    if folder := os.environ.get("SITEWARDEN_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_room_scrolls_sideways_or_complains(visit: Opened, lang: str, size: dict[str, int]) -> None:
    page = visit("/", lang, size)
    for path in ROOMS:
        page.goto(urljoin(page.url, f"{path}?lang={lang}"))
        expect(page.locator("#strip")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
        keep(page, f"{path.strip('/').replace('/', '-') or 'site'}-{lang}-{size['width']}")


def test_a_swipe_appears_by_itself(visit: Opened, house: SmallHouse) -> None:
    page = visit("/")
    expect(page.locator("#lane-entrance .why")).to_have_text("No card read yet")
    house.later(3)
    house.swipe("00DEADBEEF")
    expect(page.locator("#lane-entrance .verdict .word")).to_contain_text("Denied", timeout=3000)
    expect(page.locator("#lane-entrance .verdict > .why")).to_have_text("Unknown card")


def test_an_arm_moves_with_its_switches(visit: Opened, house: SmallHouse) -> None:
    page = visit("/")
    for opened, closed, drawn in ((False, True, "down"), (False, False, "moving"), (True, False, "up")):
        house.later(3)
        house.step(Reading("io-gate.in1", opened, house.now()))
        house.step(Reading("io-gate.in2", closed, house.now()))
        expect(page.locator(f"#lane-entrance svg.arm-{drawn}")).to_be_visible(timeout=3000)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])
def test_an_alarm_is_acknowledged(visit: Opened, house: SmallHouse, scripts: bool) -> None:
    page = visit("/alarms", scripts=scripts)
    page.locator(f'[id="ack-{ALARM}"]').click()
    if not scripts:
        page.wait_for_url("**/alarms")
    for _ in range(100):
        if house.board.alarms[ALARM].state is AlarmState.ACKNOWLEDGED:
            break
        house.later(0.5)
        page.wait_for_timeout(20)
    assert house.board.alarms[ALARM].by == "owner"


def test_a_barrier_is_opened_in_two_taps(visit: Opened, house: SmallHouse) -> None:
    page = visit("/", size=PHONE)
    lane = page.locator(".lane-box").first
    lane.get_by_text("Open by hand").click()
    lane.get_by_role("button", name="Delivery").click()
    house.later(3)
    expect(page.locator("#lane-entrance .verdict > .why")).to_contain_text("Opened by hand: Delivery")


def test_a_refusal_is_told(visit: Opened, faults: list[str]) -> None:
    page = visit("/")
    lane = page.locator(".lane-box").first
    lane.get_by_text("Open by hand").click()
    page.evaluate("document.querySelector('.lane-box [name=lane]').value = 'nowhere'")
    lane.get_by_role("button", name="Visitor").click()
    expect(page.locator("#toast")).to_contain_text("nowhere")
    assert [fault for fault in faults if "404" not in fault] == []
    faults.clear()


def test_a_lost_connection_is_seen_within_five_seconds(
    visit: Opened, server: ApiServer, faults: list[str]
) -> None:
    page = visit("/")
    expect(page.locator("#lost")).to_be_hidden()
    page.wait_for_timeout(500)
    server.stop()
    expect(page.locator("#lost")).to_be_visible(timeout=5000)
    for chip in page.locator(".strip .chip").all():
        assert "gradient" in chip.evaluate("each => getComputedStyle(each).backgroundImage")
    lane = page.locator(".lane-box").first
    lane.get_by_text("Open by hand").click()
    lane.get_by_role("button", name="Delivery").click()
    expect(page.locator("#toast")).to_have_text("Not done: no connection.")
    keep(page, "lost")
    page.context.close()
    faults.clear()


def test_fire_stands_in_the_strip_and_is_reset_there(visit: Opened, house: SmallHouse) -> None:
    page = visit("/alarms")
    for ohm, words in ((700.0, "FIRE"), (2200.0, "Fire over")):
        house.step(Reading("io-fire.line1", ohm, house.later(3)))
        house.tick(1)
        expect(page.locator("#strip")).to_contain_text(words, timeout=3000)
    expect(page.locator("#strip")).to_contain_text("Not open: East gate in, East gate out")
    page.get_by_text("Reset…").click()
    page.get_by_role("button", name="Reset now").click()
    house.later(3)
    expect(page.locator("#strip")).to_contain_text("No fire", timeout=3000)


def test_trends_are_drawn_where_a_row_is_open(visit: Opened, house: SmallHouse) -> None:
    for point in ("pump-1.pressure", "pump-1.speed"):
        house.trend.add([Reading(point, 1.5, house.now()), Reading(point, 1.6, house.now())])
    house.trend.flush()
    house.later(60)
    page = visit("/devices/pump-1", size=PHONE)
    pressure, speed = (page.locator(f'[data-point="pump-1.{name}"]') for name in ("pressure", "speed"))
    expect(pressure.locator("canvas")).to_be_visible()
    expect(speed.locator("canvas")).to_have_count(0)
    speed.locator("summary").click()
    expect(speed.locator("canvas")).to_be_visible()
    page.get_by_role("button", name="1 day").click()
    expect(page.get_by_role("button", name="1 day")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("canvas")).to_have_count(2)


def test_a_chart_of_any_range_has_a_scale(visit: Opened, house: SmallHouse) -> None:
    house.trend.add([Reading("pump-1.pressure", bar, house.now()) for bar in (0.5, 3.5)])
    house.trend.flush()
    house.later(60)
    page = visit("/devices/pump-1")
    page.evaluate("""() => {
        window.written = [];
        const write = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...where) {
            window.written.push(text);
            write.call(this, text, ...where);
        };
    }""")
    page.get_by_role("button", name="6 h").click()
    page.wait_for_function("window.written.some(text => text.includes(':'))")
    assert len([text for text in page.evaluate("window.written") if ":" not in text]) >= 2


def test_no_state_is_written_over_another_on_a_phone(visit: Opened, house: SmallHouse) -> None:
    house.read(pump__1_operation_mode=0, pump__1_control_mode=1)
    page = visit("/devices/pump-1", size=PHONE)
    wide = "all => all.filter(each => each.scrollWidth > each.clientWidth).map(each => each.textContent)"
    assert page.locator("#states .gauge").evaluate_all(wide) == []
    keep(page, "states")


def test_the_history_keeps_its_edge_on_a_phone(visit: Opened) -> None:
    expect(visit("/alarms", size=PHONE).locator("#history")).to_have_css("padding-left", "16px")


def test_a_button_of_the_demo_answers(visit: Opened) -> None:
    page = visit("/")
    page.get_by_role("button", name="Burst pipe").click()
    expect(page.locator("#toast")).to_have_text("Done.")


def test_a_history_that_was_searched_stays_so(visit: Opened, house: SmallHouse) -> None:
    page = visit("/alarms")
    page.get_by_label("About").select_option("tank")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#history tr")).to_have_count(2)
    house.read(tank_level=1.5)
    house.later(3)
    expect(page.locator("#history tr").nth(1).locator("td").nth(2)).to_contain_text(":", timeout=5000)
    expect(page.locator("#history tr")).to_have_count(2)


def test_the_language_changes_with_one_tap(visit: Opened) -> None:
    page = visit("/")
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("heading", name="设备", exact=True)).to_be_visible()


def test_a_stranger_pastes_a_token(chromium: Browser, house: SmallHouse, server: ApiServer) -> None:
    with _stranger(chromium) as page:
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.get_by_label("访问令牌").fill(house.tokens.add("booth", Role.GUARD, house.now()))
        page.get_by_role("button", name="登录").click()
        expect(page.locator("#strip")).to_be_visible()


@contextmanager
def _stranger(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(locale="zh-CN")
    yield context.new_page()
    context.close()


def test_a_gap_is_shaded_where_values_are_missing(visit: Opened, house: SmallHouse) -> None:
    house.trend.add([Reading("pump-1.pressure", bar, house.now()) for bar in (0.5, 3.5)])
    house.trend.flush()
    since = micros(house.now().wall) * 1000
    house.telemetry.lost = [Loss("timeout", 640, since, since + 600 * 10**9, subject="pump-1")]
    house.later(1200)
    page = visit("/devices/pump-1")
    chart = page.locator('[data-point="pump-1.pressure"] canvas')
    expect(chart).to_be_visible()
    with_gap = chart.evaluate(COLOURS)
    house.telemetry.lost = []
    with page.expect_response("**/losses?*"):
        page.get_by_role("button", name="1 h").click()
    page.wait_for_timeout(300)
    assert with_gap > chart.evaluate(COLOURS)


def test_a_drain_is_begun_and_seen_on_the_page(visit: Opened, house: SmallHouse) -> None:
    late = SinkStatus("influx", True, backlog=3000, drained_in=90.0)
    house.sinks = (late,)
    page = visit("/telemetry")
    page.get_by_role("button", name="Send as fast as it goes").click()
    house.sinks = (replace(late, backlog=600, draining=True),)
    house.later(3)
    expect(page.locator("#destinations")).to_contain_text("600 to catch up", timeout=5000)
    expect(page.locator("#destinations")).to_contain_text("as fast as it goes")
    expect(page.locator("progress")).to_have_attribute("value", "2400")
    assert house.telemetry.destinations["influx"]
