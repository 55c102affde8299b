"""The wheel: what it holds, and that it runs on nothing but the locked libraries."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FOLDERS: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]
DATA = (
    "config/profiles/**/*.yaml",
    "config/demo/**/*",
    "config/grafana/**/*",
    "gateway/locale/**/*.po",
    "gateway/web/templates/**/*",
)
DATA += ("gateway/web/static/**/*",)


def test_every_package_is_listed() -> None:
    """setuptools cannot find packages behind a mapped prefix, so a new folder must be named."""
    found = {
        ".".join([prefix, *path.parent.relative_to(ROOT / folder).parts])
        for prefix, folder in FOLDERS.items()
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found


def test_every_module_is_in_a_package() -> None:
    alone = [
        str(path.relative_to(ROOT))
        for folder in FOLDERS.values()
        for path in (ROOT / folder).rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    ]
    assert alone == []


def run(*command: str | Path, cwd: Path) -> str:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools leaves a build folder behind, and would trust an old one."""
    work = tmp_path_factory.mktemp("wheel")
    source = work / "source"
    source.mkdir()
    for folder in FOLDERS.values():
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source / name)
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
    )
    run(*pip, "--no-index", "-w", work, source, cwd=work)
    (built,) = work.glob("*.whl")
    return built


def locked_libraries() -> list[metadata.Distribution]:
    names = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    installed = {re.sub(r"[-_.]+", "-", dist.name).lower(): dist for dist in metadata.distributions()}
    return [installed[name] for name in names if name in installed]  # a lock names other platforms' too


def empty_environment(where: Path) -> tuple[Path, Path]:
    """Python and site-packages of an environment with the locked libraries alone, linked, not fetched."""
    venv.create(where, symlinks=True, with_pip=False)
    (packages,) = where.glob("lib/python*/site-packages")
    for dist in locked_libraries():
        for top in {file.parts[0] for file in dist.files or () if file.parts[0] not in {"..", "__pycache__"}}:
            link = packages / top
            if not link.exists():
                link.symlink_to(Path(str(dist.locate_file(top))))
    return where / "bin" / "python", packages


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_wheel_holds_code_and_data(wheel: Path) -> None:
    wanted = {
        "/".join(["sitewarden", *path.relative_to(ROOT).parts])
        for pattern in [*(f"{folder}/**/*.py" for folder in FOLDERS.values()), *DATA]
        for path in ROOT.glob(pattern)
        if path.is_file() and path.suffix != ".pyc"
    }
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == wanted


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_wheel_runs_on_the_locked_libraries_alone(wheel: Path, tmp_path: Path) -> None:
    python, packages = empty_environment(tmp_path / "env")
    before = {path.name for path in packages.iterdir()}
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--no-deps", "--no-index", "--no-compile", wheel, cwd=tmp_path)

    version = PROJECT["project"]["version"]
    gained = {path.name for path in packages.iterdir()} - before
    assert gained == {"sitewarden", f"sitewarden-{version}.dist-info"}
    assert version in run(python.parent / "sitewarden", "--version", cwd=tmp_path)
