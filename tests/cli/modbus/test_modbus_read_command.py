"""`modbus read`, of units that are served for real."""

import itertools
import json
import time
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.cli.modbus.conftest import Bench

KNOWN = ("17", "input", "0", "4")  # a level of -1.5, and an energy of 0x12345 with the low word first


def test_registers_are_shown_in_every_sense(shell: Shell, bench: Bench) -> None:
    typed = shell("modbus", "read", "line", *KNOWN)
    assert (typed.code, typed.err) == (0, "")
    lines = [" ".join(line.split()) for line in typed.out.splitlines()]
    assert lines[0] == "wire documented hex u16 i16 bits bytes swapped bcd text"
    assert lines[1] == "0 1 (30001) FFF1 65521 -15 1111 1111 1111 0001 61951"
    assert lines[3] == "2 3 (30003) 2345 9029 0010 0011 0100 0101 17699 2345 #E"
    assert lines[6] == "wire as ABCD CDAB BADC DCBA"
    (energy,) = [line for line in lines if line.startswith("2–3") and "u32" in line]
    assert "74565" in energy


def test_in_json_all_of_it_is_there(shell: Shell, bench: Bench) -> None:
    found = shell("modbus", "read", "line", *KNOWN, "--json").json
    assert (found["unit"], found["table"]) == (17, "input")
    assert found["values"][0] == {
        "wire": 0, "documented": 1, "reference": "30001", "hex": "FFF1", "u16": 65521, "i16": -15,
        "bits": "1111111111110001", "bcd": None, "text": "",
    }  # fmt: skip
    assert {"wire": 2, "words": 2, "as": "u32", "CDAB": 74565} in [
        {key: value for key, value in one.items() if key not in ("ABCD", "BADC", "DCBA")}
        for one in found["together"]
    ]


def test_bits_are_on_or_off_and_addresses_may_be_the_manuals(shell: Shell, bench: Bench) -> None:
    typed = shell("modbus", "read", "line", "17", "coil", "1", "2", "--documented")
    assert [line.split() for line in typed.out.splitlines()[1:]] == [
        ["0", "1", "(00001)", "off"],
        ["1", "2", "(00002)", "on"],
    ]
    assert shell("modbus", "read", "line", "17", "2", "0x3", "--json").json["values"][0]["on"] is True


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("echo", ()),
        ("echo", ("--echo",)),
        ("ascii", ("--framing", "ascii")),
        ("network", ()),
        ("through", ("--framing", "rtu")),
    ],
)
def test_every_way_there_is_gives_the_same(
    shell: Shell, bench: Bench, name: str, words: tuple[str, ...]
) -> None:
    typed = shell("modbus", "read", bench.link(name), *KNOWN, *words, "--json")
    assert [value["u16"] for value in typed.json["values"]] == [65521, 0, 0x2345, 1]


def test_a_refusal_and_a_silence_come_with_what_to_try(shell: Shell, bench: Bench) -> None:
    refused = shell("modbus", "read", "line", "17", "holding", "500", "2")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("unit 17: exception 2, illegal address: not all of these exist. Is it")
    silent = shell("modbus", "read", "line", "40", "holding", "0", "--timeout", "50ms")
    assert silent.code == 1
    assert silent.err.startswith("unit 40: no answer. Is it this unit id, framing, and on a line baud")


def test_it_reads_again_and_again_and_marks_what_changed(
    shell: Shell, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the unit is silent: that is said, and it is asked again."""
    waits = itertools.count()

    def wait(seconds: float) -> None:
        match next(waits):
            case 0:
                bench.thing("line").now["run"] = True
            case 1 | 2 as deaf:
                bench.unit("line").deaf = deaf == 1
            case _:
                raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", wait)
    typed = shell("modbus", "read", "line", "17", "coil", "0", "2", "--every", "1s", "--timeout", "1s")
    assert typed.code == 0
    assert "unit 17: no answer" in typed.err
    rows = [line.split() for line in typed.out.splitlines() if "(0000" in line]
    assert [row[3:] for row in rows] == [["off"], ["on"], ["on", "changed"], ["on"]]
    assert typed.out.count("unchanged") == 1


def test_again_and_again_in_json_is_a_document_a_line(
    shell: Shell, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = iter(["once"])

    def wait(seconds: float) -> None:
        if not next(waits, None):
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", wait)
    typed = shell("modbus", "read", "line", "17", "coil", "0", "--every", "1s", "--json")
    assert [json.loads(line)["values"][0]["on"] for line in typed.out.splitlines()] == [False, False]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("300", "holding", "0"), "Invalid value for 'UNIT'"),
        (("1", "holdign", "0"), "found 'holdign', expected one of 'coil', 'discrete', 'holding' or 'input'"),
        (("1", "holding", "x"), "found 'x', expected an address such as 300, 0x012C or 12Ch"),
        (("1", "holding", "70000"), "found '70000', expected at most 65535"),
        (("1", "holding", "0", "126"), "found 126 from 0 on, expected at most 125 in one request"),
        (("1", "holding", "0", "1", "-d"), "a manual counts from 1"),
        (("1", "holding", "65535", "2"), "up to wire address 65535"),
        (("1", "holding", "0", "--every", "often"), "found 'often', expected a duration"),
    ],
)
def test_what_is_wrongly_called_is_said(
    shell: Shell, bench: Bench, words: tuple[str, ...], said: str
) -> None:
    typed = shell("modbus", "read", "line", *words)
    assert (typed.code, typed.out) == (2, "")
    assert said in " ".join(typed.err.split())


def test_a_port_that_another_program_has_locked_is_said_with_its_name(shell: Shell, bench: Bench) -> None:
    with Path(bench.link("line")).open("rb+", buffering=0) as held:
        flock(held, LOCK_EX)
        typed = shell("modbus", "read", "line", *KNOWN)
    assert typed.code == 1
    assert "held by " in typed.err
    assert "stop that one, or use another port" in typed.err
