"""Every kind of mistake, with its exact place and words: `mistakes.txt` is the list."""

from pathlib import Path

import pytest

from sitewarden.config.errors import ConfigErrors
from sitewarden.config.site import load
from tests.config.site_text import blocks, place, write, wrong


def changed(line: str) -> dict[str, str]:
    section, _, text = line.partition(": ")
    return {section: text}


@pytest.mark.parametrize(("wrote", "says"), blocks("mistakes.txt"))
def test_is_found_where_it_stands(tmp_path: Path, wrote: str, says: str) -> None:
    file = write(tmp_path, **changed(wrote))
    line, col = place(file)
    with pytest.raises(ConfigErrors) as caught:
        load(file, {})
    assert f"{file}:{line}:{col}: {says}" in list(map(str, caught.value.errors))


def test_two_names_of_one_serial_port(tmp_path: Path) -> None:
    """As when /dev/serial/by-id/… and /dev/ttyUSB0 are both used."""
    (tmp_path / "by-id").symlink_to("ttyS0")
    links = "{line-1: {serial: ttyS0}, line-2: {serial: by-id}, bus-1: {serial: c}, lift-1: {tcp: d}}"
    (error,) = wrong(tmp_path, links=links)
    assert (error.path, error.expected) == ("links.line-2.serial", "a port of its own: line-1 has this one")


SYNTAX = {
    "a: [1, 2": "1:9: found the end of the file, expected ',' or ']'",
    "a: {b: 1\nc: 2": "2:2: found ':', expected ',' or '}'",
    "a: 1\n b: 2\n": "2:3: found a ':' that belongs to no key of this line, "
    "expected one 'key: value' a line, indented like its neighbours; quotes around a text with ': '",
    "a:\n  - b\n c: d": "3:2: found a key, expected the next key, indented like those before it",
    "a: 'no end": "1:11: found the end of the file, expected the quote that ends the text",
    '"\\q"': "1:3: found the escape \\q, expected one of YAML's; between single quotes \\ is itself",
    "\ta: 1": "1:1: found a tab, expected blanks: tabs do not indent",
    "a:\n\tb: 1": "2:1: found a tab, expected blanks: tabs do not indent",
    "a: @b": "1:4: found the character '@', expected a value; quotes around a text that begins so",
    "a: }": "1:4: found '}', expected a value",
    "a: *nowhere": "1:4: found the alias *nowhere, expected the anchor &nowhere somewhere before it",
    "a: 1\n---\nb: 2": "2:1: found a second document, expected one document in the file",
    "a: 1\nb: \x01": "2:4: found the control character '\\x01', expected text",
    "%YAML 3.0\n---\na: 1": "1:1: found incompatible YAML document (version 1.* is required), expected YAML",
    "": "1:1: found an empty file, expected a mapping",
    "# later": "1:1: found nothing but comments, expected a mapping",
}


@pytest.mark.parametrize("text", SYNTAX)
def test_what_is_not_yaml_is_one_sentence_with_its_place(tmp_path: Path, text: str) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigErrors) as caught:
        load(file, {})
    assert str(caught.value) == f"{file}:{SYNTAX[text]}"


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"1:1: found a folder, expected a YAML file$"):
        load(tmp_path, {})
    with pytest.raises(ConfigErrors, match=r"1:1: found no file of this name, expected a YAML file$"):
        load(tmp_path / "none.yaml", {})


def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_bytes(b"site: \xff\xfe")
    with pytest.raises(ConfigErrors, match="found the byte 0xff, expected UTF-8 text"):
        load(file, {})


def test_aliases_that_multiply_or_never_end(tmp_path: Path) -> None:
    laughs = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]\n" for n in range(1, 9))
    for text in (laughs, "a: &a {b: *a}", "a: &a {<<: *a}", "[" * 1000):
        file = tmp_path / "site.yaml"
        file.write_text(text, "utf-8")
        with pytest.raises(ConfigErrors):
            load(file, {})


def test_all_of_them_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    errors = wrong(
        tmp_path,
        site="{id: a b, timezone: UTCC, languge: zh}",
        links="{line-1: {serial: /dev/ttyS0, baud: fast}, bus-1: {serial: /dev/ttyS0}, lift-1: {}}",
        devices="{reader-1: {link: line-1, driver: rdm}, io-1: {link: bus-1, unit: 300, profile: box}}",
        parking="""
  lanes: {in-1: {direction: inn, reader: io-1, barrier: {device: io, open: out1, loop_under: in1}}}""",
        alarms="{low: {point: io-1.line2, below: one, severity: bad, on_delay: 10}}",
        sinks="{x: {type: mqtt, host: 1}}",
    )
    paths = [error.path for error in errors]
    assert paths == [
        *("site.id", "site.timezone", "site.languge"),
        *("links.line-1.baud", "links.bus-1.serial", "links.lift-1", "links.lift-1"),
        *("devices.reader-1.driver", "devices.io-1.unit"),
        *("parking.lanes.in-1.direction", "parking.lanes.in-1.reader", "parking.lanes.in-1.barrier.device"),
        *("alarms.low.point", "alarms.low.below", "alarms.low.severity", "alarms.low.on_delay"),
        *("stale.pump-1.pressure", "sinks.x.host"),
    ]
    assert list(errors) == sorted(errors)


@pytest.mark.parametrize(
    "broken",
    [
        "site: {id: 5, timezone: UTC}",
        "links: {line-1: {serial: 5}, line-2: {serial: a}, bus-1: {serial: b}, lift-1: {tcp: c}}",
        "alarms: {low: {point: pump-1.pressure, below: one, severity: low}}",
        "fire: {panel: {point: io-1.line1, bands: {fire: [2, 1], normal: [3, 4]}}}",
    ],
)
def test_one_mistake_brings_no_others_with_it(tmp_path: Path, broken: str) -> None:
    """Whatever refers to a broken thing, or depends on the missing value, is not told of it again."""
    assert len(wrong(tmp_path, **changed(broken))) == 1


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    for secret in ("[hunter2]", "{plain: hunter2}", "{env: hunter2}", "{env: a, file: hunter2}"):
        errors = wrong(tmp_path, sinks=f"{{x: {{type: mqtt, host: a, password: {secret}}}}}")
        assert errors
        assert not any("hunter2" in error.found for error in errors)
