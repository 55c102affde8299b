"""Rows to a CSV or Parquet file, or to the terminal. The file has its name once it is whole."""

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol, TextIO
from zoneinfo import ZoneInfo

from sitewarden.gateway.cli.common import Failure, why
from sitewarden.gateway.cli.telemetry.history import Columns, Row

TERMINAL = Path("-")
CSV, PARQUET = ".csv", ".parquet"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Sheet(Protocol):
    def write(self, rows: Sequence[Row]) -> None: ...


@contextmanager
def sheet(file: Path, columns: Columns, zone: ZoneInfo, force: bool) -> Iterator[Sheet]:
    """By the name of the file. Raises Failure; whatever is raised meanwhile leaves no half file."""
    if file == TERMINAL:
        yield CsvSheet(sys.stdout, columns, zone)
        sys.stdout.flush()
        return
    if file.exists() and not force:
        raise Failure(f"{file} is there already: --force overwrites it")
    part = file.with_name(f".{file.name}.part")
    try:
        with _kind(part, file.suffix, columns, zone) as made:
            yield made
        part.replace(file)
    except OSError as error:
        raise Failure(f"{file}: {why(error)}") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _kind(part: Path, suffix: str, columns: Columns, zone: ZoneInfo) -> Iterator[Sheet]:
    if suffix == PARQUET:
        with closing(parquet().ParquetSheet(part, columns)) as made:
            yield made
    else:
        with part.open("w", encoding="utf-8", newline="") as text:
            yield CsvSheet(text, columns, zone)


def parquet() -> ModuleType:
    """The module that knows Parquet: nothing else needs pyarrow, which may not be there. Raises Failure."""
    try:
        return import_module(f"{__package__}.parquet")
    except ModuleNotFoundError as missing:
        raise Failure(
            "Parquet needs pyarrow: pip install 'sitewarden[parquet]', or name a .csv file"
        ) from missing


class CsvSheet:
    """RFC 4180. Instants by the clock of the site, with their distance from UTC."""

    def __init__(self, text: TextIO, columns: Columns, zone: ZoneInfo) -> None:
        self._csv, self._zone = csv.writer(text), zone
        self._csv.writerow(columns)

    def write(self, rows: Sequence[Row]) -> None:
        self._csv.writerows([self._at(row[0]), *map(_cell, row[1:])] for row in rows)

    def _at(self, ns: int) -> str:
        return (_EPOCH + timedelta(microseconds=ns // 1000)).astimezone(self._zone).isoformat()


def _cell(value: object) -> object:
    return ("true" if value else "false") if isinstance(value, bool) else value
