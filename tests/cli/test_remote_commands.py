"""`status`, `alarm` and `reload`, against a gateway of canned answers on a real Unix socket."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Canned, Shell

ALARMS = [
    {
        "id": alarm,
        "severity": severity,
        "state": state,
        "raised": "2027-01-01T08:00:00Z",
        "text": "水位低",
        "by": by,
    }
    for alarm, severity, state, by in (
        ("tank-low", "high", "unacknowledged", ""),
        ("device_offline:pump-1", "low", "latched", "wang"),
    )
]
SITE = {
    "id": "cuihu",
    "started": "2027-01-01T00:00:00Z",
    "version": "9",
    "clock_trusted": False,
    "fire": {"stage": "normal", "since": None, "panel": "", "unknown": []},
    "open_alarms": 2,
    "inside": 7,
    "sinks": [{"name": "influx", "up": False, "waiting": 12, "lost": 0}],
}
ANSWERS: dict[str, tuple[int, object]] = {
    "GET /api/v1/alarms": (200, ALARMS),
    "GET /api/v1/site": (200, SITE),
    "GET /api/v1/lanes": (
        200,
        [{"lane": "in-1", "title": "东门", "arm": "up", "decision": {"verdict": "denied", "text": "已过期"}}],
    ),
    "GET /api/v1/devices": (200, [{"device": "pump-1", "title": "泵", "up": None, "reason": ""}]),
    "POST /api/v1/alarms/tank-low/acknowledge": (200, {}),
    "POST /api/v1/alarms/device_offline:pump-1/acknowledge": (200, {}),
    "POST /api/v1/alarms/lift-trap/reset": (200, {}),
    "POST /api/v1/lanes/in-1/open": (200, {}),
    "POST /api/v1/fire/reset": (200, {}),
    "POST /api/v1/cards/0A00123456/forgive": (200, {}),
    "POST /api/v1/reload": (200, {"changed": ["bus-1", "rules"]}),
}


@pytest.fixture
def gateway(canned: Canned) -> Canned:
    canned.answers |= ANSWERS
    return canned


@pytest.mark.parametrize("words", [("status",), ("reload",), ("alarm", "list"), ("alarm", "ack", "--all")])
def test_without_a_gateway_it_says_so(shell: Shell, folder: Path, words: tuple[str, ...]) -> None:
    typed = shell(*words)
    assert (typed.code, typed.out) == (1, "")
    assert f"No gateway runs on {folder / 'data'}. Start it: sitewarden run site.yaml" in typed.err


def test_it_names_the_configuration_that_was_given(shell: Shell, folder: Path) -> None:
    (folder / "site.yaml").rename(folder / "north.yaml")
    assert shell("status", "-c", "north.yaml").err.endswith("Start it: sitewarden run north.yaml\n")


def test_a_link_to_a_gateway_that_does_not_run_says_so(shell: Shell) -> None:
    typed = shell("link")
    assert typed.code == 0
    assert "/welcome?code=" in typed.out
    assert "No gateway runs" in typed.err


def test_a_link_to_one_that_runs_says_nothing_more(shell: Shell, gateway: Canned) -> None:
    assert shell("link").err == ""


def test_status(shell: Shell, gateway: Canned) -> None:
    typed = shell("status")
    assert typed.code == 0
    for part in (
        "cuihu: up since 2027-01-01 08:00:00 (Asia/Shanghai), version 9, clock not trusted",
        "cars inside: 7",
        "fire: none",
    ):
        assert part in typed.out
    assert "denied: 已过期" in typed.out
    assert "influx  down  12" in typed.out
    assert shell("status", "--json").json["site"]["inside"] == 7


@pytest.mark.parametrize(
    ("stage", "unknown", "says"),
    [
        ("fire", [], "FIRE since 2027-01-01 08:00:00, panel-1: the barriers are open"),
        ("held", [], "fire: over, the barriers stay open until `sitewarden fire reset`"),
        ("normal", ["panel-2"], "fire: not known; line in fault or silent: panel-2"),
    ],
)
def test_status_of_a_fire(shell: Shell, gateway: Canned, stage: str, unknown: list[str], says: str) -> None:
    fire = {"stage": stage, "since": "2027-01-01T00:00:00Z", "panel": "panel-1", "unknown": unknown}
    gateway.answers["GET /api/v1/site"] = (200, {**SITE, "fire": fire})
    assert says in shell("status").out.splitlines()


def test_status_says_in_words_why_a_device_is_away(shell: Shell, gateway: Canned) -> None:
    away = {"device": "pump-1", "title": "泵", "up": False, "reason": "timeout"}
    gateway.answers["GET /api/v1/devices"] = (200, [away])
    assert re.search("pump-1 +泵 +down +no answer", shell("status").out)


def test_alarms(shell: Shell, gateway: Canned) -> None:
    lines = shell("alarm", "list").out.splitlines()
    assert lines[0].split() == ["severity", "state", "since", "(Asia/Shanghai)", "id", "alarm"]
    assert re.match(r"high +on, not acknowledged +2027-01-01 16:00:00 ", lines[1])
    assert re.match(r"low +over, acknowledged by wang, waits for its reset +2027", lines[2])
    assert shell("alarm", "list", "--json").json == ALARMS
    gateway.answers["GET /api/v1/alarms"] = (200, [])
    assert shell("alarm", "list").out == "No open alarms.\n"


def test_acknowledging(shell: Shell, gateway: Canned) -> None:
    assert shell("alarm", "ack", "tank-low").out == "tank-low is acknowledged.\n"
    assert gateway.asked == ["POST /api/v1/alarms/tank-low/acknowledge"]
    assert shell("alarm", "ack", "--all").out.count("is acknowledged") == 2
    assert (shell("alarm", "ack", "none").err, shell("alarm", "ack", "none").code) == ("no such thing\n", 1)
    assert shell("alarm", "ack").code == 2
    assert shell("alarm", "ack", "tank-low", "--all").code == 2


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("alarm", "reset", "lift-trap"), "alarms/lift-trap/reset"),
        (("lane", "open", "in-1", "--reason", "ambulance"), "lanes/in-1/open"),
        (("fire", "reset"), "fire/reset"),
        (("card", "forgive", "0a00123456"), "cards/0A00123456/forgive"),
    ],
)
def test_what_an_operator_can_do(
    shell: Shell, gateway: Canned, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], asked: str
) -> None:
    shell("card", "add", "0A00123456", "--to", "2099-01-31")
    monkeypatch.setenv("SUDO_USER", "wang")
    typed = shell(*words)
    assert (typed.code, typed.err) == (0, "")
    assert (gateway.asked, gateway.callers) == ([f"POST /api/v1/{asked}"], ["wang"])
    if "open" in words:
        assert json.loads(gateway.bodies[0]) == {"reason": "ambulance"}
    gateway.answers.clear()
    assert (shell(*words).code, shell(*words).err) == (1, "no such thing\n")


def test_a_barrier_is_not_opened_without_a_reason(shell: Shell, gateway: Canned) -> None:
    assert shell("lane", "open", "in-1").code == 2
    for reason, says in (
        (" ", "found nothing, expected a text"),
        ("a\x1bb", "found 'a\\x1bb', expected a text"),
    ):
        typed = shell("lane", "open", "in-1", "--reason", reason)
        assert typed.code == 1
        assert typed.err.startswith(f"--reason: {says}")
    assert gateway.asked == []


def test_reload_is_told_or_refused(shell: Shell, gateway: Canned) -> None:
    assert shell("reload").out == "Reloaded, with changes to bus-1, rules.\n"
    mistake = "site.yaml:3:4: site.id: found 5, expected a text"
    gateway.answers["POST /api/v1/reload"] = (409, {"detail": mistake})
    typed = shell("reload")
    assert (typed.code, typed.err) == (1, f"{mistake}\n")
