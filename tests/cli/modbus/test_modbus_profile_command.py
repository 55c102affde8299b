"""`modbus profile`: the page of a device's manual."""

from pathlib import Path

import pytest

from sitewarden.config.profile import SHIPPED, available
from tests.cli.conftest import Shell

PUMP = """
title: {en: My pump, zh: 我的水泵}
source: its leaflet
verified: nothing
addressing: documented
forbidden: [{table: holding, first: 50, last: 60}]
points:
  power: {table: holding, address: 3, type: f32, word_order: low_first, unit: W, range: [0, 1000000]}
  mode:
    {table: holding, address: 1, type: enum, names: {0: {en: off, zh: 停}}, writable: true, limits: [0, 1]}
  code: {table: holding, address: 7, type: string, words: 4, label: {en: Code, zh: 代码}}
  hot: {table: holding, address: 2, type: bit, bit: 3, absent: 0xFFFF, scan: fast}
  warmth: {table: input, address: 9, type: i16, scale: 0.1, offset: -40, byte_order: low_first}
"""


@pytest.fixture
def pump(folder: Path) -> Path:
    (folder / "profiles").mkdir()
    file = folder / "profiles" / "my-pump.yaml"
    file.write_text(PUMP, "utf-8")
    return file


def rows(out: str) -> list[str]:
    return [" ".join(line.split()) for line in out.splitlines()]


def test_the_page_says_where_what_stands_and_how_it_reads(shell: Shell, pump: Path) -> None:
    typed = shell("modbus", "profile", "my-pump", "--lang", "en")
    assert (typed.code, typed.err) == (0, "")
    page = rows(typed.out)
    assert page[:4] == ["my-pump: My pump", "", "Source: its leaflet", "Verified: nothing"]
    assert page[6:11] == [
        "1 (40001) 0 03 mode enum normal 0…1",
        "2 (40002) 1 03 hot bit 3 0xffff fast",
        "3 (40003) 2 03 power f32 CDAB W 0…1000000 normal",
        "7 (40007) 6 03 code string of 4 words ABCD normal Code",
        "9 (30009) 8 04 warmth i16 BADC × 0.1 -40 normal",
    ]
    assert page[12:] == [
        "mode: 0 off",
        "",
        "Reads at most 125 registers at once, answers within 10 ms (assumed, the source does not say).",
        "Must not be read: holding 49–59.",
    ]


def test_what_the_source_says_is_not_assumed(shell: Shell, pump: Path) -> None:
    pump.write_text(f"turnaround: 10ms\n{PUMP}", "utf-8")
    assert "at once, answers within 10 ms." in shell("modbus", "profile", "my-pump", "--lang", "en").out
    assert shell("modbus", "profile", "my-pump", "--json").json["turnaround_assumed"] is False
    (pump.parent / "mine.yaml").write_text("extends: my-pump", "utf-8")
    assert "answers within 10 ms." in shell("modbus", "profile", "mine", "--lang", "en").out


def test_its_language_is_the_terminals(shell: Shell, pump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    page = rows(shell("modbus", "profile", "profiles/my-pump.yaml").out)
    assert page[0] == "my-pump: 我的水泵"
    assert page[5].startswith("文档地址 报文地址 功能码")
    assert "mode: 0 停" in page
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert rows(shell("modbus", "profile", "my-pump").out)[0] == "my-pump: My pump"


def test_json_has_every_address_in_both_ways(shell: Shell, pump: Path) -> None:
    found = shell("modbus", "profile", "my-pump", "--json", "--lang", "zh").json
    assert found["title"] == "我的水泵"
    mode = found["points"][0]
    assert (mode["name"], mode["address"], mode["documented"], mode["reference"], mode["function"]) == (
        *("mode", 0, 1, "40001", 3),
    )
    assert mode["writable"] is True


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", sorted(available([SHIPPED])))
def test_every_shipped_profile_has_its_page(shell: Shell, name: str, lang: str) -> None:
    typed = shell("modbus", "profile", name, "--lang", lang)
    assert typed.code == 0
    assert typed.out.startswith(f"{name}: ")


def test_all_are_listed_those_of_the_site_too(shell: Shell, pump: Path) -> None:
    listed = rows(shell("modbus", "profile", "--lang", "en").out)
    assert "my-pump My pump" in listed
    assert "grundfos-cim Grundfos CIM pump module" in listed
    assert shell("modbus", "profile", "--json", "--lang", "zh").json["my-pump"] == "我的水泵"


def test_an_unknown_profile_and_a_file_with_mistakes(shell: Shell, pump: Path) -> None:
    typed = shell("modbus", "profile", "my-pmp")
    assert typed.code == 2
    assert "did you mean 'my-pump'?" in typed.err
    assert shell("modbus", "profile", "none.yaml").err == "none.yaml: no such file\n"
    pump.write_text(PUMP.replace("type: f32", "type: f23").replace("bit: 3", "bit: 30"), "utf-8")
    typed = shell("modbus", "profile", str(pump))
    assert (typed.code, typed.out) == (1, "")
    *mistakes, count = typed.err.splitlines()
    assert count == "2 mistakes."
    assert all(line.startswith(f"{pump}:") for line in mistakes)
