"""Words for codes. Every sentence that a person reads on the page, in a message or on the terminal
stands in `locale/<language>/LC_MESSAGES/sitewarden.po` under its code: `why.expired`, `alarm.fire`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Self

from babel.messages.pofile import read_po

LOCALES: Final = Path(__file__).with_name("locale")
LANGUAGES: Final = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Catalogue:
    lang: str
    _texts: Mapping[str, str]

    @classmethod
    @cache
    def load(cls, lang: str) -> Self:
        """Raises FileNotFoundError for a language that there is not."""
        with (LOCALES / lang / "LC_MESSAGES" / "sitewarden.po").open("rb") as file:
            messages = read_po(file, locale=lang, abort_invalid=True)
        return cls(lang, {str(message.id): str(message.string) for message in messages if message.id})

    def __contains__(self, code: str) -> bool:
        return code in self._texts

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(self._texts)

    def text(self, code: str, **params: object) -> str:
        """The words of `code`, its `{names}` filled in. A code without words is shown as it is, so that
        a new alarm of the site is legible before somebody translates it."""
        return self._texts.get(code, code).format_map(_Params(params))


class _Params(dict[str, object]):
    def __missing__(self, name: str) -> str:
        return "–"  # the event did not say


def pick(titles: Mapping[str, str], lang: str, otherwise: str) -> str:
    """A title in this language, or in any that it has."""
    return titles.get(lang) or next(iter(titles.values()), otherwise)
