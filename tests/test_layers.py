"""What import-linter and ruff cannot say about who may import what."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("config", "drivers", "gateway", "rules", "simulators")
MOST_LINES = 400


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and module of each import; a relative one keeps its dots."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names)
            case ast.ImportFrom(module=module, level=level):
                yield node.lineno, "." * level + (module or "")
            case _:
                pass


def wrong_imports(source: str, *, pure: bool = False) -> list[str]:
    """Bare imports of our own folders; in a pure module also all but the standard library and rules."""
    wrong = []
    for line, module in imports(source):
        top = module.split(".")[0]
        foreign = top not in sys.stdlib_module_names and not f"{module}.".startswith("sitewarden.rules.")
        if top in PARTS or (pure and foreign):
            wrong.append(f"line {line}: {module}")
    return wrong


@pytest.mark.parametrize("part", [*PARTS, "tests"])
def test_no_class_is_loaded_twice(part: str) -> None:
    """`from drivers.base import …` makes a second ProtocolError that no `except` of ours catches."""
    found = {str(path.relative_to(ROOT)): wrong_imports(path.read_text("utf-8")) for path in sources(part)}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_rules_need_the_standard_library_alone() -> None:
    found = {path.name: wrong_imports(path.read_text("utf-8"), pure=True) for path in sources("rules")}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_a_module_holds_one_idea() -> None:
    everywhere = sources(*PARTS, "tests")
    sizes = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in everywhere}
    assert {path: size for path, size in sizes.items() if size > MOST_LINES} == {}


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("import rules.model", ["line 1: rules.model"]),
        ("def f():\n    from config import load", ["line 2: config"]),
        ("import pydantic", ["line 1: pydantic"]),
        ("from . import model", ["line 1: ."]),
        ("from sitewarden.drivers import base", ["line 1: sitewarden.drivers"]),
        ("from sitewarden.rules.model import Stamp\nfrom sitewarden.rules import model\nimport math", []),
    ],
)
def test_the_check_itself(source: str, wrong: list[str]) -> None:
    assert wrong_imports(source, pure=True) == wrong
