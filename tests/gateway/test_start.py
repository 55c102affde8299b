"""What keeps no gateway from starting."""

import re
import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sitewarden.gateway.database import Sync, connect
from sitewarden.gateway.journal import Journal
from sitewarden.rules.model import Decision, Direction, Passage, Permit, PermitKind, Stamp, Verdict, Why
from tests.gateway.live import LiveGateway, LiveSite, free_port

pytestmark = pytest.mark.slow

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BARE = "site: {{id: test, timezone: UTC, language: en}}\nhttp: {{host: 127.0.0.1, port: {port}}}\n"


def test_fire_opens_the_barriers_while_another_program_has_the_port(tmp_path: Path) -> None:
    site = LiveSite(tmp_path)
    port = site.site.http.port
    try:
        with socket.create_server(("127.0.0.1", port)):
            site.start()
            (alarm,) = site.ask("GET", "/alarms")
            assert (alarm["code"], alarm["state"]) == ("page_down", "unacknowledged")
            assert f"127.0.0.1, port {port} (Address already in use)" in alarm["text"]
            said = site.log.read_text()
            assert f"The page is down: http://127.0.0.1:{port}: Address already in use." in said
            assert "welcome" not in said, "whoever has the port would get the link"
            site.press("fire", "panel")
            site.until(lambda: all(lane["arm"] == "up" for lane in site.ask("GET", "/lanes")))
        site.until(lambda: site.alarms()["page_down"] == "returned_unacknowledged")
        assert httpx2.get(f"http://127.0.0.1:{port}/livez").status_code == 200
    finally:
        site.close()


def test_the_lanes_last_swipe_and_passage_are_known_after_a_restart(tmp_path: Path) -> None:
    def swipe(second: int, why: Why) -> Decision:
        at = Stamp(NOON + timedelta(seconds=second), 1000.0 + second)
        return Decision("entrance", "0001", Verdict.DENIED, why, at, Direction.IN)

    passage = Passage("exit", "0002", Direction.OUT, Stamp(NOON, 1000.0))
    site = LiveSite(tmp_path)
    try:
        journal = Journal(site.site.data / "journal.db")
        journal.submit([swipe(0, Why.EXPIRED), swipe(1, Why.BLOCKED), passage], lambda error: None)
        journal.close()
        site.start()
        assert site.lane("entrance")["decision"]["why"] == "blocked"
        assert site.lane("exit")["passage"]["at"] == "2026-03-01T12:00:00Z"
    finally:
        site.close()


def test_its_metrics_are_as_prometheus_would_have_them(tmp_path: Path) -> None:
    """Its own linter, promtool, has these rules."""
    site = LiveSite(tmp_path)
    try:
        site.start()
        http = httpx2.HTTPTransport(uds=str(site.site.data / "api.sock"))
        with httpx2.Client(transport=http, base_url="http://gateway") as client:
            families = list(text_string_to_metric_families(client.get("/metrics").text))
    finally:
        site.close()
    assert {"sitewarden_fire_stage", "sitewarden_journal_commits", "sitewarden_link_up"} <= {
        family.name for family in families
    }
    for family in families:
        assert re.fullmatch("sitewarden_[a-z_]+", family.name)
        assert re.fullmatch("[A-Z0-9].+[.]", family.documentation), family.name
        assert not re.search("_(total|count|sum)$", family.name)  # the parser took a counter's `_total` off
        for word in ("bytes", "seconds", "ratio"):
            assert word not in family.name or family.name.endswith(f"_{word}"), family.name
        assert all(sample.name.endswith("_total") is (family.type == "counter") for sample in family.samples)


def test_a_card_that_cannot_be_read_is_an_alarm_and_the_others_open(tmp_path: Path) -> None:
    gateway = LiveGateway(tmp_path, BARE.format(port=free_port()))
    for number in ("0A00123456", "0A00123457"):
        gateway.cards.put(Permit(number, PermitKind.MONTHLY, NOON.date(), NOON.date()), "desk")
    with closing(connect(gateway.cards.path, Sync.FULL)) as db:
        db.execute("UPDATE permits SET kind = 'visitor' WHERE card = '0A00123456'")
    gateway.start()
    (alarm,) = gateway.ask("GET", "/alarms")
    assert (alarm["code"], alarm["params"]) == ("cards_unreadable", {"count": 1})
    assert [it["card"] for it in gateway.ask("GET", "/cards?text=0A0012345")["items"]] == ["0A00123457"]
    gateway.end()


def test_a_broken_file_of_tokens_is_an_alarm(tmp_path: Path) -> None:
    gateway = LiveGateway(tmp_path, BARE.format(port=free_port()))
    (tmp_path / "data" / "access.db").write_bytes(bytes(range(256)) * 20)
    gateway.start()
    (alarm,) = gateway.ask("GET", "/alarms")
    assert (alarm["code"], alarm["params"]) == ("access_set_aside", {"file": "access.db.broken-1"})
    gateway.end()


@pytest.mark.parametrize("broken", [0, 1])
def test_a_broken_journal_says_how_many_cards_were_carried_over(tmp_path: Path, broken: int) -> None:
    """Of the journal's pages the first, without which none can be read, or the last."""
    gateway = LiveGateway(tmp_path, BARE.format(port=free_port()))
    file = gateway.cards.path
    pages = file.stat().st_size // 4096
    with file.open("r+b") as journal:
        journal.seek(broken * (pages - 1) * 4096)
        journal.write(b"\xff" * 4096)
    gateway.start()
    (alarm,) = gateway.ask("GET", "/alarms")
    cards = len(gateway.permits) if broken else 0
    assert alarm["params"] == {"file": "journal.db.broken-1", "cards": cards}
    assert alarm["text"].endswith(f"Cards carried over: {cards}")
    gateway.end()


def test_a_reserve_given_up_is_an_alarm_until_it_is_taken_again(tmp_path: Path) -> None:
    gateway = LiveGateway(tmp_path, BARE.format(port=free_port()))
    gateway.start()
    ballast = tmp_path / "data" / "spool.ballast"
    assert gateway.ask("GET", "/alarms") == []
    ballast.unlink()
    gateway.until(lambda: gateway.ask("GET", "/alarms"))
    # The record of the alarm is a commit, after which the journal finds plenty of room.
    gateway.until(lambda: gateway.ask("GET", "/alarms")[0]["state"] == "returned_unacknowledged")
    (alarm,) = gateway.ask("GET", "/alarms")
    assert (alarm["code"], alarm["severity"]) == ("disk_full", "high")
    assert alarm["params"] == {"folder": str(tmp_path / "data")}
    assert ballast.exists()
    gateway.end()
