"""Files of rows and columns, as Arrow tables of the wanted columns."""

from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from mgnm_tf.data.reading.json_lines import JsonLines
from mgnm_tf.data.reading.parquet_table import ParquetTable
from mgnm_tf.data.reading.source_files import open_bytes
from mgnm_tf.data.reading.source_files import to_its_end
from mgnm_tf.data.reading.text_table import TextTable
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError

TableFile: TypeAlias = TextTable | ParquetTable | JsonLines
"""The kinds of files; all have `header`, `read`, `head` and `blocks`."""

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_FIRST_BYTES = 1 << 12
_PARQUET_SUFFIXES = (".parquet", ".pq", ".parq")
_NO_LOG = {
    ".json": "JSON, but not an object a line (JSON Lines)",
    ".xls": "a spreadsheet",
    ".xlsx": "a spreadsheet",
    ".ods": "a spreadsheet",
    ".feather": "a Feather file",
    ".arrow": "an Arrow file",
    ".orc": "an ORC file",
    ".avro": "an Avro file",
    ".pkl": "a pickle",
    ".zip": "an archive",
    ".tar": "an archive",
    ".tgz": "an archive",
    ".7z": "an archive",
    ".bz2": "compressed by bzip2",
    ".xz": "compressed by xz",
    ".zst": "compressed by Zstandard",
}
"""The ends of files that are not read, and what they are."""


def read_table(
    path: Path,
    ids: Sequence[str],
    numbers: Sequence[str],
    separator: str | None = None,
    column_names: Sequence[str] | None = None,
    quotes: bool = True,
) -> pa.Table:
    """Reads some columns of a file; those of a text file stay text.

    What a file is, and whether it is compressed by gzip, is told by its first
    bytes, not by its name: a Parquet file has its mark there, JSON Lines
    begin with a brace, and what is left is text in columns.

    Args:
        path: a text file, a Parquet file or JSON Lines; plain or compressed
            by gzip.
        ids: the names of the columns of ids; they come as dictionaries,
            which keep millions of equal ids small.
        numbers: the names of the columns of numbers and times.
        separator: what stands between the fields of a text file; a comma if
            it is not given, a tab for `.tsv` files. More than one character
            is possible; the file is held in memory twice then.
        column_names: the columns of a text file without a header line.
        quotes: whether fields of a text file may stand in quotation marks,
            with separators and line breaks inside; otherwise the marks are
            plain characters. Defaults to `True`.

    Raises:
        DataError: the file cannot be read, lacks a column or has it twice,
            or a quotation mark is not closed.
        UserError: the separator is empty.
    """
    return _open(path, separator, column_names, quotes).read(ids, numbers)


def read_head(
    path: Path,
    columns: Sequence[str],
    rows: int,
    separator: str | None = None,
    quotes: bool = True,
) -> pa.Table:
    """Reads the first rows of a file, and no more of it.

    Args:
        path: see `read_table`; so are `separator` and `quotes`.
        columns: the names of the columns; those of a text file stay text.
        rows: how many.
        separator: what stands between the fields of a text file.
        quotes: whether fields may stand in quotation marks. Defaults to
            `True`.

    Raises:
        DataError: as `read_table`, of what is wrong in these rows.
        UserError: the separator is empty.
    """
    return _open(path, separator, None, quotes).head(columns, rows)


def column_names_of(
    path: Path, separator: str | None = None, quotes: bool = True
) -> list[str]:
    """Returns the names of all columns of a file.

    Args:
        path: see `read_table`; so are `separator` and `quotes`.
        separator: what stands between the fields of a text file.
        quotes: whether names may stand in quotation marks. Defaults to
            `True`.

    Raises:
        DataError: the file cannot be read.
        UserError: the separator is empty.
    """
    return _open(path, separator, None, quotes).header()


