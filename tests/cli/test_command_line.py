"""Names, exit codes and help; each command is imported when it is called."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
import typer

from sitewarden.gateway.cli.main import COMMANDS, application
from tests.cli.conftest import Shell

pytestmark = pytest.mark.slow

BUILT = [name for name, (module, _) in COMMANDS.items() if find_spec(f"sitewarden.gateway.cli.{module}")]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    "how", [("-m", "sitewarden.gateway"), ("-c", "from sitewarden.gateway.cli.main import main; main()")]
)
def test_version(how: tuple[str, ...]) -> None:
    done = run(*how, "--version")
    assert (done.returncode, done.stdout) == (0, f"sitewarden {version('sitewarden')}\n")


@pytest.mark.parametrize(
    ("words", "code"), [(("--help",), 0), (("nothing",), 2), (("check",), 2), (("check", "none.yaml"), 1)]
)
def test_exit_codes_of_the_process(words: tuple[str, ...], code: int) -> None:
    assert run("-m", "sitewarden.gateway", *words).returncode == code


def test_a_card_does_not_wait_for_the_web() -> None:
    heavy = "import sys; from sitewarden.gateway.cli.main import application; application(['card'])"
    done = run(
        "-c",
        f"{heavy}; print([m for m in ('pydantic', 'fastapi', 'httpx2', 'pymodbus') if m in sys.modules])",
    )
    assert done.stdout == "[]\n", done.stderr


def test_help_lists_every_command(shell: Shell) -> None:
    typed = shell("--help")
    assert typed.code == 0
    for name in BUILT:
        assert f"\n  {name} " in typed.out


@pytest.mark.parametrize("name", BUILT)
def test_every_command_explains_itself_with_an_example(shell: Shell, name: str) -> None:
    typed = shell(name, "--help")
    assert typed.code == 0
    assert f"sitewarden {name}" in typed.out.partition("\n")[2]


def commands(app: typer.Typer, *words: str) -> Iterator[tuple[str, ...]]:
    for one in app.registered_commands:
        yield (*words, one.name or getattr(one.callback, "__name__", ""))
    for group in app.registered_groups:
        if group.typer_instance:
            yield from commands(group.typer_instance, *words, group.name or "")


EVERY = [words for name in BUILT for words in commands(application([name])) if words[0] == name]


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_word_of_a_command_is_explained_in_no_language_of_programmers(
    shell: Shell, words: tuple[str, ...]
) -> None:
    """`<list[str]>` says nothing to a desk."""
    typed = shell(*words, "--help")
    assert typed.code == 0
    assert not re.findall("<.*>", typed.out)
    lines = typed.out.partition("Options:")[2].splitlines()
    bare = [
        line
        for line, after in pairwise([*lines, ""])
        if re.fullmatch(r"  -\S+( \S+)*", line) and not after[:20].isspace()
    ]
    assert bare == []


def test_without_a_word_it_explains(shell: Shell) -> None:
    typed = shell()
    assert typed.code == 2
    assert "sitewarden demo" in typed.out + typed.err


def test_a_data_folder_that_cannot_be_is_told_in_one_sentence(folder: Path) -> None:
    (folder / "data").write_text("a file")
    done = run("-m", "sitewarden.gateway", "run", "site.yaml")
    assert (done.returncode, done.stderr) == (1, f"{folder / 'data'}: File exists\n")


def test_a_gateway_with_a_wrong_configuration_names_the_mistakes(folder: Path) -> None:
    (folder / "site.yaml").write_text("site: {id: a, timezone: Nowhere}\n", encoding="utf-8")
    done = run("-m", "sitewarden.gateway", "run", "site.yaml")
    assert done.returncode == 1
    assert done.stderr.startswith("site.yaml:1:")
    assert "mistake" in done.stderr.splitlines()[-1]
