"""`modbus write`, to units that are served for real."""

import io
from pathlib import Path

import pytest

from sitewarden import config
from sitewarden.drivers.modbus.points import Table
from sitewarden.gateway.cli.modbus.options import resolve
from tests.cli.conftest import Shell
from tests.cli.modbus.conftest import Bench

SETPOINT = ("17", "holding", "10")


def test_what_stands_there_and_what_would_is_shown_and_read_back(shell: Shell, bench: Bench) -> None:
    typed = shell("modbus", "write", "line", *SETPOINT, "2500", "--yes")
    assert typed.code == 0
    assert typed.out.splitlines()[1].split()[-3:] == ["09C4", "=", "2500"]
    assert "The frame: 11 06 00 0a 09 c4" in typed.out
    assert typed.out.endswith("Verified: it reads back as it was written.\n")
    assert shell("modbus", "read", "line", *SETPOINT, "--json").json["values"][0]["u16"] == 2500


def test_nothing_is_written_without_a_yes(
    shell: Shell, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shell("modbus", "read", "line", *SETPOINT, "--json").json["values"]
    for answer in ("n\n", "\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        typed = shell("modbus", "write", "line", *SETPOINT, "2500")
        assert typed.code == 1
        assert "Write it? [y/N]" in typed.out
    assert shell("modbus", "read", "line", *SETPOINT, "--json").json["values"] == before
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert shell("modbus", "write", "line", *SETPOINT, "2500").code == 0


@pytest.mark.parametrize("name", ["line", "echo", "network"])
def test_a_value_of_two_words_and_coils(shell: Shell, bench: Bench, name: str) -> None:
    link = bench.link(name)
    words = ("--type", "u32", "--order", "CDAB", "--yes", "--json")
    typed = shell("modbus", "write", link, "17", "holding", "12", "70000", "-d", *words)
    assert typed.json["written"] == typed.json["after"] == [70000 & 0xFFFF, 1]
    assert typed.json["verified"] is True
    typed = shell("modbus", "write", link, "17", "coil", "0", "on", "off", "--yes")
    assert (typed.code, typed.err) == (0, "")
    found = shell("modbus", "read", link, "17", "coil", "0", "2", "--json").json["values"]
    assert [coil["on"] for coil in found] == [True, False]


def test_a_refusal_is_said_and_so_is_a_silence(shell: Shell, bench: Bench) -> None:
    typed = shell("modbus", "write", "line", *SETPOINT, "20000", "--yes")
    assert typed.code == 1
    assert typed.err.startswith("not written: unit 17: exception 3, illegal value")
    bench.unit("line").deaf = True
    typed = shell("modbus", "write", "line", *SETPOINT, "20", "--yes", "--timeout", "50ms")
    assert (typed.code, typed.out) == (1, "")
    assert typed.err.startswith("unit 17: no answer")


def test_what_does_not_read_back_is_not_verified(
    shell: Shell, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.unit("line").registers, "write", lambda *words: None)
    typed = shell("modbus", "write", "line", *SETPOINT, "2500", "--yes")
    assert typed.code == 1
    assert typed.err.startswith("not verified: the unit confirmed it, and reads back:")
    typed = shell("modbus", "write", "line", *SETPOINT, "2500", "--yes", "--json")
    assert (typed.code, typed.json["verified"]) == (1, False)


def test_everybody_is_told_and_nobody_answers(shell: Shell, bench: Bench) -> None:
    typed = shell("modbus", "write", "line", "0", "coil", "0", "on", "--yes", "--timeout", "50ms")
    assert typed.code == 0
    everybody = "Unit 0: every unit on this line does it, and none answers."
    assert typed.err.splitlines() == ["This is box.out1.", everybody]
    assert typed.out.endswith("Sent. Nobody answers a broadcast.\n")
    for unit in ("1", "2", "17"):
        assert shell("modbus", "read", "line", unit, "coil", "0", "--json").json["values"][0]["on"] is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("input", "0", "1"), "found input, which can only be read; expected coil or holding"),
        (("coil", "0", "maybe"), "found 'maybe', expected on or off"),
        (("holding", "0", "70000"), "found '70000', expected a whole number from 0 to 65535"),
        (("holding", "0", "1.5"), "found '1.5', expected a whole number"),
        (("holding", "0", "warm", "--type", "f32"), "found 'warm', expected a number such as 21.5"),
        (("holding", "0", "1", "--type", "u17"), "'u17'"),
        (("holding", "65535", "1", "2"), "found 2 from 65535 on, expected 1 to 123 in one request"),
        (("holding", "0", "1", "-d"), "from -1 on"),
        (("holding", "0", "1", "--json"), "with --json, --yes is expected too"),
    ],
)
def test_what_is_wrongly_called_is_said(
    shell: Shell, bench: Bench, words: tuple[str, ...], said: str
) -> None:
    typed = shell("modbus", "write", "line", "17", *words)
    assert (typed.code, typed.out) == (2, "")
    assert said in " ".join(typed.err.split())


def test_what_the_site_calls_an_address_is_said_before_it_is_asked() -> None:
    """The gateway itself never lets anybody write what moves a barrier; this tool does, and says so."""
    demo = Path(config.__file__).with_name("demo") / "site.yaml"
    gate, pumps = resolve("bus-gate", demo), resolve("bus-pump", demo)
    moves = [
        f"io-gate.out{n}, which moves the barrier of {lane}" for n, lane in ((1, "entrance"), (2, "exit"))
    ]
    assert list(gate.points(1, Table.COIL, 0, 3)) == [*moves, "io-gate.out3"]
    assert list(gate.points(1, Table.COIL, 40, 3)) == []
    assert list(gate.points(0, Table.COIL, 0, 1)) == moves[:1], "unit 0 is everybody"
    assert list(pumps.points(11, Table.HOLDING, 103, 1)) == ["pump-1.setpoint"]
    assert list(resolve("/dev/ttyUSB9", demo).points(1, Table.COIL, 0, 1)) == []
