"""The command line as a person has it: a folder with a site, and words typed in it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sitewarden.gateway.cli.main import main

DEMO = Path(__file__).parents[2] / "config" / "demo" / "site.yaml"


@dataclass(frozen=True, slots=True)
class Typed:
    """What came of it."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Shell = Callable[..., Typed]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the shell stands: it holds `site.yaml`, a copy of the demo's."""
    shutil.copy(DEMO, tmp_path / "site.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SITEWARDEN_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def shell(folder: Path, capfd: pytest.CaptureFixture[str]) -> Shell:
    def typed(*words: str) -> Typed:
        try:
            code = main(words)
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        return Typed(code, out, err)

    return typed
