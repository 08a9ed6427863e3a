"""Files of rows and columns, as Arrow tables of the wanted columns."""

import csv
import gzip
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
        return _parse(path, found, types, separator, bool(column_names))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8: {error}.") from error
    except pa.ArrowInvalid as error:
        message = _one_line(error)
        if "UTF8" in message:
            message = f"it is not text in UTF-8 ({message})"
        raise DataError(
            f"{path} cannot be read with separator {separator!r} and "
            f"{len(found)} columns: {message}."
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read to its end; it may be cut off or "
            f"damaged: {_one_line(error)}."
        ) from error


def _header(path: Path, separator: str) -> list[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        line = file.readline()
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
    headerless: bool,
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
            skip_rows=0 if headerless else 1,
        ),
        parse_options=pa.csv.ParseOptions(delimiter=separator),
        convert_options=pa.csv.ConvertOptions(
            include_columns=list(types),
            column_types=types,
            strings_can_be_null=False,
        ),
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
