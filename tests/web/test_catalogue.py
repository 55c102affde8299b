"""Every code that anything shows has words in both languages."""

import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import pytest

from sitewarden.gateway import catalogue
from sitewarden.gateway.amounts import SPANS
from sitewarden.gateway.board import Arm, Trend
from sitewarden.gateway.catalogue import LANGUAGES, Catalogue, pick
from sitewarden.gateway.ledger.causes import Cause, Gone
from sitewarden.gateway.sinks.base import Going
from sitewarden.gateway.tokens import Role
from sitewarden.gateway.web.rooms import REASONS, ROOMS
from sitewarden.rules.alarms import book
from sitewarden.rules.alarms.lifecycle import STANDING
from sitewarden.rules.model import (
    AlarmState,
    Direction,
    FireStage,
    Outcome,
    PermitKind,
    Reason,
    Severity,
    Verdict,
    Why,
)
from sitewarden.simulators.presses import Came

GATEWAY = Path(catalogue.__file__).parent
ENUMS: dict[str, type[StrEnum]] = {
    "why": Why,
    "verdict": Verdict,
    "kind": PermitKind,
    "direction": Direction,
    "arm": Arm,
    "fire": FireStage,
    "severity": Severity,
    "alarm_state": AlarmState,
    "trend": Trend,
    "role": Role,
    "outcome": Outcome,
    "reason": Reason,
    "gone": Gone,
    "cause": Cause,
    "going": Going,
    "demo.came": Came,
}
LITERAL = re.compile(r"""\b(?:t|text)\(\s*f?['"]([a-z_.0-9]+)['"]\s*[,)]""")
TROUBLE = re.compile(
    r"""(?:Trouble|_trouble|raised|happened|\.on|\.off|\.set|report)\(\s*['"]([a-z_]+)['"]"""
)
NAMES = re.compile(r"\{(\w+)\}")


def used() -> Iterable[str]:
    for path in [*GATEWAY.rglob("*.html"), *GATEWAY.rglob("*.py")]:
        yield from LITERAL.findall(path.read_text(encoding="utf-8"))


def alarms() -> set[str]:
    folders = (GATEWAY, GATEWAY.parent / "rules", GATEWAY.parent / "drivers")
    files = [path for folder in folders for path in folder.rglob("*.py")]
    told = {code for path in files for code in TROUBLE.findall(path.read_text(encoding="utf-8"))}
    return told | set(book.SEVERITY)


@pytest.fixture(params=LANGUAGES)
def words(request: pytest.FixtureRequest) -> Catalogue:
    return Catalogue.load(request.param)


def test_every_value_of_every_enumeration_has_words(words: Catalogue) -> None:
    codes = {f"{prefix}.{value}" for prefix, enum in ENUMS.items() for value in enum}
    assert codes - words.codes == set()


def test_an_alarm_whose_cause_is_gone_has_words(words: Catalogue) -> None:
    gone = set(AlarmState) - STANDING - {AlarmState.NORMAL}
    assert {f"ended.{state}" for state in gone} - words.codes == set()


def test_every_alarm_says_what_and_what_to_do(words: Catalogue) -> None:
    codes = alarms()
    assert {"fire", "device_offline", "journal_late", "driver_failed"} <= codes
    assert {f"alarm.{code}" for code in codes} - words.codes == set()
    by_the_site = {"condition"}
    assert {f"alarm.{code}.todo" for code in codes - by_the_site} - words.codes == set()


def test_every_word_of_the_page_is_there(words: Catalogue) -> None:
    codes = set(used())
    assert len(codes) > 50
    assert codes - words.codes == set()
    made = {f"open.{reason}" for reason in REASONS} | {
        f"ui.room.{room}" for room in ROOMS if room != "device"
    }
    assert made - words.codes == set()


def test_every_unit_of_a_span_has_words(words: Catalogue) -> None:
    assert {f"ui.unit.{unit}" for unit in ("s", *(unit for _, unit in SPANS))} - words.codes == set()


def test_the_demo_controls_have_words(words: Catalogue) -> None:
    controls = (GATEWAY.parent / "simulators" / "controls.py").read_text(encoding="utf-8")
    names = re.findall(r'^    "(\w+)": ', controls[controls.index("PRESSES") :], re.MULTILINE)
    assert len(names) > 10
    assert {f"demo.{name}" for name in names} - words.codes == set()


def test_both_languages_have_the_same_codes_and_places() -> None:
    zh, en = (Catalogue.load(lang) for lang in LANGUAGES)
    assert zh.codes == en.codes
    for code in zh.codes:
        assert set(NAMES.findall(zh.text(code))) == set(NAMES.findall(en.text(code))), code


def test_no_text_is_empty_or_in_the_wrong_script() -> None:
    en = Catalogue.load("en")
    assert all(en.text(code).strip() for code in en.codes)
    assert not [code for code in en.codes if re.search("[\u4e00-\u9fff]", en.text(code))]


def test_a_code_without_words_is_legible_and_a_missing_value_a_dash(words: Catalogue) -> None:
    assert words.text("alarm.of_tomorrow") == "alarm.of_tomorrow"
    assert "–" in words.text("alarm.device_offline", subject="x")


def test_a_title_falls_back_to_another_language() -> None:
    assert pick({"zh": "泵"}, "en", "pump-1") == "泵"
    assert pick({}, "en", "pump-1") == "pump-1"
