"""Parquet files, as Arrow tables of the wanted columns."""

import zlib
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from mgnm_tf.data.reading.columns import check_columns
from mgnm_tf.data.reading.columns import is_text
from mgnm_tf.data.reading.source_files import one_line
from mgnm_tf.data.reading.source_files import open_bytes
from mgnm_tf.errors import DataError

_BLOCK_ROWS = 1 << 18


@dataclass(frozen=True)
class ParquetTable:
    """A Parquet file.

    Args:
        path: the file.
        compressed: whether the whole of it is compressed by gzip.
    """

    path: Path
    compressed: bool

    def header(self) -> list[str]:
        """Returns the names of the columns.

        Raises:
            DataError: it is no whole Parquet file.
        """
        with self._opened([]) as (file, _):
            return list(file.schema_arrow.names)

    def read(self, ids: Sequence[str], numbers: Sequence[str]) -> pa.Table:
        """Reads some columns.

        Args:
            ids: the columns of ids; text comes as dictionaries.
            numbers: the columns of numbers and times.

        Raises:
            DataError: it is no whole Parquet file, or lacks a column.
        """
        wanted = [*ids, *numbers]
        with self._opened(wanted, ids) as (file, rows):
            table = file.read(columns=wanted)
        if table.num_rows != rows:
            raise DataError(
                f"{self.path} says that it has {rows:,} rows, but "
                f"{table.num_rows:,} could be read."
            )
        return table

    def head(self, columns: Sequence[str], rows: int) -> pa.Table:
        """Reads the first rows, and no more of the file.

        Args:
            columns: the names of the columns.
            rows: how many.

        Raises:
            DataError: see `read`.
        """
        with self._opened(columns) as (file, _):
            batches = [*islice(file.iter_batches(rows, columns=columns), 1)]
            if not batches:
                return file.schema_arrow.empty_table().select(columns)
            return pa.Table.from_batches(batches)

    def blocks(
        self, ids: Sequence[str], numbers: Sequence[str], again: bool = False
    ) -> Iterator[pa.Table]:
        """Reads as `read`, some rows at a time.

        Args:
            ids: see `read`; so are `numbers`.
            numbers: see `read`.
            again: makes no difference.

        Raises:
            DataError: see `read`.
        """
        wanted = [*ids, *numbers]
        with self._opened(wanted, ids) as (file, _):
            for batch in file.iter_batches(_BLOCK_ROWS, columns=wanted):
                yield pa.Table.from_batches([batch]).select(wanted)

    @contextmanager
    def _opened(
        self, wanted: Sequence[str], ids: Sequence[str] = ()
    ) -> Iterator[tuple[pa.parquet.ParquetFile, int]]:
        """Opens the file; what goes wrong with it becomes a sentence."""
        try:
            with open_bytes(self.path, self.compressed) as opened:
                schema = pa.parquet.read_schema(opened)
                check_columns(str(self.path), wanted, schema.names)
                texts = [one for one in ids if is_text(schema.field(one).type)]
                opened.seek(0)
                file = pa.parquet.ParquetFile(opened, read_dictionary=texts)
                yield file, file.metadata.num_rows
        except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"{self.path} is not a whole Parquet file: {one_line(error)}."
            ) from error
