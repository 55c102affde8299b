"""`telemetry dead-letters`: lines that a server will never take as they are, and why."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from sitewarden.gateway.cli.common import SITE, Config, Failure, Json, counted, print_json, refused, table
from sitewarden.gateway.cli.remote import Gateway

PAGE = 1000  # rows asked for at once
SHORT = 60  # characters of a line, or of a server's words, in the list

dead_letters = typer.Typer(
    help="""Lines that a server rejected. They are kept: look why, put it right, send them again.

    \b
    sitewarden telemetry dead-letters list
    sitewarden telemetry dead-letters show 17
    sitewarden telemetry dead-letters retry --all
    """
)
Ids = Annotated[
    list[int] | None, typer.Argument(help="As `list` shows them.", metavar="ID", show_default=False)
]
Every = Annotated[bool, typer.Option("--all", help="Every dead letter.")]


@dead_letters.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, metavar="ROWS", help="The newest so many.")] = 50,
    as_json: Json = False,
    config: Config = SITE,
) -> None:
    """What was rejected, the newest first.

    \b
    sitewarden telemetry dead-letters list
    """
    found = [one for one, _ in zip(_letters(Gateway(config)), range(limit), strict=False)]
    if as_json:
        print_json(found)
    elif found:
        rows = [(one["id"], one["destination"], _short(one["line"]), _short(one["why"])) for one in found]
        print(table(("id", "destination", "line", "the server says"), rows))
    else:
        print("No dead letters.")


@dead_letters.command()
def show(
    id_: Annotated[int, typer.Argument(help="As `list` shows it.", metavar="ID")], config: Config = SITE
) -> None:
    """One of them in full.

    \b
    sitewarden telemetry dead-letters show 17
    """
    for one in _letters(Gateway(config)):
        if one["id"] == id_:
            print(f"{one['line']}\n{one['destination']}: {one['why']}")
            return
    raise Failure(f"there is no dead letter {id_}")


@dead_letters.command()
def retry(ids: Ids = None, every: Every = False, config: Config = SITE) -> None:
    """Send them again, where they were rejected. What is rejected again comes back here.

    \b
    sitewarden telemetry dead-letters retry 17 18
    sitewarden telemetry dead-letters retry --all
    """
    print(f"{counted(_act('retry', ids, every, config), 'line')} will be sent again.")


@dead_letters.command()
def discard(ids: Ids = None, every: Every = False, config: Config = SITE) -> None:
    """Throw them away for good. `export` keeps a copy.

    \b
    sitewarden telemetry dead-letters discard 17
    """
    print(f"{counted(_act('discard', ids, every, config), 'line')} thrown away.")


@dead_letters.command()
def export(
    file: Annotated[
        Path | None,
        typer.Argument(help="Where to; without it the terminal.", metavar="FILE", show_default=False),
    ] = None,
    config: Config = SITE,
) -> None:
    """The bare lines, the newest first, as any tool for line protocol reads them.

    \b
    sitewarden telemetry dead-letters export rejected.lp
    """
    lines = "".join(f"{one['line']}\n" for one in _letters(Gateway(config)))
    if file is None:
        print(lines, end="")
        return
    try:
        file.write_text(lines, encoding="utf-8")
    except OSError as error:
        raise refused(file, error) from error


def _act(what: str, ids: list[int] | None, every: bool, config: Config) -> int:
    if bool(ids) is every:
        raise typer.BadParameter("give the ids of dead letters, or --all")
    gateway = Gateway(config)
    which = ids or [one["id"] for one in _letters(gateway)]
    pages = (which[at : at + PAGE] for at in range(0, len(which), PAGE))
    return sum(
        gateway.ask("POST", f"/telemetry/dead-letters/{what}", {"ids": page})["count"] for page in pages
    )


def _letters(gateway: Gateway) -> Iterator[dict[str, Any]]:
    """All of them, page by page as they are wanted."""
    after = ""
    while True:
        page = gateway.ask("GET", f"/telemetry/dead-letters?limit={PAGE}{after}")
        yield from page["items"]
        if page["next"] is None:
            return
        after = f"&after={page['next']}"


def _short(text: str) -> str:
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"
