"""What people may write into the records, by the command line, the API, the page and the import alike."""

from dataclasses import dataclass
from unicodedata import category

INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's control and format characters, halves of characters, and ends of lines: they would break the
lines of a list, or steer the terminal of whoever reads it."""


@dataclass(frozen=True, slots=True)
class Text:
    """A kind of text: how long it may be, in characters. Blanks around it do not count."""

    most: int
    least: int = 0

    def wrong(self, text: str) -> tuple[str, str] | None:
        """What was found and what is expected, or None."""
        text = text.strip()
        if visible(text) != text:
            return shown(text), "a text without control characters"
        if len(text) > self.most:
            return f"{len(text)} characters", f"at most {self.most}"
        return ("nothing", "a text") if len(text) < self.least else None


HOLDER = Text(100)
PLATE = Text(20)
SPACE = Text(40)
REASON = Text(200, least=1)
TOKEN_NAME = Text(64, least=1)


def visible(text: str) -> str:
    """As a terminal may have it, wherever it came from: an older version took anything."""
    return "".join("\ufffd" if category(char) in INVISIBLE else char for char in text)


def shown(text: str) -> str:
    """As a message may quote it."""
    return repr(text if len(text) <= 40 else text[:40] + "…") if text else "nothing"
