"""What may stand on a card. The command line, the API and the import all issue cards, and all ask here."""

from collections.abc import Iterator
from dataclasses import dataclass

from sitewarden.rules.model import Permit, PermitKind

LONGEST = 32  # characters of a card number; an EM4100 card has 10


def card_number(text: str) -> str:
    """As the readers say it, in upper case: one card must not have two permits. Raises ValueError."""
    if not (text.isascii() and text.isalnum() and len(text) <= LONGEST):
        raise ValueError(f"card number: expected 1 to {LONGEST} letters and digits")
    return text.upper()


@dataclass(frozen=True, slots=True)
class Issuing:
    """What there is on a site to issue cards for."""

    lanes: frozenset[str]
    spaces: frozenset[str]  # private ones; empty: the site keeps no list of them

    def wrong(self, permit: Permit, before: Permit | None = None) -> str:
        """Why it cannot be issued so, or "". What is wrong with the card `before` as well does not count: a
        card whose space or lane the site no longer has can still be blocked."""
        old = frozenset(self._wrong(before)) if before else frozenset[str]()
        return "; ".join(each for each in self._wrong(permit) if each not in old)

    def _wrong(self, permit: Permit) -> Iterator[str]:
        if permit.valid_from > permit.valid_to:
            yield f"valid_to {permit.valid_to}, expected {permit.valid_from} (valid_from) or later"
        if unknown := permit.lanes - self.lanes:
            yield f"no lane {', '.join(sorted(unknown))}, expected {', '.join(sorted(self.lanes)) or 'none'}"
        if (permit.kind is PermitKind.PRIVATE) != bool(permit.space):
            yield f"space {permit.space!r}, expected one for a private card and none for another"
        elif permit.space and self.spaces and permit.space not in self.spaces:
            yield f"space {permit.space!r}, expected one of the site's private_spaces"
