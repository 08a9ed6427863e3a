"""Text files of rows and columns, as Arrow tables of the wanted columns."""

import csv
import re
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace
from io import BytesIO
from io import TextIOWrapper
from pathlib import Path
from typing import Any
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv

from mgnm_tf.data.reading.columns import check_columns
from mgnm_tf.data.reading.source_files import one_line
from mgnm_tf.data.reading.source_files import open_bytes
from mgnm_tf.data.reading.source_files import to_its_end
from mgnm_tf.data.reading.text_lines import LineCounter
from mgnm_tf.data.reading.text_lines import RowShape
from mgnm_tf.data.reading.text_lines import count_rows
from mgnm_tf.data.reading.text_lines import first_lines
from mgnm_tf.errors import DataError

_BLOCK_BYTES = 1 << 24
_UNIT_SEPARATOR = "\x1f"


class ReadAgain(Exception):
    """A file has to be read again, in another way; its blocks are void."""


@dataclass(frozen=True)
class TextTable:
    """A text file and how its rows are written.

    Args:
        path: the file, in UTF-8.
        compressed: whether it is compressed by gzip.
        separator: what stands between the fields.
        column_names: the columns, if there is no header line.
        quotes: whether a field may stand in quotation marks.
        most_lines: how many of its lines there are taken to be, about.
            `None` for all.
    """

    path: Path
    compressed: bool
    separator: str
    column_names: Sequence[str] | None = None
    quotes: bool = True
    most_lines: int | None = None

    def header(self) -> list[str]:
        """Returns the names of the columns.

        Raises:
            DataError: the file cannot be read, or its first line is empty.
        """
        with self._told():
            return list(self.column_names or self._header())

    def read(self, ids: Sequence[str], numbers: Sequence[str]) -> pa.Table:
        """Reads some columns; each row of the file is a row of the table.

        Args:
            ids: the columns that come as dictionaries of text.
            numbers: the columns that come as text.

        Raises:
            DataError: the file cannot be read, lacks a column, or has
                quotation marks that are not closed.
        """
        with self._told():
            found = list(self.column_names or self._header())
            wanted = [*numbers, *ids]
            check_columns(str(self.path), wanted, found, self.separator)
            return self._whole_table(found, ids, numbers)

    def head(self, columns: Sequence[str], rows: int) -> pa.Table:
        """Reads the first rows, and no more of the file.

        Args:
            columns: the names of the columns, which stay text.
            rows: how many.

        Raises:
            DataError: as `read`, of what is wrong in these rows.
        """
        # One line is the header.
        return replace(self, most_lines=rows + 1).read([], columns)[:rows]

    def blocks(
        self, ids: Sequence[str], numbers: Sequence[str], again: bool = False
    ) -> Iterator[pa.Table]:
        """Reads as `read`, some rows at a time.

        Args:
            ids: see `read`; so are `numbers`.
            numbers: see `read`.
            again: whether rows may span lines, and a row that cannot be read
                is to be named. Defaults to `False`, which is faster.

        Raises:
            ReadAgain: what was read is void, and `again` is needed.
            DataError: see `read`.
        """
        with self._told():
            found = list(self.column_names or self._header())
            wanted = [*ids, *numbers]
            check_columns(str(self.path), wanted, found, self.separator)
            rows, spans = None, False
            if again and self.quotes:
                rows, spans = self._count_rows(found, ids, numbers)
            types = self._types(ids, numbers)
            with LineCounter(self._open()) as counter:
                read = 0
                try:
                    for batch in self._stream(
                        counter, found, types, spans, not again
                    ):
                        read += batch.num_rows
                        yield pa.Table.from_batches([batch]).select(wanted)
                except pa.ArrowInvalid as error:
                    if not again:
                        raise ReadAgain from error
                    raise
                lines = counter.lines - (not self.column_names)
            expected = lines if rows is None else rows
            if read != expected:
                if not again:
                    raise ReadAgain
                raise self._told_apart(expected, read)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turns what goes wrong with a file into sentences."""
        try:
            with to_its_end(self.path):
                yield
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path} is not text in UTF-8: {error}."
            ) from error
        except pa.ArrowInvalid as error:
            raise self._parse_error(error) from error

    def _whole_table(self, found, ids, numbers) -> pa.Table:
        types = self._types(ids, numbers)
        failed = False
        try:
            table, rows = self._parse(found, types)
            if table.num_rows == rows:
                return table
        except pa.ArrowInvalid:
            failed = True
        spans = False
        if self.quotes:
            rows, spans = self._count_rows(found, ids, numbers)
        if spans or failed:
            # A failure comes again, now with the number of the row.
            table, lines = self._parse(found, types, spans, threads=False)
            rows = rows if self.quotes else lines
        if table.num_rows != rows:
            raise self._told_apart(rows, table.num_rows)
        return table

    def _types(self, ids, numbers) -> dict[str, pa.DataType]:
        types = dict.fromkeys(numbers, pa.string())
        return types | dict.fromkeys(
            ids, pa.dictionary(pa.int32(), pa.string())
        )

    def _count_rows(self, found, ids, numbers) -> tuple[int, bool]:
        """Returns how many rows there are, and whether one spans lines."""
        separator = self.separator.encode().decode("latin-1")
        shape = RowShape(separator, found, ids, numbers)
        with TextIOWrapper(self._open(), "latin-1", newline="") as lines:
            return count_rows(lines, self.path, shape, not self.column_names)

    def _told_apart(self, rows: int, found: int) -> DataError:
        return DataError(
            f"{self.path} has {rows:,} rows, but {found:,} could "
            "be told apart; look for quotation marks and line ends inside "
            "of fields."
        )

    def _open(self) -> BinaryIO:
        file = open_bytes(self.path, self.compressed)
        if self.most_lines is None:
            return file
        with file:
            return BytesIO(first_lines(file, self.most_lines, self.quotes))

    def _header(self) -> list[str]:
        with self._open() as file:
            line = re.match(b"[^\r\n]*", file.read(_BLOCK_BYTES))[0]
        line = line.decode("utf-8-sig")
        if not line.strip():
            raise DataError(
                f"{self.path} is empty, or its first line is; expected a "
                "header line with the names of the columns."
            )
        if not self.quotes:
            return line.split(self.separator)
        line = line.replace(self.separator, _UNIT_SEPARATOR)
        try:
            rows = csv.reader([line], delimiter=_UNIT_SEPARATOR, strict=True)
            return next(rows)
        except csv.Error as error:
            raise DataError(
                f"{self.path}: the header line cannot be read: {error}."
            ) from error

    def _parse(
        self,
        found: list[str],
        types: dict[str, pa.DataType],
        spans: bool = False,
        threads: bool = True,
    ) -> tuple[pa.Table, int]:
        """Returns the table, and the number of lines below the header."""
        with LineCounter(self._open()) as counter:
            source, options = self._how(counter, found, types, spans, threads)
            table = pa.csv.read_csv(source, **options)
            return table, counter.lines - (not self.column_names)

    def _stream(
        self, counter, found, types, spans, threads
    ) -> Iterator[pa.RecordBatch]:
        source, options = self._how(counter, found, types, spans, threads)
        with pa.csv.open_csv(source, **options) as reader:
            yield from reader

    def _how(
        self, counter, found, types, spans, threads
    ) -> tuple[Any, dict[str, Any]]:
        """Returns what Arrow reads, and its options."""
        source, separator = counter, self.separator
        if len(separator.encode()) > 1:
            content = counter.read()
            separator = _UNIT_SEPARATOR
            content = content.replace(
                self.separator.encode(), separator.encode()
            )
            source = pa.BufferReader(content)
        return source, {
            "read_options": pa.csv.ReadOptions(
                block_size=_BLOCK_BYTES,
                column_names=found,
                skip_rows=int(not self.column_names),
                use_threads=threads,
            ),
            "parse_options": pa.csv.ParseOptions(
                delimiter=separator,
                quote_char='"' if self.quotes else False,
                newlines_in_values=spans,
            ),
            "convert_options": pa.csv.ConvertOptions(
                include_columns=list(types),
                column_types=types,
                strings_can_be_null=False,
            ),
        }

    def _parse_error(self, error: pa.ArrowInvalid) -> DataError:
        message = one_line(error)
        where = str(self.path)
        if row := re.search(r"Row #(\d+)", message):
            where += f", row {int(row[1]) - (not self.column_names)}"
        if "UTF8" in message:
            return DataError(f"{where} is not text in UTF-8: {message}.")
        if sizes := re.search(r"Expected (\d+) columns, got (\d+)", message):
            return DataError(
                f"{where}: found {sizes[2]} fields, expected {sizes[1]} with "
                f"{self.separator!r} between them."
            )
        return DataError(
            f"{where} cannot be read as text in columns: {message}."
        )
