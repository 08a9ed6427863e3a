"""Times of a log: from numbers, text and dates to whole numbers of a unit."""

import logging
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mgnm_tf.data.columns import bad_value
from mgnm_tf.data.columns import finite_numbers
from mgnm_tf.data.columns import is_text
from mgnm_tf.data.columns import plain
from mgnm_tf.errors import DataError
from mgnm_tf.utils.validation import check_choice

logger = logging.getLogger(__name__)

TIME_UNITS = ("s", "ms", "us", "ns")
"""Units of time, coarsest first; each is 1,000 of the next."""

_EXPECTED = "seconds since 1970 or a date in ISO 8601"
_NAMES = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
}
# The year 5138 in seconds is 1973 in milliseconds, and so on.
_MAGNITUDES = {"ns": 10**17, "us": 10**14, "ms": 10**11}
_CALENDAR = {4: "%Y", 8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_BILLION = 10**9


def encode_times(
    column: pa.ChunkedArray, name: str, where: str, unit: str = "auto"
) -> tuple[np.ndarray, str]:
    """Turns times into whole numbers of the coarsest unit that holds them.

    Nothing is cut off, so that events inside a second keep their order:
    floats are exact to the microsecond, all else to the nanosecond.

    Args:
        column: numbers, timestamps, dates, or text of one of these kinds.
        name: the name of the column, for messages.
        where: the source, for messages.
        unit: the unit of numbers: "s", "ms", "us" or "ns". Defaults to
            `"auto"`: seconds, unless all numbers are dates written as
            20240131 or years, or are so large that they must be of a finer
            unit; a warning in the log says so.

    Returns:
        The times since 1970, int64 (N,), and their unit, of `TIME_UNITS`.

    Raises:
        DataError: a time is missing, not a number or date, not finite,
            negative, or too large for its precision.
        ValueError: the unit is unknown.
    """
    check_choice(unit, "time_unit", ("auto", *TIME_UNITS))
    column = plain(column)
    numbers = None
    if not pa.types.is_temporal(column.type):
        numbers = _numbers(column, name, where)
    if numbers is None:
        whole, unit = _dates(column, name, where)
        billionths = None
    else:
        whole, billionths = numbers
        if unit == "auto":
            whole, unit = _recognize(whole, billionths, name, where)
        if unit == "ns" and pa.types.is_floating(column.type):
            whole, unit = (whole + 500) // 1000, "us"
    if whole.min() < 0:
        row = int(np.argmax(whole < 0))
        value = column[row].as_py()
        raise bad_value(where, row, name, value, "a time of at least 0")
    if billionths is not None:
        return _refined(whole, billionths, unit, name, where)
    while unit != "s" and not (whole % 1000).any():
        whole, unit = whole // 1000, TIME_UNITS[TIME_UNITS.index(unit) - 1]
    return whole, unit


def add_milliseconds(
    times: np.ndarray,
    unit: str,
    column: pa.ChunkedArray,
    name: str,
    where: str,
) -> tuple[np.ndarray, str]:
    """Adds a column of milliseconds to times.

    Args:
        times: int64 (N,), times in `unit`.
        unit: one of `TIME_UNITS`.
        column: whole numbers of at least 0.
        name: the name of the column, for messages.
        where: the source, for messages.

    Returns:
        The sums and their unit, milliseconds or finer.

    Raises:
        DataError: an entry is not a whole number of at least 0.
    """
    expected = "a whole number of milliseconds, at least 0"
    numbers = finite_numbers(column, name, where, expected)
    wrong = (numbers < 0) | (numbers != np.floor(numbers))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise bad_value(where, row, name, column[row].as_py(), expected)
    if unit == "s":
        times, unit = times * 1000, "ms"
    factor = 1000 ** (TIME_UNITS.index(unit) - 1)
    return times + numbers.astype(np.int64) * factor, unit


def whole_seconds(times: np.ndarray, unit: str) -> np.ndarray:
    """Returns times in whole seconds, rounded down; of the same shape.

    Args:
        times: int64, times in `unit`; they are returned as they are if it
            is "s".
        unit: one of `TIME_UNITS`.
    """
    factor = 1000 ** TIME_UNITS.index(unit)
    return times if factor == 1 else times // factor


def days_of(times: np.ndarray, unit: str) -> list[str]:
    """Returns the first and the last day of times, as "YYYY-MM-DD"."""
    days = np.array([times.min(), times.max()]).astype(f"datetime64[{unit}]")
    return days.astype("datetime64[D]").astype(str).tolist()


def _numbers(
    column: pa.ChunkedArray, name: str, where: str
) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Reads numbers; `None` if the first entry is a date.

    Returns:
        The whole parts int64 (N,), and the fractions in billionths int64
        (N,), or `None` if there are none.
    """
    if pa.types.is_floating(column.type):
        return _of_floats(column, name, where)
    if not column.null_count:
        for read in (_of_whole_numbers, _of_decimals):
            try:
                return read(column)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                pass
    if is_text(column.type):
        first = column.slice(0, 1).to_pandas()
        if pd.to_numeric(first, errors="coerce").isna().all():
            if _stamps(column.slice(0, 1)).notna().all():
                return None
    return _of_floats(column, name, where)


def _of_whole_numbers(column):
    return column.cast(pa.int64()).to_numpy(), None


def _of_decimals(column):
    if is_text(column.type):
        column = pc.utf8_trim_whitespace(column)
        column = pc.replace_substring_regex(column, r"(\.\d{9})\d+$", r"\1")
    column = column.cast(pa.decimal128(28, 9))
    floor = pc.floor(column)
    rest = pc.subtract(column, floor).cast(pa.decimal128(10, 9))
    rest = pc.multiply(rest, pa.scalar(Decimal(_BILLION)))
    whole = floor.cast(pa.int64()).to_numpy()
    billionths = rest.cast(pa.int64()).to_numpy()
    return whole, billionths if billionths.any() else None


def _of_floats(column, name, where):
    numbers = finite_numbers(column, name, where, _EXPECTED)
    fitting = np.abs(numbers) < 2.0**63
    if not fitting.all():
        row = int(np.argmin(fitting))
        raise bad_value(where, row, name, numbers[row], _EXPECTED)
    if pa.types.is_floating(column.type) and column.type.bit_width < 64:
        digits = np.finfo(column.type.to_pandas_dtype()).nmant + 1
        if numbers.max() >= 2**digits:
            raise DataError(
                f"{where}, column {name!r}: holds {column.type}, which cannot "
                f"tell times above {2**digits:,} apart; expected whole "
                "numbers, float64 or dates."
            )
    floor = np.floor(numbers)
    # More than microseconds float64 does not hold of today's times.
    rest = np.rint((numbers - floor) * 1e6).astype(np.int64)
    whole = floor.astype(np.int64) + rest // 10**6
    rest = rest % 10**6 * 1000
    return whole, rest if rest.any() else None


def _dates(
    column: pa.ChunkedArray, name: str, where: str
) -> tuple[np.ndarray, str]:
    """Returns int64 (N,) since 1970 and the unit of a column of dates."""
    if is_text(column.type):
        stamps = _stamps(column)
        missing = stamps.isna().to_numpy()
    else:
        if pa.types.is_date(column.type):
            unit = "s" if pa.types.is_date32(column.type) else "ms"
            column = column.cast(pa.timestamp(unit))
        if not pa.types.is_timestamp(column.type):
            raise DataError(
                f"{where}, column {name!r}: holds {column.type}, expected "
                f"{_EXPECTED}."
            )
        missing = column.is_null().to_numpy()
    if missing.any():
        row = int(np.argmax(missing))
        raise bad_value(where, row, name, column[row].as_py(), _EXPECTED)
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64()).to_numpy(), column.type.unit
    naive = stamps.dt.tz_localize(None).to_numpy()
    return naive.astype(np.int64), np.datetime_data(naive.dtype)[0]


def _stamps(column: pa.ChunkedArray) -> pd.Series:
    # BigQuery writes "2024-01-01 10:00:00 UTC"; pandas takes "now" for a date.
    text = pc.replace_substring_regex(column, r"\s*(UTC|GMT)\s*$", "Z")
    text = pc.if_else(pc.match_substring_regex(text, r"^\s*\d"), text, None)
    return pd.to_datetime(
        text.to_pandas(), format="ISO8601", utc=True, errors="coerce"
    )


def _recognize(whole, billionths, name, where) -> tuple[np.ndarray, str]:
    """Finds out what numbers without a unit are; says so if no seconds."""
    times, unit, kind = whole, "s", ""
    if billionths is None and (stamps := _calendar(whole)) is not None:
        times, kind = stamps, "dates written as numbers"
    else:
        top = whole.max()
        found = [unit for unit, least in _MAGNITUDES.items() if top >= least]
        if found:
            unit = found[0]
            kind = f"{_NAMES[unit]} since 1970"
    if kind:
        logger.warning(
            "%s, column %r: the times are taken as %s, %s; name the time "
            "unit if that is wrong.",
            where,
            name,
            kind,
            " to ".join(days_of(times, unit)),
        )
    return times, unit


def _calendar(whole: np.ndarray) -> np.ndarray | None:
    """Reads numbers as 20240131 or 2024: seconds (N,), or `None`."""
    digits = len(str(whole.max()))
    if digits not in _CALENDAR:
        return None
    century = 10 ** (digits - 4)
    if whole.min() < 1900 * century or whole.max() >= 2101 * century:
        return None
    distinct, places = np.unique(whole, return_inverse=True)
    stamps = pd.to_datetime(
        distinct.astype(str), format=_CALENDAR[digits], errors="coerce"
    )
    if stamps.isna().any():
        return None
    return stamps.to_numpy().astype("datetime64[s]").astype(np.int64)[places]


def _refined(whole, billionths, unit, name, where) -> tuple[np.ndarray, str]:
    """Joins numbers and their fractions in the coarsest unit for both."""
    factor = 1
    for finer in TIME_UNITS[TIME_UNITS.index(unit) + 1 :]:
        factor, unit = factor * 1000, finer
        if not (billionths % (_BILLION // factor)).any():
            break
    if whole.max() >= np.iinfo(np.int64).max // factor:
        row = int(np.argmax(whole))
        expected = f"a time that int64 holds in {_NAMES[unit]}"
        raise bad_value(where, row, name, whole[row], expected)
    return whole * factor + billionths // (_BILLION // factor), unit
