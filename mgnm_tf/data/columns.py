"""One column of a log at a time: check it and turn it into numbers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mgnm_tf.errors import DataError
from mgnm_tf.errors import MissingColumnError

_DATES = "whole seconds since 1970 or a date in ISO 8601"


def missing_column(
    where: str, name: str, found: Sequence[str], separator: str = ""
) -> MissingColumnError:
    """Returns the error for a column that is not there.

    Args:
        where: the source, for the message.
        name: the column that was asked for.
        found: the columns that are there.
        separator: the separator of a text file; an only column with another
            one in its name gets a hint.
    """
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
    if not (_is_text(kind) or _is_number(kind)):
        raise DataError(
            f"{where}, column {name!r}: holds {kind}, expected text or whole "
            "numbers as ids."
        )
    if pa.types.is_floating(kind):
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
        raise DataError(
            f"{where}, row {_row_of(codes, code)}, column {name!r}: the id "
            f"{ids[code].as_py()!r} holds a line break, expected an id on "
            "one line."
        )
    names = ids.to_pylist()
    empty = [
        code for code, raw in enumerate(names) if raw is None or not raw.strip()
    ]
    return _without_empty(codes, names, empty, name, where, optional)


def encode_times(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray:
    """Turns times into whole seconds, int64 (N,).

    Args:
        column: whole numbers, floats without a fraction, timestamps, dates,
            or text of one of these kinds.
        name: the name of the column, for messages.
        where: the source, for messages.

    Raises:
        DataError: a time is missing, not a number or date, not whole, not
            finite or negative.
    """
    times = _whole_numbers(_plain(column))
    if times is None:
        times = _dates(_plain(column), name, where)
    if times is None:
        numbers = finite_numbers(column, name, where, _DATES)
        whole = np.floor(numbers) == numbers
        whole &= np.abs(numbers) < 2.0**63
        if not whole.all():
            row = int(np.argmin(whole))
            raise _bad_value(where, row, name, numbers[row], _DATES)
        times = numbers.astype(np.int64)
    if times.min() < 0:
        row = int(np.argmax(times < 0))
        raise _bad_value(where, row, name, times[row], "a time of at least 0")
    return times


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
    column = _plain(column)
    raw = column.to_pandas()
    numbers = pd.to_numeric(raw, errors="coerce").to_numpy(
        dtype=np.float64, na_value=np.nan
    )
    finite = np.isfinite(numbers)
    if not finite.all():
        row = int(np.argmin(finite))
        raise _bad_value(where, row, name, column[row].as_py(), expected)
    return numbers


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column


def _whole_numbers(column: pa.ChunkedArray) -> np.ndarray | None:
    """Returns int64 (N,), or `None` if a cast is not enough."""
    if column.null_count or pa.types.is_temporal(column.type):
        return None
    try:
        return column.cast(pa.int64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _dates(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray | None:
    """Returns seconds, int64 (N,), or `None` if the first is no date."""
    if _is_number(column.type):
        return None
    raw = column.to_pandas()
    if _is_text(column.type):
        first = raw.iloc[:1]
        if pd.to_numeric(first, errors="coerce").notna().all():
            return None
        if _stamps(first).isna().all():
            return None
    stamps = _stamps(raw)
    missing = stamps.isna().to_numpy()
    if missing.any():
        row = int(np.argmax(missing))
        raise _bad_value(where, row, name, column[row].as_py(), _DATES)
    naive = stamps.dt.tz_localize(None).to_numpy()
    return naive.astype("datetime64[s]").astype(np.int64)


def _stamps(raw: pd.Series) -> pd.Series:
    return pd.to_datetime(raw, format="ISO8601", utc=True, errors="coerce")


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _without_empty(codes, names, empty, name, where, optional):
    """Refuses empty ids, or gives them the code -1 and takes them out."""
    missing = codes < 0
    if empty:
        missing |= np.isin(codes, empty)
    if not missing.any():
        return codes, names
    if not optional:
        raise DataError(
            f"{where}, row {int(np.argmax(missing)) + 1}, column {name!r}: "
            "the id is empty, expected text."
        )
    kept = np.setdiff1d(np.arange(len(names)), empty)
    renumber = np.full(len(names) + 1, -1, np.int32)
    renumber[kept] = np.arange(len(kept))
    return renumber[codes], [names[code] for code in kept]


def _row_of(codes: np.ndarray, code: int) -> int:
    return int(np.argmax(codes == code)) + 1


def _bad_value(where, row, name, value, expected) -> DataError:
    return DataError(
        f"{where}, row {row + 1}, column {name!r}: found {value!s}, expected "
        f"{expected}."
    )
