"""The whole gateway in a process of its own, against a simulated estate on real ports."""

import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from sitewarden.gateway.cli.common import Failure
from sitewarden.gateway.cli.main import main
from sitewarden.gateway.recording import ended
from tests.gateway.live import LiveSite, live_site

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    with live_site(tmp_path_factory.mktemp("site")) as live:
        yield live


def passages(site: LiveSite) -> int:
    return len(site.ask("GET", "/passages")["items"])


def test_a_valid_card_opens_the_barrier_and_the_car_is_inside_once_it_went_through(site: LiveSite) -> None:
    before = passages(site)
    site.press("swipe", "entrance", "valid")
    site.until(lambda: site.lane("entrance")["arm"] == "up")
    assert site.lane("entrance")["decision"]["verdict"] == "granted"
    site.until(lambda: passages(site) == before + 1, 20.0)
    site.until(lambda: site.lane("entrance")["arm"] == "down", 25.0)


@pytest.mark.parametrize(
    ("kind", "why"), [("unknown", "unknown_card"), ("expired", "expired"), ("blocked", "blocked")]
)
def test_any_other_card_stays_out_with_its_reason(site: LiveSite, kind: str, why: str) -> None:
    site.press("swipe", "entrance", kind)
    site.until(lambda: (site.lane("entrance")["decision"] or {}).get("why") == why, 30.0)
    assert site.lane("entrance")["decision"]["verdict"] == "denied"
    assert site.lane("entrance")["arm"] == "down"


def test_a_guard_opens_by_hand_with_a_reason_and_not_without(site: LiveSite) -> None:
    with pytest.raises(Failure):
        site.ask("POST", "/lanes/exit/open", {"reason": ""})
    answer = site.ask("POST", "/lanes/exit/open", {"reason": "fire engine"})
    assert answer["why"] == "operator"
    site.until(lambda: site.lane("exit")["arm"] == "up")
    site.until(lambda: site.lane("exit")["arm"] == "down", 25.0)


def test_fire_opens_every_barrier_and_holds_it_until_an_operator_resets(site: LiveSite) -> None:
    site.press("fire", "panel")
    site.until(lambda: all(lane["arm"] == "up" for lane in site.ask("GET", "/lanes")))
    with pytest.raises(Failure):
        site.ask("POST", "/fire/reset")
    site.press("fire_over", "panel")
    site.until(lambda: site.ask("GET", "/site")["fire"]["stage"] == "held")
    assert all(lane["arm"] == "up" for lane in site.ask("GET", "/lanes"))
    site.ask("POST", "/fire/reset")
    site.until(lambda: all(lane["arm"] == "down" for lane in site.ask("GET", "/lanes")), 25.0)


def test_a_reader_that_was_unplugged_reads_again(site: LiveSite) -> None:
    site.press("unplug", "gate-in")
    site.until(lambda: not _up(site, "reader-in"))
    site.press("plug", "gate-in")
    begun = time.monotonic()
    site.until(lambda: _up(site, "reader-in"))
    assert time.monotonic() - begun < 2.5  # 2 s, and what it takes to ask
    before = site.lane("entrance")["decision"]["at"]
    site.press("swipe", "entrance", "blocked")
    site.until(lambda: site.lane("entrance")["decision"]["at"] != before, 30.0)
    assert site.lane("entrance")["decision"]["why"] == "blocked"


def test_an_alarm_is_raised_acknowledged_and_cleared(site: LiveSite) -> None:
    site.press("trap_passenger", "lift-a")
    site.until(lambda: site.alarms().get("trapped") == "unacknowledged", 60.0)
    site.ask("POST", "/alarms/trapped/acknowledge")
    assert site.alarms()["trapped"] == "acknowledged"
    site.press("free_passenger", "lift-a")
    site.until(lambda: "trapped" not in site.alarms(), 30.0)


def test_a_card_issued_on_the_command_line_opens_without_a_restart(
    site: LiveSite, capsys: pytest.CaptureFixture[str]
) -> None:
    card, before = "00DEADBEEF", passages(site)
    assert (
        called("card", "add", card, "--kind", "temporary", "--to", "2099-12-31", "-c", str(site.config)) == 0
    )
    time.sleep(1.0)
    site.press("swipe", "entrance", card)
    site.until(lambda: passages(site) == before + 1, 45.0)  # behind whoever stands there
    assert site.lane("entrance")["decision"]["verdict"] == "granted"
    assert card not in site.log.read_text()


