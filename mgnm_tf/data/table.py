"""Files of rows and columns, as Arrow tables of the wanted columns."""

import csv
import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from mgnm_tf.data.columns import missing_column
from mgnm_tf.errors import DataError

_BLOCK_BYTES = 1 << 24


def read_table(
    path: Path,
    ids: Sequence[str],
    numbers: Sequence[str],
    separator: str | None = None,
    column_names: Sequence[str] | None = None,
) -> pa.Table:
    """Reads some columns of a file; those of a text file stay text.

    Args:
        path: a `.parquet` file, or a text file, plain or `.gz`.
        ids: the names of the columns of ids; they come as dictionaries,
            which keep millions of equal ids small.
        numbers: the names of the columns of numbers and times.
        separator: what stands between the fields of a text file; a comma if
            it is not given, a tab for `.tsv` files. More than one character
            is possible; the file is held in memory twice then.
        column_names: the columns of a text file without a header line.

    Raises:
        DataError: the file cannot be read or lacks a column.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; expected an interaction log.")
    if path.is_dir():
        raise DataError(f"{path} is a folder; expected an interaction log.")
    if ".parquet" in path.suffixes:
        return _read_parquet(path, ids, numbers)
    if separator is None:
        separator = "\t" if ".tsv" in path.suffixes else ","
    types = dict.fromkeys(numbers, pa.string())
    types |= dict.fromkeys(ids, pa.dictionary(pa.int32(), pa.string()))
    return _read_text(path, types, separator, column_names)


def _read_parquet(
    path: Path, ids: Sequence[str], numbers: Sequence[str]
) -> pa.Table:
    wanted = [*ids, *numbers]
    try:
        opener = gzip.open if path.suffix == ".gz" else pa.OSFile
        with opener(str(path)) as file:
            found = pa.parquet.read_schema(file).names
            for name in wanted:
                if name not in found:
                    raise missing_column(str(path), name, found)
            file.seek(0)
            return pa.parquet.read_table(
                file, columns=wanted, read_dictionary=list(ids)
            )
    except (pa.ArrowInvalid, OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} is not a whole Parquet file: {_one_line(error)}."
        ) from error


def _read_text(
    path: Path,
    types: dict[str, pa.DataType],
    separator: str,
    column_names: Sequence[str] | None,
) -> pa.Table:
    try:
        found = list(column_names or _header(path, separator))
        for name in types:
            if name not in found:
                raise missing_column(str(path), name, found, separator)
            if found.count(name) > 1:
                raise DataError(
                    f"{path} has {found.count(name)} columns named {name!r}, "
                    "expected one."
                )
        try:
            return _parse(path, found, types, separator, not column_names)
        except pa.ArrowInvalid:
            # The same error again, now with the number of the row.
            return _parse(
                path, found, types, separator, not column_names, threads=False
            )
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8: {error}.") from error
    except pa.ArrowInvalid as error:
        raise _parse_error(error, path, separator, not column_names) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read to its end; it may be cut off or "
            f"damaged: {_one_line(error)}."
        ) from error


def _header(path: Path, separator: str) -> list[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        line = file.readline().decode("utf-8-sig")
    if not line.strip():
        raise DataError(
            f"{path} is empty, or its first line is; expected a header line "
            "with the names of the columns."
        )
    line = line.rstrip("\r\n")
    if len(separator) > 1:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator))


def _parse(
    path: Path,
    found: list[str],
    types: dict[str, pa.DataType],
    separator: str,
    has_header: bool,
    threads: bool = True,
) -> pa.Table:
    source: str | pa.BufferReader = str(path)
    if len(separator) > 1:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rb") as file:
            content = file.read()
        # The unit separator of ASCII, made for this.
        content = content.replace(separator.encode("utf-8"), b"\x1f")
        source, separator = pa.BufferReader(content), "\x1f"
    return pa.csv.read_csv(
        source,
        read_options=pa.csv.ReadOptions(
            block_size=_BLOCK_BYTES,
            column_names=found,
            skip_rows=int(has_header),
            use_threads=threads,
        ),
        parse_options=pa.csv.ParseOptions(delimiter=separator),
        convert_options=pa.csv.ConvertOptions(
            include_columns=list(types),
            column_types=types,
            strings_can_be_null=False,
        ),
    )


def _parse_error(
    error: pa.ArrowInvalid, path: Path, separator: str, has_header: bool
) -> DataError:
    message = _one_line(error)
    where = str(path)
    if row := re.search(r"Row #(\d+)", message):
        where += f", row {int(row[1]) - has_header}"
    if "UTF8" in message:
        return DataError(f"{where} is not text in UTF-8: {message}.")
    if sizes := re.search(r"Expected (\d+) columns, got (\d+)", message):
        return DataError(
            f"{where}: found {sizes[2]} fields, expected {sizes[1]} with "
            f"{separator!r} between them."
        )
    return DataError(f"{where} cannot be read as text in columns: {message}.")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
