"""History from files: rows of CSV or Parquet become readings, or say what is wrong with them.

Columns: `at` and `point`, and of `value` (a number), `state` (true or false) and `text` the one that it has;
`quality` and `reason` where it is not good. Others are not read.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import TextIO, TypeVar
from zoneinfo import ZoneInfo

from sitewarden.gateway.cli.common import Failure, why
from sitewarden.gateway.cli.telemetry.history import READINGS
from sitewarden.gateway.cli.telemetry.sheets import PARQUET, parquet
from sitewarden.gateway.texts import shown
from sitewarden.rules.model import Quality, Reading, Reason, Stamp, Value

Code = TypeVar("Code", bound=StrEnum)

EARLIEST = 1970  # year; by then nothing had been measured
STATES = {"true": True, "false": False, "1": True, "0": False}

Cells = Mapping[str, object]
"""By column; an empty one is None or an empty text."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that is none. `place` is file:line:column, `cells` what stands there."""

    place: str
    what: str
    cells: Cells


class Rejects:
    """Rows set aside, with what is wrong first; the file is made with the first of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def add(self, bad: Bad) -> None:
        cells = {"wrong": f"{bad.place}: {bad.what}"} | {name: it for name, it in bad.cells.items() if name}
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8", newline="")
            csv.writer(self._file).writerow(cells)
        csv.writer(self._file).writerow(cells.values())

    def close(self) -> None:
        if self._file:
            self._file.close()


class _Wrong(ValueError):
    def __init__(self, column: str, what: str) -> None:
        super().__init__(what)
        self.column = column


def rows(file: Path, zone: ZoneInfo, now: datetime) -> Iterator[Reading | Bad]:
    """In the order of the file; an instant without its distance from UTC is one of `zone`. Raises Failure
    when the file is no such table."""
    try:
        for line, columns, cells in _parquet(file) if file.suffix == PARQUET else _csv(file):
            try:
                yield _reading(cells, zone, now)
            except _Wrong as wrong:
                place = f"{file}:{line}:{columns.index(wrong.column) + 1}"
                yield Bad(place, f"{wrong.column}: {wrong}", cells)
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise Failure(f"{file}: {why(error)}") from error


def _csv(file: Path) -> Iterator[tuple[int, list[str], Cells]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text, restkey="", restval="")
        columns = list(reader.fieldnames or ())
        _check(file, columns)
        for cells in reader:
            yield reader.line_num, columns, cells


def _parquet(file: Path) -> Iterator[tuple[int, list[str], Cells]]:
    for line, (columns, cells) in enumerate(parquet().parquet_rows(file), 1):
        if line == 1:
            _check(file, columns)
        yield line, columns, cells


def _check(file: Path, columns: list[str]) -> None:
    missing = [name for name in ("at", "point") if name not in columns]
    if missing or not {"value", "state", "text"} & set(columns):
        found = ", ".join(columns) or "nothing"
        raise Failure(f"{file}:1: found the columns {shown(found)}, expected {', '.join(READINGS)}")


def _reading(cells: Cells, zone: ZoneInfo, now: datetime) -> Reading:
    at, point = _instant(cells["at"], zone, now), _point(cells["point"])
    quality = _code(Quality, "quality", cells.get("quality"), Quality.GOOD)
    reason = _code(Reason, "reason", cells.get("reason"), Reason.NONE)
    found = [(name, cells[name]) for name in ("value", "state", "text") if cells.get(name) not in (None, "")]
    if len(found) > 1:
        raise _Wrong(found[1][0], f"there is a {found[0][0]} already")
    if not found and quality is Quality.GOOD:
        raise _Wrong("point", "a good reading has a value, a state or a text")
    return Reading(point, _value(*found[0]) if found else None, Stamp(at, 0.0), quality, reason)


def _instant(cell: object, zone: ZoneInfo, now: datetime) -> datetime:
    try:
        at = cell if isinstance(cell, datetime) else datetime.fromisoformat(str(cell))
    except ValueError as error:
        raise _Wrong("at", f"found {shown(str(cell))}, expected 2026-11-01T08:00:00+08:00") from error
    if at.year <= EARLIEST:
        raise _Wrong("at", f"found the year {at.year}")
    at = at if at.tzinfo else at.replace(tzinfo=zone)
    if at > now:  # a server would not be sent it until then, nor what is in one block with it
        raise _Wrong("at", f"found {shown(str(cell))}, which is still to come")
    return at


def _point(cell: object) -> str:
    device, dot, name = str(cell or "").partition(".")
    if device and dot and name:
        return str(cell)
    raise _Wrong("point", f"found {shown(str(cell))}, expected DEVICE.POINT")


def _value(column: str, cell: object) -> Value:
    match column:
        case "value":
            try:
                number = float(str(cell))
            except ValueError:
                number = float("nan")
            if isfinite(number):
                return number
            raise _Wrong(column, f"found {shown(str(cell))}, expected a number")
        case "state":
            state = STATES.get(str(cell).lower())
            if state is None:
                raise _Wrong(column, f"found {shown(str(cell))}, expected true or false")
            return state
        case _:
            return str(cell)


def _code(codes: type[Code], column: str, cell: object, otherwise: Code) -> Code:
    if cell in (None, ""):
        return otherwise
    try:
        return codes(str(cell))
    except ValueError as error:
        raise _Wrong(column, f"found {shown(str(cell))}, expected one of {', '.join(codes)}") from error