def test_a_wrong_configuration_is_refused_and_a_right_one_disturbs_only_what_changed(site: LiveSite) -> None:
    opened = _opened(site)
    site.write(site.text.replace("severity: critical", "severity: dreadful"))
    with pytest.raises(Failure, match=r"site\.yaml:\d+:\d+: .*dreadful"):
        site.ask("POST", "/reload")
    site.write(site.text + "\nspool: {most: 2GiB}\n")
    with pytest.raises(Failure, match="spool changed, which needs a restart"):
        site.ask("POST", "/reload")
    site.write(
        site.text.replace(
            "gate-out: {serial: ports/gate-out}", "gate-out: {serial: ports/gate-out, baud: 19200}"
        )
    )
    site.ask("POST", "/links/gate-out/record", {"on": True})
    assert site.ask("POST", "/reload")["changed"] == ["gate-out"]
    recorded = site.ask("POST", "/links/gate-out/record", {"on": False})["path"]
    assert ended(Path(recorded)) == "a reload altered or removed the link"
    site.until(lambda: _up(site, "reader-out"))
    assert _opened(site) == opened | {"gate-out": 1.0}  # a new link begins to count anew
    site.write(site.text.replace("severity: critical", "severity: high"))
    assert site.process
    site.process.send_signal(signal.SIGHUP)
    site.until(lambda: '"reload.done"' in site.log.read_text())


def test_a_recording_gives_the_same_events_again(
    site: LiveSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "swipe.jsonl"
    words = ["record", "gate-in", str(file), "--for", "10s", "-c", str(site.config)]  # the lane may be busy
    recorder = threading.Thread(target=called, args=[*words])
    recorder.start()
    time.sleep(0.5)
    site.press("swipe", "entrance", "blocked")
    recorder.join()
    assert called("replay", str(file)) == 0
    assert "denied: blocked" in capsys.readouterr().out
    bus = tmp_path / "bus.jsonl"
    assert called("record", "bus-gate", str(bus), "--for", "2s", "-c", str(site.config)) == 0
    assert called("replay", str(bus)) == 0


def test_it_stops_within_two_seconds_while_somebody_watches(tmp_path: Path) -> None:
    with live_site(tmp_path) as site:
        transport = httpx2.HTTPTransport(uds=str(site.site.data / "api.sock"))
        with (
            httpx2.Client(transport=transport, base_url="http://gateway") as client,
            client.stream("GET", "/api/v1/events") as stream,
        ):
            assert stream.status_code == 200
            begun = time.monotonic()
            site.end()
            assert time.monotonic() - begun < 2.0
        with sqlite3.connect(site.site.data / "journal.db") as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()


def called(*words: str) -> int:
    """The exit code of a command of the command line."""
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


def _up(site: LiveSite, device: str) -> bool:
    return next(bool(it["up"]) for it in site.ask("GET", "/devices") if it["device"] == device)


def _opened(site: LiveSite) -> dict[str, float]:
    """How often each link was opened."""
    http = httpx2.HTTPTransport(uds=str(site.site.data / "api.sock"))
    with httpx2.Client(transport=http, base_url="http://gateway") as client:
        lines = client.get("/metrics").text.splitlines()
    start = 'sitewarden_link_opened_total{link="'
    found = (line.removeprefix(start).split('"} ') for line in lines if line.startswith(start))
    return {link: float(count) for link, count in found}


def test_an_engineer_writes_a_value_over_a_real_wire_and_finds_it_in_the_history(site: LiveSite) -> None:
    before = site.point("lift-a.overspeed_limit")
    ended = site.ask("POST", "/points/lift-a.overspeed_limit/write", {"value": 7, "reason": "inspection"})
    assert (ended["outcome"], ended["before"], ended["read"]) == ("verified", before["value"], 7.0)
    assert site.point("lift-a.overspeed_limit")["value"] == 7.0
    site.until(lambda: ended in site.ask("GET", "/writes?lang=en")["items"])
    for point, value, said in (
        ("lift-a.overspeed_limit", 11, "takes: 1 to 10"),
        ("lift-a.speed", 1, "read-only"),
        ("io-gate.out1", False, "moves a barrier"),
    ):
        with pytest.raises(Failure, match=said):
            site.ask("POST", f"/points/{point}/write", {"value": value, "reason": "inspection"})
    assert site.point("lift-a.overspeed_limit")["value"] == 7.0
