"""What registers may mean that nobody has told us of: every type and order in which they read sensibly.

The orders go by the names that manuals give them: ABCD is high word first and high byte first, as a profile
reads without further words; CDAB has the low word first, BADC the bytes of each word swapped, DCBA both.
"""

import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

Words = Sequence[int]


class Arrangement(StrEnum):
    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"

    def bytes(self, words: Words) -> bytes:
        """Highest first."""
        if self in (Arrangement.CDAB, Arrangement.DCBA):
            words = words[::-1]
        swapped = self in (Arrangement.BADC, Arrangement.DCBA)
        return b"".join(word.to_bytes(2, "little" if swapped else "big") for word in words)


Meant = int | float | str


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring registers, read as one value: `values` by arrangement, the sensible ones alone."""

    first: int  # wire address
    words: int
    kind: str
    values: Mapping[Arrangement, Meant]


MOST_INT, MOST_LONG = 10**8, 10**15  # counters seldom go further; words of something else nearly always do
FLOAT_SPAN, DOUBLE_SPAN = (1e-4, 1e7), (1e-6, 1e12)  # what sensors say, in any unit
SHORTEST_TEXT = 2  # registers
TEXT_ORDERS = Arrangement.ABCD, Arrangement.BADC  # a text has no last word first


def signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word


def bits(word: int) -> str:
    """In fours, the highest bit first."""
    text = f"{word:016b}"
    return " ".join(text[at : at + 4] for at in range(0, 16, 4))


def swapped(word: int) -> int:
    return (word & 0xFF) << 8 | word >> 8


def bcd(word: int) -> int | None:
    """The number whose decimal digits the word has; None if they are none, or read the same anyway."""
    digits = f"{word:X}"
    return int(digits) if digits.isdecimal() and word > 9 else None


def text(word: int) -> str:
    """Its two characters, one that cannot be seen as a dot; empty if neither can."""
    seen = "".join(chr(byte) if 0x20 < byte < 0x7F else "." for byte in word.to_bytes(2, "big"))
    return seen.replace("..", "")


def spans(first: int, words: Words) -> Iterator[Span]:
    """All that several registers together may be: numbers of two and four, then texts."""
    for size, kinds in KINDS.items():
        for at in range(len(words) - size + 1):
            several = words[at : at + size]
            for kind, read in kinds.items() if any(several) else ():
                found = {order: read(order.bytes(several)) for order in Arrangement}
                values = {order: value for order, value in found.items() if value is not None}
                if values:
                    yield Span(first + at, size, kind, values)
    yield from _texts(first, words)


def _texts(first: int, words: Words) -> Iterator[Span]:
    """The longest runs of registers with two characters each; zeros may end one."""
    start = 0
    while start < len(words):
        end = start
        while end < len(words) and _letters(words[end]):
            end += 1
        if end - start >= SHORTEST_TEXT:
            run = words[start:end]
            values = {order: order.bytes(run).decode("ascii") for order in TEXT_ORDERS}
            yield Span(first + start, end - start, "text", values)
        start = end + 1


def _letters(word: int) -> bool:
    return all(0x20 <= byte < 0x7F for byte in word.to_bytes(2, "big"))


def _unsigned(most: int) -> Callable[[bytes], Meant | None]:
    def read(data: bytes) -> Meant | None:
        number = int.from_bytes(data, "big")
        return number if number <= most else None

    return read


def _negative(most: int) -> Callable[[bytes], Meant | None]:
    """The others read the same without a sign."""

    def read(data: bytes) -> Meant | None:
        number = int.from_bytes(data, "big", signed=True)
        return number if -most <= number < 0 else None

    return read


def _floating(form: str, digits: int, span: tuple[float, float]) -> Callable[[bytes], Meant | None]:
    low, high = span

    def read(data: bytes) -> Meant | None:
        (number,) = struct.unpack(form, data)
        sensible = math.isfinite(number) and low <= abs(number) <= high
        return float(f"{number:.{digits}g}") if sensible else None

    return read


def _decimal(data: bytes) -> Meant | None:
    digits = data.hex()
    return int(digits) if digits.isdecimal() and int(digits) > 9999 else None


KINDS: Mapping[int, Mapping[str, Callable[[bytes], Meant | None]]] = {
    2: {
        "u32": _unsigned(MOST_INT),
        "i32": _negative(MOST_INT),
        "f32": _floating(">f", 7, FLOAT_SPAN),
        "bcd": _decimal,
    },
    4: {
        "u64": _unsigned(MOST_LONG),
        "i64": _negative(MOST_LONG),
        "f64": _floating(">d", 15, DOUBLE_SPAN),
    },
}
"""By how many registers they take."""
