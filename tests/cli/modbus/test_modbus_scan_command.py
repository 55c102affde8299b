"""`modbus scan`, of lines and networks that are served for real."""

import os
import signal
import subprocess
import sys

import pytest

from sitewarden.gateway.cli.modbus import search
from sitewarden.gateway.cli.modbus.master import Master, NoAnswer
from sitewarden.gateway.cli.modbus.probe import Present, probe
from sitewarden.simulators.wire import Faults
from tests.cli.conftest import Shell
from tests.cli.modbus.conftest import Bench

pytestmark = pytest.mark.slow

QUICK = ("--timeout", "100ms")


def test_the_units_of_a_link_are_found_as_it_is_set(shell: Shell, bench: Bench) -> None:
    typed = shell("modbus", "scan", "line", "--units", "1-3,17", *QUICK)
    assert typed.code == 0
    head, *rows = typed.out.splitlines()
    assert head.split() == ["unit", "line", "says", "of", "itself", "holding", "0", "fastest", "median"]
    assert [row.split()[0] for row in rows] == ["1", "2", "17"]
    assert all("19200 8E1 rtu" in row and "exception 2, illegal address" in row for row in rows)
    assert "4 unit ids at 1 setting, 0.1 s each: about 1 s" in typed.err
    assert "19200 8E1 rtu: unit 17" in typed.err


def test_in_json_there_is_one_document_and_nothing_beside_it(shell: Shell, bench: Bench) -> None:
    typed = shell("modbus", "scan", "line", "--units", "17,18", "--json", *QUICK)
    assert (typed.code, typed.err) == (0, "")
    (unit,) = typed.json["units"]
    assert (unit["unit"], unit["baud"], unit["parity"], unit["framing"]) == (17, 19200, "even", "rtu")
    assert "test" in unit["says"]
    assert 0 < unit["fastest_s"] <= unit["median_s"] < 0.1
    assert typed.json["complete"] is True


def test_on_a_bare_port_it_ends_with_the_first_setting_that_answers(shell: Shell, bench: Bench) -> None:
    typed = shell("modbus", "scan", bench.link("line"), "--units", "2", "--json", *QUICK)
    assert typed.json["tried"] == ["9600 8N1 rtu"]  # a pseudo-terminal takes any


def test_all_settings_that_are_named_are_tried(shell: Shell, bench: Bench) -> None:
    words = ("--baud", "9600,19200", "--parity", "none,even")
    typed = shell("modbus", "scan", bench.link("line"), "--units", "2", *words, "--json", *QUICK)
    assert typed.json["tried"] == [f"{baud} 8{parity}1 rtu" for baud in (9600, 19200) for parity in "NE"]


def test_an_adapter_that_hands_back_what_is_sent_is_found_out(shell: Shell, bench: Bench) -> None:
    typed = shell("modbus", "scan", bench.link("echo"), "--units", "16-17", *QUICK)
    assert typed.code == 0
    assert "exception 2, illegal address" in typed.out
    assert "The adapter hands back what is sent: set `echo: true` on the link." in typed.out


def test_what_is_no_frame_means_a_wrong_setting_or_two_units(shell: Shell, bench: Bench) -> None:
    bench.unit("line", 2).faults = Faults(noise=1.0)
    typed = shell("modbus", "scan", "line", "--units", "1-2", *QUICK)
    assert "what came from 2 is no frame: another baud rate or parity, or two units with one id" in typed.out


def test_a_slow_unit_is_told_from_none(shell: Shell, bench: Bench) -> None:
    bench.unit("line", 2).turnaround = 0.15
    typed = shell("modbus", "scan", "line", "--units", "1-4", *QUICK)
    assert "2 answered when another was asked: slow, so try --timeout 1s" in typed.out


@pytest.mark.parametrize(("name", "framing"), [("network", "tcp"), ("through", "rtu")])
def test_over_a_network_both_framings_are_tried(shell: Shell, bench: Bench, name: str, framing: str) -> None:
    typed = shell("modbus", "scan", bench.link(name), "--units", "17", "--json", *QUICK)
    assert [(unit["unit"], unit["framing"]) for unit in typed.json["units"]] == [(17, framing)]


def test_one_device_that_answers_for_every_id_is_seen_through(
    shell: Shell, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "probe", lambda master, unit_id: Present(unit_id, "", "7", (0.01,)))
    typed = shell("modbus", "scan", bench.link("network"), "--units", "1-5")
    assert "Every id has an answer: over TCP that is mostly one device" in typed.out
    assert "Every id" not in shell("modbus", "scan", "line", "--units", "1-5").out


