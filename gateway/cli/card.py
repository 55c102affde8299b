"""`card`: the service desk. The gateway follows every change by itself, whether it runs now or later; only
where a car is, it alone knows."""

import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from sitewarden.config.glance import Glance
from sitewarden.gateway.cards import Cards
from sitewarden.gateway.cli.common import SITE, Config, Failure, Full, Json, caller, look, print_json, table
from sitewarden.gateway.cli.remote import Gateway
from sitewarden.gateway.clock import wall_now
from sitewarden.gateway.issuing import Issuing, card_number
from sitewarden.gateway.mask import mask
from sitewarden.rules.model import Permit, PermitKind

card = typer.Typer(
    help="""Issue, renew and block cards.

\b
sitewarden card add 0A00123456 --kind monthly --to 2027-01-31 --holder 'Flat 3-1202'
sitewarden card renew 0A00123456 --to 2027-02-28
sitewarden card block 0A00123456
sitewarden card list --text 3-1202

Each change is kept with who made it and when. Lists show card numbers and plates masked.
"""
)


def _card(text: str) -> str:
    try:
        return card_number(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date such as 2027-01-31") from None


TheCard = Annotated[
    str,
    typer.Argument(
        help="The number as the reader sends it.", metavar="CARD", parser=_card, show_default=False
    ),
]
Last = Annotated[date, typer.Option("--to", parser=_day, metavar="DATE", help="The last day it opens.")]
First = Annotated[
    date | None, typer.Option("--from", parser=_day, metavar="DATE", help="The first day; else today.")
]
Lanes = Annotated[list[str] | None, typer.Option("--lane", help="Only this lane; may be given again.")]


@card.command()
def add(
    number: TheCard,
    to: Last,
    kind: Annotated[PermitKind, typer.Option()] = PermitKind.MONTHLY,
    since: First = None,
    holder: str = "",
    plate: str = "",
    space: Annotated[str, typer.Option(help="The private space it belongs to.")] = "",
    lane: Lanes = None,
    config: Config = SITE,
) -> None:
    """Issue a card.

    \b
    sitewarden card add 0A00123456 --to 2027-01-31 --plate 粤B12345
    sitewarden card add 0A00123457 --kind private --space B1-017 --to 2036-12-31
    sitewarden card add 0A00123458 --kind temporary --to 2027-01-01 --lane entrance --lane exit
    """
    place, cards = _open(config)
    if cards.get(number):
        raise Failure(f"{number} is issued already: renew, block or remove it")
    first = since or wall_now().astimezone(place.zone).date()
    permit = Permit(number, kind, first, to, holder, plate, space, lanes=frozenset(lane or ()))
    _put(place, cards, permit)
    print(f"{number} opens from {first} to {to}.")


@card.command()
def renew(
    number: TheCard,
    to: Last,
    config: Config = SITE,
) -> None:
    """Let a card open until another day.

    \b
    sitewarden card renew 0A00123456 --to 2027-02-28
    """
    place, cards = _open(config)
    known = _known(cards, number)
    _put(place, cards, replace(known, valid_to=to), known)
    print(f"{number} opens to {to}.")


@card.command()
def block(number: TheCard, config: Config = SITE) -> None:
    """Stop a card from opening: lost, stolen or not paid."""
    _set_blocked(config, number, True)
    print(f"{number} is blocked.")


@card.command()
def unblock(number: TheCard, config: Config = SITE) -> None:
    """Let a blocked card open again, within its days."""
    _set_blocked(config, number, False)
    print(f"{number} is not blocked any more.")


@card.command()
def forgive(number: TheCard, config: Config = SITE) -> None:
    """Forget whether a card's car is inside: it left unseen, and the card is refused since then."""
    Gateway(config).ask("POST", f"/cards/{number}/forgive")
    print(f"{number} may come in or go out again.")


@card.command()
def remove(number: TheCard, config: Config = SITE) -> None:
    """Take a card back: it is unknown from now on. Its history stays."""
    _, cards = _open(config)
    if not cards.withdraw(number, caller()):
        raise Failure(f"{number} is not issued")
    print(f"{number} is removed.")


@card.command("list")
def list_(
    text: Annotated[str, typer.Option(help="Part of a card number, holder, plate or space.")] = "",
    full: Full = False,
    as_json: Json = False,
    config: Config = SITE,
) -> None:
    """List cards, with numbers and plates masked.

    \b
    sitewarden card list
    sitewarden card list --text B1-017 --full
    """
    _, cards = _open(config)
    found = cards.search(text) if text else cards.all()
    shown = [permit if full else _masked(permit) for permit in found]
    if as_json:
        print_json([_plain(permit) for permit in shown])
    elif shown:
        print(
            table(("card", "kind", "from", "to", "holder", "plate", "space", "lanes", ""), map(_row, shown))
        )
    else:
        print("No cards.")


@card.command()
def show(number: TheCard, full: Full = False, as_json: Json = False, config: Config = SITE) -> None:
    """One card, and everything that was ever done to it."""
    _, cards = _open(config)
    permit = _known(cards, number)
    history = cards.history(number)
    shown = permit if full else replace(permit, plate=_mask(permit.plate))
    if as_json:
        changes = [{"at": change.at, "by": change.by, "valid_to": _to(change.permit)} for change in history]
        print_json({**_plain(shown), "history": changes})
        return
    for name, value in _plain(shown).items():
        print(f"{name:<11} {value}")
    rows = [(f"{change.at:%Y-%m-%d %H:%M}", change.by, _what(change.permit)) for change in history]
    print("\n" + table(("when (UTC)", "by", "to"), rows))


@card.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(help="CSV as `card export` writes it.", metavar="FILE", exists=True, dir_okay=False),
    ],
    config: Config = SITE,
) -> None:
    """Issue every card of a CSV file; wrong lines are named and left out, and the exit code is then 1.

    \b
    card,kind,valid_from,valid_to,holder,plate,space,blocked,lanes
    0A00123456,monthly,2027-01-01,2027-01-31,Flat 3-1202,粤B12345,,no,
    """
    place, cards = _open(config)
    done = cards.import_csv(file, caller(), _issuing(place))
    print(f"{done.good} cards imported.")
    if done.errors:
        raise Failure("\n".join(done.errors))


