"""Cards as a spreadsheet: what `card export` writes, and `card import` reads, also as a Chinese Excel saves
it: GB 18030, semicolons, 2027/1/31. No cell goes on on the next line: none may hold a line's end, and a quote
that somebody forgot must not take the cards below with it."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sitewarden.gateway.cards import COLUMNS
from sitewarden.gateway.issuing import A_DAY, Issuing, Mistake, Refused, day
from sitewarden.gateway.texts import shown
from sitewarden.rules.model import Permit, PermitKind

NEEDED = COLUMNS[:4]
DELIMITERS = ",;\t"
QUOTES = "one at the end of every quoted cell, on its line"
_BLOCKED = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}


@dataclass(frozen=True, slots=True)
class Sheet:
    """The cards of the good lines; `errors` read `file:line:col: column: found, expected`. `absent`: the
    columns that it does not have."""

    permits: tuple[Permit, ...]
    errors: tuple[str, ...]
    note: str = ""
    absent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: Sequence[str]
    raw: str
    delimiter: str
    wrong: str = ""  # with its last cell, so that nothing can be said of the others

    def place(self, cell: int) -> str:
        """`line:col` where the cell begins; a row that is too short ends there."""
        quoted, left, at = False, cell, 0
        for char in self.raw.rstrip("\r\n"):
            if not left:
                break
            quoted ^= char == '"'
            left -= char == self.delimiter and not quoted
            at += 1
        return f"{self.line}:{at + 1}"


def write(permits: Sequence[Permit]) -> str:
    """`lanes` are separated by blanks."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for it in permits:
        days = (it.valid_from.isoformat(), it.valid_to.isoformat())
        blocked = "yes" if it.blocked else "no"
        writer.writerow(
            (it.card, it.kind, *days, it.holder, it.plate, it.space, blocked, " ".join(sorted(it.lanes)))
        )
    return text.getvalue()


def read(path: Path, issuing: Issuing) -> Sheet:
    """Raises OSError."""
    data = path.read_bytes()
    try:
        return _read(path, data.decode("utf-8-sig"), issuing)
    except UnicodeDecodeError:
        note = f"{path} is not UTF-8: read as GB 18030"
    try:
        return _read(path, data.decode("gb18030"), issuing, note)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        found = f"{path}:{line}:1: found bytes that are neither UTF-8 nor GB 18030, expected text"
        return Sheet((), (found,))


def _read(path: Path, text: str, issuing: Issuing, note: str = "") -> Sheet:
    good: dict[str, tuple[int, Permit]] = {}
    errors: list[str] = []
    head, *rows = _rows(text)
    names = [name.lower() for name in head.cells]
    if wrong := _wrong_head(head, names):
        return Sheet((), (f"{path}:{wrong}",), note)
    for row in rows:
        try:
            permit = issuing.checked(_permit(names, row))
            if permit.card in good:
                found = f"the card of line {good[permit.card][0]} again"
                raise Refused((Mistake("card", found, "each card once"),))
            good[permit.card] = row.line, permit
        except Refused as refused:
            for it in refused.mistakes:
                cell = names.index(it.field) if it.field in names else len(names)
                errors.append(f"{path}:{row.place(cell)}: {it}")
    permits = tuple(permit for _, permit in good.values())
    return Sheet(permits, tuple(errors), note, frozenset(COLUMNS) - set(names))


def _rows(text: str) -> Iterator[_Row]:
    """The rows that are not blank, the head first; there is always one."""
    lines = io.StringIO(text, newline="").readlines() or [""]
    delimiter = max(DELIMITERS, key=lines[0].count)
    for number, line in enumerate(lines, 1):
        cells, wrong = _cells(line, delimiter)
        if number == 1 or any(cells):
            yield _Row(number, cells, line, delimiter, wrong)


def _cells(line: str, delimiter: str) -> tuple[list[str], str]:
    """And what is wrong with the last of them."""
    reader = csv.reader((line, ""), delimiter=delimiter)
    try:
        cells = [cell.strip() for cell in next(reader)]
    except csv.Error as error:
        return [line], str(error)
    return cells, "a quote that is not closed" if reader.line_num > 1 else ""


def _wrong_head(head: _Row, names: Sequence[str]) -> str:
    if head.wrong:
        return f"{head.place(len(names) - 1)}: found {head.wrong}, expected {QUOTES}"
    for at, name in enumerate(names):
        if name not in COLUMNS or name in names[:at]:
            what = "a second time" if name in COLUMNS else "that there is not"
            return f"{head.place(at)}: found the column {shown(name)} {what}, expected {','.join(COLUMNS)}"
    if missing := [name for name in NEEDED if name not in names]:
        return f"{head.place(0)}: found no column {', '.join(missing)}, expected {','.join(COLUMNS)}"
    return ""


def _permit(names: Sequence[str], line: _Row) -> Permit:
    """Raises Refused."""
    if len(line.cells) > len(names):
        found = f"{len(line.cells)} cells"
        raise Refused((Mistake("line", found, f"{len(names)}, as in the first line"),))
    if line.wrong:
        raise Refused((Mistake(names[len(line.cells) - 1], line.wrong, QUOTES),))
    row = dict.fromkeys(COLUMNS, "") | dict(zip(names, line.cells, strict=False))
    mistakes: list[Mistake] = []
    kind, blocked = row["kind"].lower(), row["blocked"].lower()
    first, last = day(row["valid_from"]), day(row["valid_to"])
    if kind not in tuple(PermitKind):
        mistakes.append(Mistake("kind", shown(row["kind"]), ", ".join(PermitKind)))
    if not first:
        mistakes.append(Mistake("valid_from", shown(row["valid_from"]), A_DAY))
    if not last:
        mistakes.append(Mistake("valid_to", shown(row["valid_to"]), A_DAY))
    if blocked not in _BLOCKED:
        mistakes.append(Mistake("blocked", shown(row["blocked"]), "yes or no"))
    if mistakes or not first or not last:
        raise Refused(tuple(mistakes))
    return Permit(
        row["card"],
        PermitKind(kind),
        first,
        last,
        row["holder"],
        row["plate"],
        row["space"],
        _BLOCKED[blocked],
        frozenset(row["lanes"].split()),
    )
