"""What is wrong in a file, said so that the person who wrote it can put it right: where, what, and what
was expected instead."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, order=True)
class ConfigError:
    """One mistake. `line` and `col` count from 1; `path` is the way to it ("devices.pump-1.unit")."""

    file: str
    line: int
    col: int
    path: str
    found: str
    expected: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.col}: " + (f"{self.path}: " if self.path else "")
        return f"{where}found {self.found}, expected {self.expected}" + (
            f"; {self.hint}" if self.hint else ""
        )


class ConfigErrors(Exception):
    """Every mistake of a configuration at once, in the order of the files and their lines."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = tuple(sorted(set(errors)))
        super().__init__(self.errors)

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """A hint naming the nearest of the known words, or nothing."""
    near = get_close_matches(str(word), list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def one_of(words: Iterable[str], most: int = 16) -> str:
    """'one of a, b or c', cut short when there are too many to read."""
    names = [repr(word) for word in words]
    if not names:
        return "there are none"
    if len(names) > most:
        return "one of " + ", ".join(names[:most]) + f" … ({len(names)} in all)"
    return "one of " + " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
