"""The command line. A command is a function, or a `typer.Typer`, of its own name in its own module; it is
imported when it is called, so that issuing a card does not wait for a web server to load.

Exit codes: 0 good, 1 failed, 2 wrongly called, or with a configuration that is wrong.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Annotated

import typer
from typer.core import TyperArgument

from sitewarden.config.errors import ConfigErrors
from sitewarden.gateway.cli.common import Failure, mistakes

COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("demo", "A whole site on this machine, with no hardware."),
    "check": ("check", "Check a configuration: every mistake at once."),
    "run": ("run", "Run the gateway of a site."),
    "status": ("remote", "How the running gateway is."),
    "reload": ("remote", "Make the running gateway read its configuration again."),
    "alarm": ("remote", "List, acknowledge and reset alarms."),
    "lane": ("remote", "Open a barrier by hand."),
    "fire": ("remote", "After a fire: let the barriers go again."),
    "write": ("write", "Write a value to a point."),
    "card": ("card", "Issue, renew and block cards."),
    "clock": ("clock", "Believe the machine's clock again, once it is right."),
    "token": ("access", "Who may use the page and the API."),
    "link": ("access", "A fresh one-time link to the page."),
    "telemetry": ("telemetry.commands", "How telemetry reaches its destinations, and what was lost."),
    "modbus": ("modbus.commands", "Find, read, write and overhear the units of a bus."),
    "simulate": ("simulate", "Serve the far side of a site: every device on its wire."),
    "record": ("recording", "Record the bytes of a link."),
    "replay": ("recording", "Run a recording through the drivers and the rules."),
    "schema": ("check", "The JSON Schema of the configuration, for editors."),
}
"""Each command's module and what it is for, in the order of `--help`."""

HELP = """An edge gateway for parking, pumps, lifts and fire panels.

\b
Try it:     sitewarden demo
A site:     sitewarden check site.yaml && sitewarden run site.yaml
A card:     sitewarden card add 0A00123456 --kind monthly --to 2027-01-31
What's on:  sitewarden status; sitewarden alarm list

Commands that need a site take ./site.yaml, SITEWARDEN_CONFIG or --config.
"""


def _untyped(argument: TyperArgument, *, ctx: object) -> str:
    return ""


# Beside the name of an argument typer puts its type in Python, which says nothing to whoever asks for help.
TyperArgument.display_type_rich = _untyped  # type: ignore[assignment,method-assign]


def main(words: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    try:
        application(words)(args=list(words), prog_name="sitewarden")
    except Failure as failure:
        print(failure, file=sys.stderr)
        return failure.code
    except ConfigErrors as wrong:
        print(mistakes(wrong), file=sys.stderr)
        return 1
    return 0


def application(words: Sequence[str]) -> typer.Typer:
    """All commands by name, and the called one in full."""
    app = typer.Typer(
        help=HELP,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    called = next((word for word in words if not word.startswith("-")), "")
    for name, (module, purpose) in COMMANDS.items():
        place = f"{__package__}.{module}"
        if find_spec(place) is None:
            continue
        command: typer.Typer | Callable[..., None] = _named
        if name == called:
            command = getattr(import_module(place), name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, short_help=purpose, no_args_is_help=True)
        else:
            app.command(name, short_help=purpose)(command)
    return app


def _named() -> None:
    """Stands in the list of commands for one that is not called."""


def _print_version(on: bool) -> None:
    if on:
        print(f"sitewarden {version('sitewarden')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version and exit."),
    ] = False,
) -> None:
    pass
