"""How the program that one has started is called again."""

import sys
from pathlib import Path

import pytest

from sitewarden.gateway.cli.calling import me


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / "sitewarden"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


def called_as(monkeypatch: pytest.MonkeyPatch, program: str) -> str:
    monkeypatch.setattr(sys, "argv", [program, "demo"])
    return me()


def test_by_its_name_if_that_finds_this_very_program(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert called_as(monkeypatch, str(installed)) == "sitewarden"
    another = tmp_path / "my own" / "sitewarden"
    another.parent.mkdir()
    another.touch()
    assert called_as(monkeypatch, str(another)) == f"'{another}'"


def test_as_the_module_that_python_was_told_to_run(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = called_as(monkeypatch, "/somewhere/sitewarden/gateway/__main__.py")
    assert main == f"{sys.executable} -m sitewarden.gateway"
