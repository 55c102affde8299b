"""What may stand on a card. The command line, the API and the import all issue cards, and all ask here."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime

from sitewarden.drivers.base import CardForm
from sitewarden.gateway.texts import HOLDER, PLATE, SPACE, shown
from sitewarden.rules.model import Permit, PermitKind

A_DAY = "a date such as 2027-01-31"


def card_number(text: str) -> str:
    """As the readers say it, in upper case: one card must not have two permits."""
    return text.strip().upper()


def day(text: str) -> date | None:
    """Of 2027-01-31, or of 2027/1/31 as spreadsheets write it; None if it is neither."""
    try:
        return datetime.strptime(text.strip().replace("/", "-"), "%Y-%m-%d").date()  # noqa: DTZ007 - a day
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Mistake:
    """`field` is the permit's; whoever tells of it may have a word of its own."""

    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.field}: found {self.found}, expected {self.expected}"


class Refused(ValueError):
    """A card cannot be issued so: everything that is wrong with it."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(map(str, mistakes)))


@dataclass(frozen=True, slots=True)
class Issuing:
    """What there is on a site to issue cards for."""

    lanes: frozenset[str]
    exits: frozenset[str]  # of the lanes
    spaces: frozenset[str]  # private ones; empty: the site keeps no list of them
    forms: frozenset[CardForm]  # what its readers send

    def checked(self, permit: Permit, before: Permit | None = None) -> Permit:
        """The permit as it may be stored; raises Refused. What is wrong with the card `before` as well does
        not count: a card whose space or lane the site no longer has can still be blocked."""
        tidy = replace(
            permit,
            card=card_number(permit.card),
            holder=permit.holder.strip(),
            plate=permit.plate.strip(),
            space=permit.space.strip(),
        )
        old = frozenset(self._wrong(before)) if before else frozenset[Mistake]()
        if mistakes := tuple(each for each in self._wrong(tidy) if each not in old):
            raise Refused(mistakes)
        return tidy

    def _wrong(self, permit: Permit) -> Iterator[Mistake]:
        if not any(form.pattern.fullmatch(permit.card) for form in self.forms):
            yield Mistake("card", shown(permit.card), " or ".join(sorted(form.words for form in self.forms)))
        for field, kind in (("holder", HOLDER), ("plate", PLATE), ("space", SPACE)):
            if wrong := kind.wrong(getattr(permit, field)):
                yield Mistake(field, *wrong)
        if permit.valid_from > permit.valid_to:
            yield Mistake(
                "valid_to", str(permit.valid_to), f"the first day, {permit.valid_from}, or a later one"
            )
        for lane in sorted(permit.lanes - self.lanes):
            yield Mistake("lanes", repr(lane), ", ".join(sorted(self.lanes)) or "none: the site has no lanes")
        if permit.lanes and permit.lanes <= self.lanes and self.exits and not permit.lanes & self.exits:
            found, exits = ", ".join(sorted(permit.lanes)), ", ".join(sorted(self.exits))
            yield Mistake("lanes", found, f"an exit among them, {exits}: its car could not leave")
        yield from self._wrong_space(permit)

    def _wrong_space(self, permit: Permit) -> Iterator[Mistake]:
        found = shown(permit.space)
        if permit.kind is not PermitKind.PRIVATE:
            if permit.space:
                yield Mistake("space", found, f"none for a {permit.kind} card")
        elif self.spaces and permit.space not in self.spaces:
            yield Mistake("space", found, "one of the site's private_spaces")
        elif not permit.space:
            yield Mistake("space", found, "the space of a private card")