def test_ascii_is_spoken_where_it_is_said(shell: Shell, bench: Bench) -> None:
    spoken = ("--framing", "ascii", "--data-bits", "7")
    typed = shell("modbus", "scan", bench.link("ascii"), "--units", "17", *spoken, *QUICK)
    assert "9600 7N1 ascii" in typed.out


def test_that_nobody_answers_is_a_failure_with_advice(shell: Shell, bench: Bench) -> None:
    typed = shell("modbus", "scan", "line", "--units", "40", *QUICK)
    assert (typed.code, typed.out) == (1, "")
    assert "line: no unit answered. Are they powered, A and B not swapped" in typed.err
    assert shell("modbus", "scan", "line", "--units", "40", "--json", *QUICK).code == 1


def test_ctrl_c_ends_it_with_what_was_found(bench: Bench) -> None:
    heeding = ["env", "--default-signal=INT"]  # a shell lets what runs in its background ignore it
    scan = [sys.executable, "-m", "sitewarden.gateway", "modbus", "scan", bench.link("line"), *QUICK]
    with subprocess.Popen(
        heeding + scan, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr
        assert running.stdout
        assert "247 unit ids at 24 settings" in running.stderr.readline()
        assert running.stderr.readline() == "9600 8N1 rtu: from unit 1 on\n"
        assert running.stderr.readline().startswith("9600 8N1 rtu: unit 1 ")
        running.send_signal(signal.SIGINT)
        out = running.stdout.read()
        assert running.wait(10) == 0
    assert out.splitlines()[1].startswith("1 ")
    assert "Stopped at 9600 8N1 rtu: not everything was tried." in out


def test_what_was_found_before_the_port_went_is_told(
    shell: Shell, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pulled(master: Master, unit_id: int) -> Present | NoAnswer:
        if unit_id == 2:
            raise OSError(5, "Input/output error")
        return probe(master, unit_id)

    monkeypatch.setattr(search, "probe", pulled)
    typed = shell("modbus", "scan", "line", "--units", "1-3", *QUICK)
    assert typed.code == 0
    assert typed.out.splitlines()[1].startswith("1 ")
    assert typed.out.splitlines()[-1].endswith("Input/output error")
    typed = shell("modbus", "scan", "line", "--units", "2-3", *QUICK)
    assert (typed.code, typed.out) == (1, "")
    assert "Input/output error" in typed.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("line", "--units", "0-5"), "found '0-5', expected numbers from 1 to 247, such as 1-32,40"),
        (("line", "--units", "5-1"), "found '5-1', expected"),
        (("line", "--units", "all"), "found 'all', expected"),
        (
            ("line", "--parity", "evn"),
            "found 'evn', expected one of 'none', 'even' or 'odd'; did you mean 'even'?",
        ),
        (("line", "--baud", "96"), "found '96', expected numbers from 300 to 4000000"),
        (("line", "--framing", "tcp"), "a serial line speaks rtu or ascii"),
        (("tcp://127.0.0.1:1", "--baud", "9600"), "--baud and --parity are for a serial line"),
        (("tcp://", "--units", "1"), "found 'tcp://', expected tcp:// and a host and a port"),
        (("lin", "--units", "1"), "did you mean 'line'?"),
        (("desk", "--units", "1"), "desk is no Modbus line: a card reader stands there"),
        (("line", "--config", "none.yaml"), "none.yaml: no such file, so there is no link 'line'"),
    ],
)
def test_what_is_wrongly_called_is_said(
    shell: Shell, bench: Bench, words: tuple[str, ...], said: str
) -> None:
    typed = shell("modbus", "scan", *words)
    assert (typed.code, typed.out) == (2, "")
    assert said in " ".join(typed.err.split())


def test_a_port_that_is_none_or_refuses_is_said(shell: Shell, bench: Bench) -> None:
    typed = shell("modbus", "scan", "/dev/ttyNONE", "--units", "1")
    assert typed.code == 1
    assert "/dev/ttyNONE: no such port. Plugged in? Ports there are:" in typed.err
    typed = shell("modbus", "scan", "tcp://127.0.0.1:1", "--units", "1")
    assert typed.code == 1
    assert "tcp://127.0.0.1:1: Connection refused" in typed.err


def test_on_a_terminal_there_is_a_bar(bench: Bench) -> None:
    far, near = os.openpty()
    words = [sys.executable, "-m", "sitewarden.gateway", "modbus", "scan", bench.link("line"), *QUICK]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    words += ["--units", "17-19"]
    done = subprocess.run(words, stderr=near, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    shown = os.read(far, 65536).decode()
    os.close(near)
    os.close(far)
    assert "━" in shown
    assert "9600 8N1 rtu, unit 17" in shown
    assert done.stdout.splitlines()[1].startswith("17 ")
