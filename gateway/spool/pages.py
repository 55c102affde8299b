"""The rows of an SQLite file, read without SQLite, from whatever pages are left of it.

SQLite needs every page on the way to a row, and every frame of the log before it, to be in order. The rows
of the spool have checksums of their own, so here each leaf is looked at by itself, and of a log each frame
that belongs to it. Rows that were deleted may come back: who reads has to know which ones there should be.

Source: SQLite database file format, 1.5 (pages), 1.6 (overflow), 2.1 (records), 4.1 (log).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

PAGE: Final = 4096  # bytes; ours are never anything else
LOCAL: Final = PAGE - 35  # bytes of a row that fit on its leaf
LEAST: Final = (PAGE - 12) * 32 // 255 - 23  # of a larger one, that are on its leaf at least
LARGEST: Final = 1 << 26  # bytes of a row; a broken one may claim any size
LEAF: Final = 0x0D
INTEGERS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # serial type -> bytes

HEADER: Final = 32  # bytes of the log's head
FRAME: Final = 24  # bytes of a frame's head
LITTLE: Final = 0x377F0682  # the log's first word if its checksums are of little-endian words

Value = None | int | bytes | str


class Log:
    """The frames of `-wal`, by number from 1."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes() if path.exists() else b""
        self._data = memoryview(data)
        self._order: Final = "little" if data[:4] == LITTLE.to_bytes(4, "big") else "big"
        self._whole = self._sum(data[:24], 0, 0) == self._pair(24)
        self._salts = data[16:24] if self._whole else data[HEADER + 8 : HEADER + 16]

    def pages(self) -> dict[int, bytes]:
        """The newest version of each page, by its number."""
        ours = [at for at in self._frames() if self._is_ours(at)]
        last = max((n for n, at in enumerate(ours, 1) if self._is_commit(at)), default=0)
        return {
            int.from_bytes(self._data[at : at + 4], "big"): bytes(self._data[at + FRAME : at + FRAME + PAGE])
            for at in ours[:last]
        }

    def is_broken(self) -> bool:
        """Whether a good transaction comes after something broken. A power cut breaks the end alone."""
        sound = self._whole
        for at in self._frames():
            good = self._is_ours(at) and self._is_good(at)
            if good and not sound and self._is_commit(at):
                return True
            sound = sound and good
        return False

    def _frames(self) -> range:
        return range(HEADER, len(self._data) - FRAME - PAGE + 1, FRAME + PAGE)

    def _is_ours(self, at: int) -> bool:
        return self._data[at + 8 : at + 16] == self._salts

    def _is_commit(self, at: int) -> bool:
        return any(self._data[at + 4 : at + 8])

    def _is_good(self, at: int) -> bool:
        """By itself: each checksum goes on from the one of the frame before."""
        before = self._pair(at - PAGE - 8) if at > HEADER else self._pair(24)
        summed = self._sum(self._data[at : at + 8], *before)
        return self._sum(self._data[at + FRAME : at + FRAME + PAGE], *summed) == self._pair(at + 16)

    def _pair(self, at: int) -> tuple[int, int]:
        words = (int.from_bytes(self._data[it : it + 4], "big") for it in (at, at + 4))
        return next(words), next(words)

    def _sum(self, data: bytes | memoryview, one: int, two: int) -> tuple[int, int]:
        words = memoryview(bytes(data)).cast("I") if self._order == "little" else _big(bytes(data))
        for n in range(0, len(words), 2):
            one = (one + words[n] + two) & 0xFFFFFFFF
            two = (two + words[n + 1] + one) & 0xFFFFFFFF
        return one, two


def _big(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), 4)]


def rows(path: Path, columns: frozenset[int]) -> Iterator[tuple[Value, ...]]:
    """Every row of tables with so many columns that is whole: its number, and its columns."""
    with path.open("rb") as file:
        pages = _Pages(file, Log(path.with_name(f"{path.name}-wal")).pages())
        for number in pages.numbers():
            page = pages[number]
            for at in _cells(page, 100 if number == 1 else 0):
                try:
                    row = _row(pages, page, at, columns)
                except (IndexError, ValueError):
                    continue  # a broken page: whatever it holds is none of ours
                if row:
                    yield row


def first(path: Path) -> bytes:
    """The first page, which has the schema."""
    with path.open("rb") as file:
        return _Pages(file, Log(path.with_name(f"{path.name}-wal")).pages())[1]


class _Pages:
    def __init__(self, file: BinaryIO, log: Mapping[int, bytes]) -> None:
        self._file, self._log = file, log

    def numbers(self) -> range:
        return range(1, max([self._file.seek(0, 2) // PAGE, *self._log]) + 1)

    def __getitem__(self, number: int) -> bytes:
        if number in self._log:
            return self._log[number]
        self._file.seek((number - 1) * PAGE)
        return self._file.read(PAGE)


def _cells(page: bytes, start: int) -> Iterator[int]:
    """Where the page's rows begin, if it is a leaf of a table."""
    if len(page) == PAGE and page[start] == LEAF:
        count = int.from_bytes(page[start + 3 : start + 5], "big")
        for at in range(start + 8, min(start + 8 + 2 * count, PAGE - 1), 2):
            yield int.from_bytes(page[at : at + 2], "big")


def _row(pages: _Pages, page: bytes, at: int, columns: frozenset[int]) -> tuple[Value, ...] | None:
    size, at = _varint(page, at)
    number, at = _varint(page, at)
    local = size if size <= LOCAL else _on_leaf(size)
    payload = page[at : at + local]
    types = _types(payload)
    if len(types) not in columns or size > LARGEST:
        return None
    if local < size:
        payload += _overflow(pages, page[at + local : at + local + 4], size - local)
    return (number - (1 << 64) if number >> 63 else number, *_values(payload, types))


def _on_leaf(size: int) -> int:
    local = LEAST + (size - LEAST) % (PAGE - 4)
    return local if local <= LOCAL else LEAST


def _overflow(pages: _Pages, chain: bytes, size: int) -> bytes:
    pieces = []
    while size > 0:
        number = int.from_bytes(chain, "big")
        page = pages[number] if number else b""
        if len(page) != PAGE:
            raise ValueError("the chain is broken")
        pieces.append(page[4 : 4 + size])
        chain, size = page[:4], size - PAGE + 4
    return b"".join(pieces)


def _types(payload: bytes) -> list[int]:
    size, at = _varint(payload, 0)
    types = []
    while at < size:
        kind, at = _varint(payload, at)
        types.append(kind)
    return types


def _values(payload: bytes, types: list[int]) -> list[Value]:
    at, values = _varint(payload, 0)[0], list[Value]()
    for kind in types:
        size = (kind - 12) // 2 if kind >= 12 else INTEGERS.get(kind, 0)
        part = payload[at : at + size]
        at += size
        if kind >= 12:
            values.append(part.decode("utf-8", "replace") if kind % 2 else part)
        else:
            values.append(None if kind == 0 else 1 if kind == 9 else int.from_bytes(part, "big", signed=True))
    return values


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number, and where it ends."""
    number = 0
    for n in range(8):
        byte = data[at + n]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, at + n + 1
    return number << 8 | data[at + 8], at + 9
