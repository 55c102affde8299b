"""`token` and `link`: who may use the page and the API."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from sitewarden.gateway.cli.common import (
    SITE,
    Config,
    Failure,
    Json,
    knock,
    local,
    look,
    print_json,
    settle,
    table,
    why,
)
from sitewarden.gateway.clock import wall_now
from sitewarden.gateway.database import make_private
from sitewarden.gateway.tokens import Role, Tokens
from sitewarden.rules.model import Stamp

STORE = "access.db"

token = typer.Typer(
    help="""Tokens, for programs and for people's browsers. Only their hashes are kept.

\b
sitewarden token add gatehouse --role guard
sitewarden token revoke gatehouse
"""
)
Name = Annotated[str, typer.Argument(help="Whose it is; the audit trail says so.", metavar="NAME")]


@token.command()
def add(
    name: Name,
    role: Annotated[
        Role, typer.Option(metavar="ROLE", help="What it may do: viewer, guard, desk or engineer.")
    ] = Role.VIEWER,
    config: Config = SITE,
) -> None:
    """Make a token and show it, this once.

    \b
    sitewarden token add gatehouse --role guard
    sitewarden token add prometheus --role viewer
    """
    with _tokens(config) as tokens:
        try:
            print(tokens.add(name, role, _now()))
        except ValueError as error:
            raise Failure(str(error)) from error


@token.command("list")
def list_(as_json: Json = False, config: Config = SITE) -> None:
    """Whose tokens there are."""
    with _tokens(config) as tokens:
        found = tokens.all()
    if as_json:
        print_json([{"name": one.name, "role": one.role, "created": one.created} for one in found])
    elif found:
        zone = look(config).zone
        rows = [(one.name, one.role, local(one.created, zone)) for one in found]
        print(table(("name", "role", f"created ({zone})"), rows))
    else:
        print("No tokens.")


@token.command()
def revoke(name: Name, config: Config = SITE) -> None:
    """End a token, and every browser session that was opened with it."""
    with _tokens(config) as tokens:
        if not tokens.revoke(name):
            raise Failure(f"there is no token named {name!r}")
    print(f"{name} is revoked.")


def link(config: Config = SITE) -> None:
    """A fresh link to the page, good once within an hour, for an engineer.

    \b
    sitewarden link
    """
    place = look(config)
    with _tokens(config) as tokens:
        print(f"{place.url}/welcome?code={tokens.link(_now())}")
    try:
        knock(place.data, config)
    except Failure as failure:
        print(failure, file=sys.stderr)


@contextmanager
def _tokens(config: Config) -> Iterator[Tokens]:
    data = settle(config, STORE).data
    try:
        make_private(data)
        tokens = Tokens(data / STORE)
    except (OSError, sqlite3.Error) as error:
        raise Failure(f"{data / STORE}: {why(error)}") from error
    try:
        yield tokens
    finally:
        tokens.close()


def _now() -> Stamp:
    return Stamp(wall_now(), 0.0)
