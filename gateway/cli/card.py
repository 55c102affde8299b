"""`card`: the service desk. The gateway follows every change by itself, whether it runs now or later; only
where a car is, it alone knows."""

import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from sitewarden.config.glance import Glance
from sitewarden.drivers.cards.readers import card_forms
from sitewarden.gateway.cards import CardChange, Cards, Change
from sitewarden.gateway.cli.common import (
    SITE,
    Config,
    Failure,
    Full,
    Json,
    caller,
    counted,
    local,
    print_json,
    settle,
    table,
    why,
)
from sitewarden.gateway.cli.remote import Gateway
from sitewarden.gateway.clock import wall_now
from sitewarden.gateway.issuing import A_DAY, Issuing, Refused, card_number, day
from sitewarden.gateway.mask import mask
from sitewarden.gateway.sheet import read, write
from sitewarden.gateway.texts import shown, visible
from sitewarden.rules.model import Permit, PermitKind

STORE = "journal.db"
TERMINAL = Path("-")

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


OPTIONS = {
    "card": "CARD",
    "valid_from": "--from",
    "valid_to": "--to",
    "holder": "--holder",
    "plate": "--plate",
    "space": "--space",
    "lanes": "--lane",
}
"""What a mistake's field is called here."""


def _day(text: str) -> date:
    if found := day(text):
        return found
    raise typer.BadParameter(f"found {shown(text)}, expected {A_DAY}")


TheCard = Annotated[
    str,
    typer.Argument(
        help="The number as the reader sends it.", metavar="CARD", parser=card_number, show_default=False
    ),
]
Last = Annotated[date, typer.Option("--to", parser=_day, metavar="DATE", help="The last day it opens.")]
First = Annotated[
    date | None, typer.Option("--from", parser=_day, metavar="DATE", help="The first day; else today.")
]
Lanes = Annotated[
    list[str] | None, typer.Option("--lane", metavar="LANE", help="Only this lane; may be given again.")
]


@card.command()
def add(
    number: TheCard,
    to: Last,
    kind: Annotated[
        PermitKind,
        typer.Option(metavar="KIND", help="monthly, temporary, or private: with a space of its own."),
    ] = PermitKind.MONTHLY,
    since: First = None,
    holder: Annotated[str, typer.Option(metavar="TEXT", help="Whose it is, such as 'Flat 3-1202'.")] = "",
    plate: Annotated[str, typer.Option(metavar="TEXT", help="Of the car.")] = "",
    space: Annotated[str, typer.Option(metavar="SPACE", help="The private space it belongs to.")] = "",
    lane: Lanes = None,
    config: Config = SITE,
) -> None:
    """Issue a card.

    \b
    sitewarden card add 0A00123456 --to 2027-01-31 --plate 粤B12345
    sitewarden card add 0A00123457 --kind private --space B1-017 --to 2036-12-31
    sitewarden card add 0A00123458 --kind temporary --to 2027-01-01 --lane entrance --lane exit
    """
    place, cards = _open(config, fresh=True)
    first = since or wall_now().astimezone(place.zone).date()
    permit = Permit(number, kind, first, to, holder, plate, space, lanes=frozenset(lane or ()))
    issuing = _issuing(place)

    def issue(stored: Permit | None) -> Permit:
        if stored:
            raise Failure(f"{number} is issued already: renew, block or remove it")
        return issuing.checked(permit)

    _alter(cards, number, issue)
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
    _alter_known(config, number, lambda known: replace(known, valid_to=to))
    print(f"{number} opens to {to}.")


@card.command()
def block(number: TheCard, config: Config = SITE) -> None:
    """Stop a card from opening: lost, stolen or not paid."""
    _alter_known(config, number, lambda known: replace(known, blocked=True))
    print(f"{number} is blocked.")


@card.command()
def unblock(number: TheCard, config: Config = SITE) -> None:
    """Let a blocked card open again, within its days."""
    _alter_known(config, number, lambda known: replace(known, blocked=False))
    print(f"{number} is not blocked any more.")


@card.command()
def forgive(number: TheCard, config: Config = SITE) -> None:
    """Forget whether a card's car is inside: it left unseen, and the card is refused since then."""
    _, cards = _open(config)
    _record(cards, number)
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
    text: Annotated[
        str, typer.Option(metavar="TEXT", help="Part of a card number, holder, plate or space.")
    ] = "",
    full: Full = False,
    as_json: Json = False,
    config: Config = SITE,
) -> None:
    """List cards, with numbers and plates masked.

    \b
    sitewarden card list
    sitewarden card list --text B1-017 --full
    """
    place, cards = _open(config)
    today = wall_now().astimezone(place.zone).date()
    found = cards.search(text) if text else cards.all()
    told = [permit if full else _masked(permit) for permit in found]
    if as_json:
        print_json([_plain(permit) for permit in told])
    elif told:
        rows = [_row(permit, today) for permit in told]
        print(table(("card", "kind", "from", "to", "holder", "plate", "space", "lanes", ""), rows))
    else:
        print("No cards.")


@card.command()
def show(number: TheCard, full: Full = False, as_json: Json = False, config: Config = SITE) -> None:
    """One card, also a removed one, and what was done to it."""
    place, cards = _open(config)
    now, history = _record(cards, number)
    if now is None and number in cards.unreadable():
        raise Failure(f"{number} cannot be read: issue it anew (card add) or remove it")
    last = now or next((change.permit for change in reversed(history) if change.permit), None)
    told = replace(last, plate=last.plate if full else _mask(last.plate)) if last else None
    if as_json:
        facts = _plain(told) if told else {"card": number}
        print_json({**facts, "removed": now is None, "history": list(map(_change, history))})
        return
    today = wall_now().astimezone(place.zone).date()
    state = _state(now, today) or "good" if now else "removed"
    for name, value in (("card", number), ("state", state), *_facts(told)):
        print(f"{name:<8}{visible(value)}")
    rows = [
        (
            local(change.at, place.zone),
            change.by,
            _acts(change),
            _days(change.permit) if change.permit else "",
        )
        for change in history
    ]
    print("\n" + table((f"when ({place.zone})", "by", "did", "opens"), rows))