@card.command()
def export(
    file: Annotated[
        Path | None, typer.Argument(help="Where to; else to the terminal.", metavar="FILE")
    ] = None,
    config: Config = SITE,
) -> None:
    """Every card as CSV, numbers and plates in full."""
    _, cards = _open(config)
    if file is None:
        print(cards.export_csv(), end="")
        return
    try:
        file.touch(mode=0o600)
        file.write_text(cards.export_csv(), encoding="utf-8")
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from error
    print(f"{len(cards.all())} cards exported to {file}")


def _open(config: Path) -> tuple[Glance, Cards]:
    place = look(config)
    file = place.data / "journal.db"
    try:
        return place, Cards(file)
    except (OSError, sqlite3.Error) as error:
        raise Failure(f"{file}: {error}") from error


def _known(cards: Cards, number: str) -> Permit:
    if permit := cards.get(number):
        return permit
    raise Failure(f"{number} is not issued")


def _put(place: Glance, cards: Cards, permit: Permit, before: Permit | None = None) -> None:
    if wrong := _issuing(place).wrong(permit, before):
        raise Failure(wrong)
    cards.put(permit, caller())


def _issuing(place: Glance) -> Issuing:
    return Issuing(frozenset(place.lanes), frozenset(place.private_spaces))


def _set_blocked(config: Path, number: str, blocked: bool) -> None:
    place, cards = _open(config)
    known = _known(cards, number)
    _put(place, cards, replace(known, blocked=blocked), known)


def _mask(text: str) -> str:
    return mask(text) if text else ""


def _masked(permit: Permit) -> Permit:
    return replace(permit, card=mask(permit.card), plate=_mask(permit.plate))


def _plain(permit: Permit) -> dict[str, object]:
    return asdict(permit) | {"lanes": sorted(permit.lanes)}


def _row(permit: Permit) -> Sequence[object]:
    blocked = "blocked" if permit.blocked else ""
    lanes = " ".join(sorted(permit.lanes)) or "all"
    days = (permit.valid_from, permit.valid_to)
    return (permit.card, permit.kind, *days, permit.holder, permit.plate, permit.space, lanes, blocked)


def _to(permit: Permit | None) -> date | None:
    return permit.valid_to if permit else None


def _what(permit: Permit | None) -> str:
    if permit is None:
        return "removed"
    return f"{permit.valid_from} … {permit.valid_to}" + (", blocked" if permit.blocked else "")
