"""The kinds of card readers that there are."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sitewarden.drivers.base import CardForm, Driver
from sitewarden.drivers.cards import rdm6300


@dataclass(frozen=True, slots=True)
class Reader:
    driver: Callable[[str], Driver]
    form: CardForm


READERS: Mapping[str, Reader] = {"rdm6300": Reader(rdm6300.Rdm6300, rdm6300.FORM)}


def card_forms(kinds: Iterable[str]) -> frozenset[CardForm]:
    """What readers of these kinds send; of every kind for a site without readers."""
    return frozenset(READERS[kind].form for kind in set(kinds) & READERS.keys() or READERS)
