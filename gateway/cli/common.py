"""What the commands share: how they are told of a site, how they fail, how they print."""

import getpass
import json
import os
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated
from unicodedata import east_asian_width

import typer

from sitewarden.config.glance import Glance, glance
from sitewarden.config.words import duration


class Failure(Exception):
    """Ends a command with exit code 1; its text is for the person who called it."""


SITE = Path("site.yaml")
Config = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="SITEWARDEN_CONFIG", help="The site's configuration.", metavar="FILE"
    ),
]
ConfigFile = Annotated[
    Path, typer.Argument(help="The site's configuration.", metavar="CONFIG", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def _time(text: str) -> float:
    try:
        return duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"found {text!r}, expected {error}") from None


For = Annotated[
    float | None,
    typer.Option(
        "--for",
        parser=_time,
        metavar="TIME",
        help="How long, such as 30s or 5min; without it until Ctrl-C.",
    ),
]
Full = Annotated[bool, typer.Option("--full", help="Card numbers and plates in full.")]


def look(config: Path) -> Glance:
    """The little that a command has to know of the site."""
    if not config.exists():
        raise Failure(f"{config}: no such file. Name the site's configuration: --config or SITEWARDEN_CONFIG")
    return glance(config)


def knock(data: Path, config: Path) -> None:
    """Raises Failure when no gateway runs on this data directory, or none that lets us in."""
    door = data / "api.sock"
    with socket.socket(socket.AF_UNIX) as visit:
        try:
            visit.connect(str(door))
        except PermissionError as error:
            raise Failure(f"{door}: not yours to open; try sudo") from error
        except OSError as error:
            raise Failure(f"No gateway runs on {data}. Start it: sitewarden run {config}") from error


def caller() -> str:
    """Who called, for the audit trail; behind sudo, who called sudo."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns of text; a Chinese character is two columns wide."""
    lines = [list(map(str, row)) for row in (head, *rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def _width(text: str) -> int:
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)