def read_files(
    files: Sequence[Path],
    ids: Sequence[str],
    numbers: Sequence[str],
    separator: str | None = None,
    column_names: Sequence[str] | None = None,
    quotes: bool = True,
) -> tuple[pa.Table, list[int]]:
    """Reads some columns of several files, one below the other.

    Args:
        files: the files, with equal columns.
        ids: see `read_table`; so are the others.
        numbers: see `read_table`.
        separator: see `read_table`.
        column_names: see `read_table`.
        quotes: see `read_table`. Defaults to `True`.

    Returns:
        The table, and how many rows each file has.

    Raises:
        DataError: see `read_table`; or the columns of two files differ.
        UserError: see `read_table`.
    """
    tables = []
    for path in files:
        table = read_table(
            path, ids, numbers, separator, column_names, quotes
        ).select([*ids, *numbers])
        tables.append(table)
        check_alike(files[0], tables[0].schema, path, table.schema)
    return pa.concat_tables(tables), [table.num_rows for table in tables]


def read_blocks(
    path: Path,
    ids: Sequence[str],
    numbers: Sequence[str],
    separator: str | None = None,
    quotes: bool = True,
    again: bool = False,
) -> Iterator[pa.Table]:
    """Reads a file as `read_table` does, but a block of rows at a time.

    Args:
        path: see `read_table`; so are the others.
        ids: see `read_table`.
        numbers: see `read_table`.
        separator: see `read_table`.
        quotes: see `read_table`. Defaults to `True`.
        again: whether this is the second try, see `ReadAgain`. Defaults to
            `False`.

    Raises:
        ReadAgain: the blocks of the first try are to be thrown away.
        DataError: see `read_table`.
        UserError: see `read_table`.
    """
    table = _open(path, separator, None, quotes)
    yield from table.blocks(ids, numbers, again)


def check_alike(
    first: Path, schema: pa.Schema, path: Path, found: pa.Schema
) -> None:
    """Checks that the wanted columns of two files are of the same types.

    Args:
        first: the first file.
        schema: its columns.
        path: the other file.
        found: its columns.

    Raises:
        DataError: a column differs.
    """
    for field in schema:
        kinds = [plain_type(one.field(field.name)) for one in (schema, found)]
        if kinds[0] != kinds[1]:
            raise DataError(
                f"{path}, column {field.name!r}: holds {kinds[1]}, but in "
                f"{first} it holds {kinds[0]}; expected files with the same "
                "columns."
            )


def plain_type(field: pa.Field) -> pa.DataType:
    """Returns the type of a column without the encoding of a dictionary."""
    kind = field.type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _open(
    path: Path,
    separator: str | None,
    column_names: Sequence[str] | None,
    quotes: bool,
) -> TableFile:
    """Returns a file as what its first bytes say that it is."""
    if not path.exists():
        raise DataError(f"{path} does not exist; expected an interaction log.")
    if path.is_dir():
        raise DataError(f"{path} is a folder; expected an interaction log.")
    if separator == "":
        raise UserError("The separator must be a character, found none.")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compressed = _first_bytes(path).startswith(_GZIP)
    first = _first_bytes(path, compressed)
    if first.startswith(_PARQUET):
        return ParquetTable(path, compressed)
    if first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return JsonLines(path, compressed)
    named = suffixes[:-1] if suffixes[-1:] == [".gz"] else suffixes
    if named[-1:] and named[-1] in _NO_LOG:
        raise DataError(
            f"{path} is {_NO_LOG[named[-1]]}; expected CSV, TSV, Parquet or "
            "JSON Lines, plain or compressed by gzip."
        )
    if named[-1:] and named[-1] in _PARQUET_SUFFIXES:
        raise DataError(
            f"{path} is not a whole Parquet file: it does not begin as one."
        )
    if separator is None:
        separator = "\t" if ".tsv" in suffixes else ","
    # As it is typed in a shell.
    separator = "\t" if separator == "\\t" else separator
    return TextTable(path, compressed, separator, column_names, quotes)


def _first_bytes(path: Path, compressed: bool = False) -> bytes:
    with to_its_end(path), open_bytes(path, compressed) as file:
        return file.read(_FIRST_BYTES)
