"""Rows to a Parquet file and back. Imports pyarrow, which takes its time and need not be installed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow.parquet import ParquetFile, ParquetWriter

from sitewarden.gateway.cli.telemetry.history import Columns, Row

GROUP = 100_000  # rows in one group of the file: what is held in memory

TYPES = {
    "instant": pa.timestamp("us", tz="UTC"),
    "text": pa.string(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "count": pa.int64(),
}


class ParquetSheet:
    def __init__(self, path: Path, columns: Columns) -> None:
        self._schema = pa.schema([(name, TYPES[kind]) for name, kind in columns.items()])
        self._writer = ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[Row] = []

    def write(self, rows: Sequence[Row]) -> None:
        self._rows += rows
        if len(self._rows) >= GROUP:
            self._flush()

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        instants, *cells = zip(*self._rows, strict=True)
        columns = [[ns // 1000 for ns in instants], *cells]
        arrays = [pa.array(column, it.type) for column, it in zip(columns, self._schema, strict=True)]
        self._writer.write_table(pa.table(arrays, schema=self._schema))
        self._rows = []


def parquet_rows(path: Path) -> Iterator[tuple[list[str], dict[str, object]]]:
    """The names of the columns with each row. Raises OSError, also when the file is no Parquet."""
    try:
        with ParquetFile(path) as file:
            columns = list(file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=10_000):
                for row in batch.to_pylist():
                    yield columns, row
    except pa.ArrowInvalid as error:
        raise OSError(str(error)) from error
