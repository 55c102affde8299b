"""`write`, against a gateway of canned answers."""

import json
from io import StringIO

import pytest

from tests.cli.conftest import Shell
from tests.cli.test_remote_commands import Canned, gateway

__all__ = ["gateway"]  # the fixture

SETPOINT = {
    "point": "pump-1.setpoint",
    "label": "Set point",
    "text": "60.00",
    "unit": "%",
    "quality": "good",
    "type": "u16",
    "writable": True,
    "limits": [0.0, 100.0],
}
LAMP = SETPOINT | {"point": "io.out7", "type": "bool", "text": "off", "unit": "", "limits": [None, None]}
NAME = LAMP | {"point": "io.name", "type": "string", "text": "", "quality": None}
FLOW = SETPOINT | {"point": "pump-1.flow", "writable": False}
WRITE = "POST /api/v1/points/pump-1.setpoint/write"
WHY = ("--reason", "night pressure")


@pytest.fixture(autouse=True)
def _points(gateway: Canned) -> None:
    gateway.answers["GET /api/v1/points"] = (200, [SETPOINT, LAMP, NAME, FLOW])
    for point, read in (("pump-1.setpoint", 45.0), ("io.out7", True), ("io.name", "7")):
        ended = {"text": "written and read back", "read": read}
        gateway.answers[f"POST /api/v1/points/{point}/write"] = (200, ended)


def test_it_shows_what_is_there_asks_and_says_what_is_read_back(
    shell: Shell,
    gateway: Canned,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("y\n"))
    typed = shell("write", "pump-1.setpoint", "45", *WHY)
    assert typed.code == 0
    assert typed.out.splitlines() == [
        "pump-1.setpoint (Set point): 60.00 %; it takes at least 0 and at most 100 %",
        "Write 45? [y/N]: pump-1.setpoint: written and read back: 45.0",
    ]
    assert json.loads(gateway.bodies[-1]) == {"value": 45, "reason": "night pressure"}


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_whoever_does_not_say_yes_has_written_nothing(
    shell: Shell, gateway: Canned, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(answer))
    assert shell("write", "pump-1.setpoint", "45", *WHY).code == 1
    assert gateway.asked == ["GET /api/v1/points"]


@pytest.mark.parametrize(
    ("point", "value", "sent"),
    [
        ("pump-1.setpoint", "45.5", 45.5),
        ("pump-1.setpoint", "0x10", 16),
        ("io.out7", "on", True),
        ("io.out7", "0", False),
        ("io.name", "7", "7"),
    ],
)
def test_a_value_is_of_the_points_type(
    shell: Shell,
    gateway: Canned,
    point: str,
    value: str,
    sent: object,
) -> None:
    assert shell("write", point, value, "--yes", *WHY).code == 0
    assert json.loads(gateway.bodies[-1])["value"] == sent


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("pump-1.flow", "1"), 1, "pump-1.flow is read-only"),
        (("pump-1.speed", "1"), 1, "pump-1.speed: no such point"),
        (("pump-1.setpoint", "fast"), 2, "found 'fast', expected a number"),
        (("io.out7", "2"), 2, "found '2', expected on or off"),
    ],
)
def test_what_is_not_sent(
    shell: Shell,
    gateway: Canned,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    typed = shell("write", *words, "--yes", *WHY)
    assert (typed.code, gateway.asked) == (code, ["GET /api/v1/points"])
    assert said in typed.err


def test_a_refusal_is_said_in_the_gateways_words(shell: Shell, gateway: Canned) -> None:
    gateway.answers[WRITE] = (409, {"detail": "The device refused: illegal value."})
    typed = shell("write", "pump-1.setpoint", "45", "--yes", *WHY)
    assert (typed.code, typed.err) == (1, "The device refused: illegal value.\n")


def test_a_reason_is_needed(shell: Shell, gateway: Canned) -> None:
    assert shell("write", "pump-1.setpoint", "45").code == 2
    assert shell("write", "pump-1.setpoint", "45", "--reason", "a\x07").code == 1
    assert gateway.asked == []
