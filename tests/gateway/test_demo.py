"""The demo as its user starts it."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from sitewarden.config.site import load
from sitewarden.gateway.app import alone
from sitewarden.gateway.board import Board
from sitewarden.gateway.cli.story import Fire, Points, Story
from sitewarden.gateway.demo import LiveEstate, permits
from sitewarden.gateway.hub import Hub
from sitewarden.gateway.journal import Journal
from sitewarden.rules.model import (
    Decision,
    Direction,
    FireChange,
    FireStage,
    PermitKind,
    Reading,
    Stamp,
    Verdict,
    Why,
)

pytestmark = pytest.mark.slow

DEMO = Path(__file__).parents[2] / "config" / "demo" / "site.yaml"


def at(mono: float) -> Stamp:
    return Stamp(datetime(2026, 11, 30, 4, tzinfo=UTC), mono)


def test_the_cards_of_the_demo_are_of_every_kind_and_good_to_the_end_of_next_month() -> None:
    cards = permits(date(2026, 11, 30))
    assert {card.kind for card in cards} == set(PermitKind)
    assert {card.valid_to for card in cards if card.kind is PermitKind.MONTHLY} >= {
        date(2026, 12, 31),
        date(2026, 10, 31),
    }
    assert sum(card.blocked for card in cards) == 1
    assert len({card.card for card in cards}) == len(cards)


def test_the_estate_has_an_hour_behind_it_when_the_gateway_comes() -> None:
    site = load(DEMO)
    estate = LiveEstate(site, permits(date(2026, 11, 30)), 1, 60.0, at(5000.0), past=3600.0)
    readings = list(estate.history())
    instants = [reading.at.mono for reading in readings]
    assert instants == sorted(instants)
    assert (instants[0], instants[-1]) == (1400.0, 4980.0)
    levels = {reading.value for reading in readings if reading.point == "tank.level"}
    assert len(levels) > 20, "the tank is used"


def test_the_cars_that_are_at_home_are_on_record_before_the_gateway_comes(tmp_path: Path) -> None:
    site = load(DEMO)
    estate = LiveEstate(site, permits(date(2026, 11, 30)), 1, 60.0, at(5000.0))
    records = list(estate.whereabouts())
    journal = Journal(tmp_path / "journal.db")
    journal.submit(records, lambda error: None)
    journal.close()
    known = Board(site, journal.cells()[0])
    assert 20 < known.inside < 70, "at noon"
    assert len(records) == len(permits(date(2026, 11, 30))), "also that the others are away"


def test_the_story_counts_by_reason_and_says_when_each_arm_was_up() -> None:
    site, hub = load(DEMO), Hub()
    story = Story(hub, site.plan)
    hub.publish(
        [
            Decision("entrance", "1", Verdict.DENIED, Why.EXPIRED, at(1), Direction.IN),
            Decision("entrance", "2", Verdict.GRANTED, Why.PERMIT, at(2), Direction.IN),
            Reading("io-gate.in1", True, at(3)),
            FireChange(FireStage.NORMAL, FireStage.FIRE, at(4), "panel"),
            Reading("io-gate.in5", True, at(5.5)),
        ]
    )
    told = story.told(stored=7)
    assert told.swipes == {"granted": {"permit": 1}, "denied": {"expired": 1}}
    assert told.fire == Fire(["fire"], {"entrance": 0.0, "exit": 1.5})
    assert told.points == Points(points=2, readings=2, stored=7)


def started(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sitewarden.gateway", "demo", "--port", "0", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=85, check=False)


def demo(*words: str) -> str:
    """What it prints."""
    run = started(*words)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_folder_in_which_another_demo_lives_is_left_alone(tmp_path: Path) -> None:
    with alone(tmp_path / "data"):
        run = started("--folder", str(tmp_path), "--for", "1s")
    assert run.returncode == 1
    assert run.stderr == f"demo: another gateway runs on {tmp_path / 'data'}\n"
    assert not (tmp_path / "data" / "journal.db").exists()


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_demo_of_limited_length_makes_everything_happen_and_says_so() -> None:
    told = json.loads(demo("--for", "60s", "--json"))
    assert told["skipped"] == []
    assert told["swipes"]["granted"] == {"permit": 2}
    assert told["passages"] == {"in": 1, "out": 1}
    assert told["swipes"]["denied"] == {"unknown_card": 1, "expired": 1, "blocked": 1}
    expected = {"fire:panel", "lift-trap-between", "pressure-low", "device_offline:reader-out"}
    assert expected <= told["alarms"]["raised"].keys() & told["alarms"]["cleared"].keys()
    assert told["fire"]["stages"] == ["fire", "held", "normal"]
    assert all(seconds is not None and seconds < 5 for seconds in told["fire"]["released_after_s"].values())
    assert told["points"]["stored"] > 100


@pytest.mark.slow
def test_a_short_demo_says_what_it_skipped_and_how_it_is_called() -> None:
    said = demo("--for", "8s")
    assert f"{sys.executable} -m sitewarden.gateway status -c " in said
    skipped = {line.split(maxsplit=1)[1] for line in said.splitlines() if line.startswith("skipped")}
    assert {"reader unplugged", "passenger trapped"} < skipped
    assert "unexplained_passage" not in said
