"""One column of a log at a time: check it and turn it into numbers."""

from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mgnm_tf.errors import DataError
from mgnm_tf.errors import MissingColumnError
from mgnm_tf.errors import RowError


def check_columns(
    where: str,
    wanted: Iterable[str],
    found: Sequence[str],
    separator: str = "",
) -> None:
    """Checks that each wanted column is there once.

    Args:
        where: the source, for the message.
        wanted: the columns that are asked for.
        found: the columns that are there.
        separator: the separator of a text file; an only column with another
            one in its name gets a hint.

    Raises:
        MissingColumnError: a column is missing.
        DataError: a column is there more than once.
    """
    for name in wanted:
        if name not in found:
            raise _missing_column(where, name, found, separator)
        if found.count(name) > 1:
            raise DataError(
                f"{where} has {found.count(name)} columns named {name!r}, "
                "expected one."
            )


def _missing_column(
    where: str, name: str, found: Sequence[str], separator: str
) -> MissingColumnError:
    hint = ""
    if separator and len(found) == 1:
        others = [s for s in ("\t", ";", "|", ",") if s in found[0]]
        if others:
            hint = (
                f" The header has only one column, so the separator "
                f"{separator!r} looks wrong; it may be {others[0]!r}."
            )
    found = [str(column) for column in found]
    names = ", ".join(map(repr, found))
    return MissingColumnError(
        f"{where} has no column {name!r}; columns found: {names}.{hint}",
        name,
        found,
    )


def encode_ids(
    column: pa.ChunkedArray, name: str, where: str, optional: bool = False
) -> tuple[np.ndarray, list[str]]:
    """Turns ids into codes.

    Args:
        column: text, whole numbers, or a dictionary of these; N entries.
        name: the name of the column, for messages.
        where: the source, for messages.
        optional: whether an id may be missing; its code is -1 then.

    Returns:
        The codes, int32 (N,), and the list code -> raw id.

    Raises:
        DataError: an id is empty, or holds a line break, or is no text and
            no whole number.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (is_text(kind) or _is_number(kind)):
        raise DataError(
            f"{where}, column {name!r}: holds {kind}, expected text or whole "
            "numbers as ids."
        )
    if pa.types.is_floating(kind):
        column = plain(column)
        _check_exact(column, name, where)
        # pandas turns whole numbers into floats where one is missing.
        try:
            column = column.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise DataError(
                f"{where}, column {name!r}: holds fractions, expected text or "
                f"whole numbers as ids ({error})."
            ) from error
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    codes = np.concatenate(
        [
            pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False)
            for chunk in column.chunks
        ]
    ).astype(np.int32, copy=False)
    ids = column.chunk(0).dictionary.cast(pa.string())
    broken = np.asarray(
        pc.match_substring_regex(ids, "[\r\n]").fill_null(False)
    )
    if broken.any():
        code = int(np.argmax(broken))
        raise RowError(
            where,
            int(np.argmax(codes == code)),
            f", column {name!r}: the id {ids[code].as_py()!r} holds a line "
            "break, expected an id on one line.",
        )
    names = ids.to_pylist()
    empty = [
        code for code, raw in enumerate(names) if raw is None or not raw.strip()
    ]
    return _without_empty(codes, names, empty, name, where, optional)


def finite_numbers(
    column: pa.ChunkedArray,
    name: str,
    where: str,
    expected: str = "a finite number",
) -> np.ndarray:
    """Turns a column into finite numbers, float64 (N,).

    Raises:
        DataError: an entry is missing, not a number, NaN or infinite; the
            message says that `expected` was expected.
    """
    column = plain(column)
    raw = column.to_pandas()
    numbers = pd.to_numeric(raw, errors="coerce").to_numpy(
        dtype=np.float64, na_value=np.nan
    )
    finite = np.isfinite(numbers)
    if not finite.all():
        row = int(np.argmin(finite))
        raise bad_value(where, row, name, column[row].as_py(), expected)
    return numbers


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns a column without the encoding of a dictionary."""
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def is_text(kind: pa.DataType) -> bool:
    """Returns whether a type is text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _check_exact(column: pa.ChunkedArray, name: str, where: str) -> None:
    """Refuses floats so large that two whole numbers may be one of them."""
    limit = 2 ** (np.finfo(column.type.to_pandas_dtype()).nmant + 1)
    numbers = column.drop_null().to_numpy()
    if len(numbers) and np.nanmax(np.abs(numbers)) >= limit:
        raise DataError(
            f"{where}, column {name!r}: holds {column.type}, which cannot tell "
            f"ids above {limit:,} apart; expected text or whole numbers."
        )


def _without_empty(codes, names, empty, name, where, optional):
    """Refuses empty ids, or gives them the code -1 and takes them out."""
    missing = codes < 0
    if empty:
        missing |= np.isin(codes, empty)
    if not missing.any():
        return codes, names
    if not optional:
        raise RowError(
            where,
            int(np.argmax(missing)),
            f", column {name!r}: the id is empty, expected text.",
        )
    kept = np.setdiff1d(np.arange(len(names)), empty)
    renumber = np.full(len(names) + 1, -1, np.int32)
    renumber[kept] = np.arange(len(kept))
    return renumber[codes], [names[code] for code in kept]


def bad_value(
    where: str, row: int, name: str, value: object, expected: str
) -> RowError:
    """Returns the error for a value; `row` counts from 0."""
    return RowError(
        where,
        row,
        f", column {name!r}: found {value!s}, expected {expected}.",
    )
