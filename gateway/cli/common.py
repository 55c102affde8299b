"""What the commands share: how they are told of a site, how they fail, how they print."""

import getpass
import json
import os
import socket
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated
from unicodedata import east_asian_width
from zoneinfo import ZoneInfo

import typer

from sitewarden.config.errors import ConfigErrors
from sitewarden.config.glance import Glance, glance
from sitewarden.config.words import duration
from sitewarden.gateway.texts import visible


class Failure(Exception):
    """Ends a command; its text is for the person who called it."""

    code = 1


class WrongSite(Failure):
    """The configuration that the command was given is none, or has mistakes."""

    code = 2


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
Json = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


def seconds(text: str) -> float:
    try:
        return duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"found {text!r}, expected {error}") from None


For = Annotated[
    float | None,
    typer.Option(
        "--for",
        parser=seconds,
        metavar="TIME",
        help="How long, such as 30s or 5min; without it until Ctrl-C.",
    ),
]
Full = Annotated[bool, typer.Option("--full", help="Card numbers and plates in full.")]


def look(config: Path) -> Glance:
    """The little that a command has to know of the site. Raises WrongSite."""
    if not config.exists():
        raise WrongSite(
            f"{config}: no such file. Name the site's configuration: --config or SITEWARDEN_CONFIG"
        )
    try:
        return glance(config)
    except ConfigErrors as wrong:
        raise WrongSite(mistakes(wrong)) from wrong


def settle(config: Path, file: str) -> Glance:
    """For a command that is about to make `file` in the data folder. Where it is not there yet, the folder
    may be a mistaken one, so all of the configuration is checked first: raises WrongSite. Later a broken
    alarm rule must keep nobody from blocking a card, and secrets are the gateway's alone."""
    place = look(config)
    try:
        there = (place.data / file).exists()
    except PermissionError as error:
        raise Failure(f"{place.data}: not yours to open; try sudo") from error
    if not there:
        site = import_module("sitewarden.config.site")  # it takes longer to load than most commands to run
        try:
            site.load(config, environment=None)
        except ConfigErrors as wrong:
            raise WrongSite(mistakes(wrong)) from wrong
    return place


def why(error: Exception) -> str:
    """What the system says, without its number and Python's quotes."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def refused(whose: object, error: Exception) -> Failure:
    """The system refused something while `whose` was at work; it may name the file itself."""
    place = error.filename if isinstance(error, OSError) and error.filename else whose
    return Failure(f"{place}: {why(error)}")


def mistakes(wrong: ConfigErrors) -> str:
    return f"{wrong}\n{counted(len(wrong.errors), 'mistake')}."


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


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


def print_json(value: object, line: bool = False) -> None:
    """As a document, or as one line of many."""
    print(json.dumps(value, ensure_ascii=False, indent=None if line else 2, default=_plain), flush=line)


def _plain(value: object) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if isinstance(value, datetime) else str(value)


def local(at: datetime, zone: ZoneInfo) -> str:
    """An instant as the people of the site read it; the zone's name stands beside it or above it."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns of text; a Chinese character is two columns wide."""
    lines = [[visible(str(cell)) for cell in row] for row in (head, *rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def _width(text: str) -> int:
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def unused_port(port: int) -> int:
    """This port, or if it is taken any other."""
    for wanted in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"port {port} is taken, and there is no other")