@card.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(help="CSV as `card export` writes it.", metavar="FILE", exists=True, dir_okay=False),
    ],
    config: Config = SITE,
) -> None:
    """Issue every card of a CSV file; wrong lines are named and left out, and the exit code is then 1. What
    stands in a column that the file does not have stays as it is.

    \b
    card,kind,valid_from,valid_to,holder,plate,space,blocked,lanes
    0A00123456,monthly,2027-01-01,2027-01-31,Flat 3-1202,粤B12345,,no,
    """
    place, cards = _open(config, fresh=True)
    sheet = read(file, _issuing(place))
    if sheet.note:
        print(sheet.note, file=sys.stderr)
    cards.put_all(sheet.permits, caller(), keeping=sheet.absent)
    print(f"{counted(len(sheet.permits), 'card')} imported.")
    if sheet.errors:
        raise Failure("\n".join(sheet.errors))


@card.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to; - is the terminal.", metavar="FILE")] = TERMINAL,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    config: Config = SITE,
) -> None:
    """Every card as CSV, numbers and plates in full; those that cannot be read are named, and the exit code
    is then 1."""
    _, cards = _open(config)
    permits = cards.all()
    if file == TERMINAL:
        print(write(permits), end="")
    else:
        _write(file, write(permits), force)
        print(f"{counted(len(permits), 'card')} exported to {file}")
    if lost := cards.unreadable():
        told = f"{counted(len(lost), 'card')} cannot be read: issue them anew (card add) or remove them"
        raise Failure("\n".join((told, *lost)))


def _write(file: Path, text: str, force: bool) -> None:
    try:
        file.touch(mode=0o600, exist_ok=force)
        file.chmod(0o600)
        file.write_text(text, encoding="utf-8")
    except FileExistsError as error:
        raise Failure(f"{file} is there already: --force overwrites it") from error
    except OSError as error:
        raise Failure(f"{file}: {why(error)}") from error


def _open(config: Path, fresh: bool = False) -> tuple[Glance, Cards]:
    """`fresh`: where nothing is stored yet, make it; or else there is nothing to tell."""
    place = settle(config, STORE)
    file = place.data / STORE
    if not fresh and not file.exists():
        raise Failure(f"Nothing is stored in {place.data} yet: no gateway has run, and no card was issued")
    try:
        return place, Cards(file)
    except (OSError, sqlite3.Error) as error:
        raise Failure(f"{file}: {why(error)}") from error


def _record(cards: Cards, number: str) -> tuple[Permit | None, list[CardChange]]:
    """The card as it is, None if it was removed, and its history."""
    permit, history = cards.get(number), cards.history(number)
    if not permit and not history:
        raise Failure(f"{number} is not issued, and never was")
    return permit, history


def _alter_known(config: Path, number: str, change: Callable[[Permit], Permit]) -> None:
    place, cards = _open(config)
    issuing = _issuing(place)

    def changed(stored: Permit | None) -> Permit:
        if stored is None:
            raise Failure(f"{number} is not issued")
        return issuing.checked(change(stored), stored)

    _alter(cards, number, changed)


def _alter(cards: Cards, number: str, change: Change) -> None:
    try:
        cards.alter(number, change, caller())
    except Refused as refused:
        told = (replace(mistake, field=OPTIONS[mistake.field]) for mistake in refused.mistakes)
        raise Failure("\n".join(map(str, told))) from refused


def _issuing(place: Glance) -> Issuing:
    lanes, exits = frozenset(place.lanes), frozenset(place.exits)
    return Issuing(lanes, exits, frozenset(place.private_spaces), card_forms(place.readers))


def _mask(text: str) -> str:
    return mask(text) if text else ""


def _masked(permit: Permit) -> Permit:
    return replace(permit, card=mask(permit.card), plate=_mask(permit.plate))


def _plain(permit: Permit) -> dict[str, object]:
    return asdict(permit) | {"lanes": sorted(permit.lanes)}


def _change(change: CardChange) -> dict[str, object]:
    now = change.permit
    after = {"valid_from": now.valid_from, "valid_to": now.valid_to, "blocked": now.blocked} if now else {}
    return {"at": change.at, "by": change.by, "action": _acts(change), **after}


def _row(permit: Permit, today: date) -> Sequence[object]:
    days = (permit.valid_from, permit.valid_to)
    whose = (permit.holder, permit.plate, permit.space)
    return (permit.card, permit.kind, *days, *whose, _lanes(permit), _state(permit, today))


def _facts(permit: Permit | None) -> Iterator[tuple[str, str]]:
    if permit:
        yield "kind", permit.kind
        yield "opens", _days(permit)
        yield from ((name, text) for name in ("holder", "plate", "space") if (text := getattr(permit, name)))
        yield "lanes", _lanes(permit)


def _state(permit: Permit, today: date) -> str:
    """Why it does not open, if it does not."""
    if permit.blocked:
        return "blocked"
    if today > permit.valid_to:
        return "expired"
    return "not yet valid" if today < permit.valid_from else ""


def _acts(change: CardChange) -> str:
    return ", ".join(change.acts)


def _days(permit: Permit) -> str:
    return f"{permit.valid_from} … {permit.valid_to}"


def _lanes(permit: Permit) -> str:
    return " ".join(sorted(permit.lanes)) or "all"
