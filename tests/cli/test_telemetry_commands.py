"""`telemetry`, against a gateway of canned answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from sitewarden.gateway.cli.telemetry import drain
from tests.cli.conftest import Canned, Shell

WELL: dict[str, Any] = {
    "name": "influx",
    "state": "delivering",
    "up": True,
    "since": "2027-01-01T00:00:00Z",
    "error": "timed out",
    "lag": 0.4,
    "waiting": 310,
    "backlog": 0,
    "drained_in": None,
    "draining": False,
    "rate": 1000.0,
    "sent": 1_234_567,
    "rejected": 2,
    "dead_letters": 2,
}
LATE = {**WELL, "state": "catching_up", "waiting": 1_204_310, "backlog": 1_204_000, "drained_in": 84.3}
AWAY = {**WELL, "state": "away", "up": False, "waiting": 1_204_310, "lag": 9e4, "error": "no route to host"}
SPOOL = {
    "bytes": 8 << 20,
    "limit": 512 << 20,
    "undelivered": 1_204_310,
    "oldest": "2026-12-31T16:00:00Z",
    "kept": 310_200,
    "held": 0,
    "lost": 0,
}
LETTERS = [
    {"id": n, "destination": "influx", "line": f"reading value={n} {n}", "why": "too old"} for n in (9, 8, 7)
]


def telemetry(*destinations: dict[str, Any], **spool: object) -> tuple[int, object]:
    return 200, {"written": 40 << 20, "destinations": destinations, "spool": {**SPOOL, **spool}}


@pytest.mark.parametrize(
    "words", ["status", "losses", "drain", "dead-letters list", "dead-letters retry --all"]
)
def test_without_a_gateway_it_says_so(shell: Shell, folder: Path, words: str) -> None:
    typed = shell("telemetry", *words.split())
    assert (typed.code, typed.out) == (1, "")
    assert f"No gateway runs on {folder / 'data'}." in typed.err


def test_status_is_understood_at_a_glance(shell: Shell, canned: Canned) -> None:
    canned.answers["GET /api/v1/telemetry"] = telemetry(LATE, {**AWAY, "name": "cloud"})
    typed = shell("telemetry", "status")
    assert typed.code == 0
    head, late, away, *more = typed.out.splitlines()
    assert head.split()[:4] == ["destination", "is", "since", "(Asia/Shanghai)"]
    assert late.startswith("influx       catching up  2027-01-01 08:00:00")
    assert "1,204,000 (1.4 min more)" in late
    assert "AWAY" in away
    assert "cloud: no route to host" in more
    assert "influx: timed out" not in typed.out  # that is over
    assert "influx: 2 rejected lines: sitewarden telemetry dead-letters list" in more
    assert "spool: 8 MiB of 512 MiB (2%)" in more
    assert "  to be delivered: 1,204,310 lines, the oldest of 2027-01-01 00:00:00" in more


def test_status_says_what_is_out_of_the_ordinary_only_when_it_is(shell: Shell, canned: Canned) -> None:
    canned.answers["GET /api/v1/telemetry"] = telemetry(WELL)
    calm = shell("telemetry", "status").out
    canned.answers["GET /api/v1/telemetry"] = telemetry(WELL, held=12, lost=3)
    told = shell("telemetry", "status").out
    for part in ("waiting until the clock can be believed: 12 lines", "lost since the start: 3 lines"):
        assert part in told
        assert part[:9] not in calm


def test_status_where_telemetry_goes_nowhere(shell: Shell, canned: Canned) -> None:
    canned.answers["GET /api/v1/telemetry"] = (200, {"destinations": [], "spool": None})
    assert "names no sinks" in shell("telemetry", "status").out
    assert shell("telemetry", "status", "--json").json == {"destinations": [], "spool": None}


def test_a_drain_lasts_until_nothing_is_left_and_then_the_limit_holds_again(
    shell: Shell, canned: Canned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "STEP", 0.0)
    canned.answers["GET /api/v1/telemetry"] = [*[telemetry(AWAY)] * 2, telemetry(LATE), telemetry(WELL)]
    canned.answers["POST /api/v1/telemetry/influx/drain"] = (200, {"done": True})
    typed = shell("telemetry", "drain")
    assert (typed.code, typed.out) == (0, "No backlog is left.\n")
    assert [json.loads(body) for body in canned.bodies if body] == [{"on": True}, {"on": False}]
    assert len([asked for asked in canned.asked if asked.startswith("GET")]) == 4


def test_a_drain_that_is_not_done_in_time_says_what_is_left(shell: Shell, canned: Canned) -> None:
    canned.answers["GET /api/v1/telemetry"] = telemetry(AWAY)
    canned.answers["POST /api/v1/telemetry/influx/drain"] = (200, {"done": True})
    typed = shell("telemetry", "drain", "influx", "--timeout", "0s", "--json")
    assert typed.code == 1
    assert typed.json[0]["waiting"] == 1_204_310
    said = "influx: 1,204,310 lines are still to be delivered; it is away: no route to host\n"
    assert typed.err == said
    assert json.loads(canned.bodies[-1]) == {"on": False}


def test_a_drain_of_what_is_not_there_is_refused(shell: Shell, canned: Canned) -> None:
    canned.answers["POST /api/v1/telemetry/nowhere/drain"] = (
        404,
        {"detail": "There is no such destination."},
    )
    typed = shell("telemetry", "drain", "nowhere")
    assert (typed.code, typed.err) == (1, "There is no such destination.\n")


def test_losses_say_when_how_long_what_and_why(shell: Shell, canned: Canned) -> None:
    gap = {
        "since": "2027-01-01T00:00:00Z",
        "until": "2027-01-01T00:02:00Z",
        "subject": "pump-1",
        "destination": "",
        "cause": "device",
        "text": "no answer",
        "count": 640,
        "note": "",
    }
    late = {
        **gap,
        "until": None,
        "lasts": True,
        "count": 0,
        "subject": "",
        "destination": "influx",
        "note": "400",
    }
    canned.answers["GET /api/v1/losses"] = (200, {"items": [late, gap], "next": None})
    _, lasting, over = shell("telemetry", "losses", "pump-1", "--since", "2027-01-01").out.splitlines()
    assert lasting.split("  ")[0] == "2027-01-01 08:00:00"
    assert "still" in lasting
    assert "all (influx)" in lasting
    assert lasting.endswith("no answer: 400")
    assert over.split() == ["2027-01-01", "08:00:00", "2", "min", "pump-1", "640", "device", "no", "answer"]


def test_dead_letters_are_listed_shown_and_exported(shell: Shell, canned: Canned, folder: Path) -> None:
    canned.answers["GET /api/v1/telemetry/dead-letters"] = (200, {"items": LETTERS, "next": None})
    listed = shell("telemetry", "dead-letters", "list", "--limit", "2").out.splitlines()
    assert [line.split()[0] for line in listed] == ["id", "9", "8"]
    shown = shell("telemetry", "dead-letters", "show", "7").out
    assert shown == "reading value=7 7\ninflux: too old\n"
    assert shell("telemetry", "dead-letters", "show", "4").err == "there is no dead letter 4\n"
    shell("telemetry", "dead-letters", "export", "rejected.lp")
    assert (folder / "rejected.lp").read_text().splitlines()[0] == "reading value=9 9"


def test_dead_letters_are_settled_by_number_or_all(shell: Shell, canned: Canned) -> None:
    pages: list[tuple[int, object]] = [
        (200, {"items": LETTERS[:2], "next": "8"}),
        (200, {"items": LETTERS[2:], "next": None}),
    ]
    canned.answers["GET /api/v1/telemetry/dead-letters"] = pages
    canned.answers["POST /api/v1/telemetry/dead-letters/retry"] = (200, {"count": 3})
    canned.answers["POST /api/v1/telemetry/dead-letters/discard"] = (200, {"count": 1})
    assert shell("telemetry", "dead-letters", "retry", "--all").out == "3 lines will be sent again.\n"
    assert json.loads(canned.bodies[-1]) == {"ids": [9, 8, 7]}
    assert shell("telemetry", "dead-letters", "discard", "8").out == "1 line thrown away.\n"
    assert shell("telemetry", "dead-letters", "discard").code == 2
