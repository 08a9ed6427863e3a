"""Times of a log: from numbers, text and dates to whole numbers of a unit."""

import logging
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mgnm_tf.data.reading.columns import bad_value
from mgnm_tf.data.reading.columns import finite_numbers
from mgnm_tf.data.reading.columns import is_text
from mgnm_tf.data.reading.columns import plain
from mgnm_tf.errors import DataError
from mgnm_tf.utils.validation import check_choice

logger = logging.getLogger(__name__)

TIME_UNITS = ("s", "ms", "us", "ns")
"""Units of time, coarsest first; each is 1,000 of the next."""

_EXPECTED = "seconds since 1970 or a date in ISO 8601"
UNIT_NAMES = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
}
"""What the units are called in messages."""

# The year 5138 in seconds is 1973 in milliseconds, and so on.
_MAGNITUDES = {"ns": 10**17, "us": 10**14, "ms": 10**11}
CALENDAR = {4: "%Y", 8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Number of digits -> how a date is written as a whole number of them."""

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
    raw = raw_times(column, name, where)
    whole, billionths = raw.whole, raw.billionths
    if raw.kind == "date":
        unit = raw.unit
    else:
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


@dataclass(frozen=True)
class RawTimes:
    """Times as they are written, before their unit is known.

    Args:
        whole: int64 (N,), the numbers rounded down.
        billionths: int64 (N,), what was rounded off, or `None` if nothing.
        kind: how they were read: "whole", "decimal", "float" or "date".
        unit: that of dates; empty for numbers.
    """

    whole: np.ndarray
    billionths: np.ndarray | None
    kind: str
    unit: str = ""


def raw_times(
    column: pa.ChunkedArray, name: str, where: str, kind: str = ""
) -> RawTimes:
    """Reads a column of times as it is written.

    Args:
        column: see `encode_times`; no dictionary.
        name: the name of the column, for messages.
        where: the source, for messages.
        kind: "float" or "date" if all is to be read as such. Defaults to
            `""`: as what it is.

    Raises:
        DataError: see `encode_times`.
    """
    if not pa.types.is_temporal(column.type) and kind != "date":
        numbers = None
        if not kind:
            numbers = _numbers(column, name, where)
        elif kind == "float":
            numbers = RawTimes(*_of_floats(column, name, where), "float")
        if numbers is not None:
            return numbers
    whole, unit = _dates(column, name, where)
    return RawTimes(whole, None, "date", unit)


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


def _numbers(column: pa.ChunkedArray, name: str, where: str) -> RawTimes | None:
    """Reads numbers; `None` if the first entry is a date."""
    if pa.types.is_floating(column.type):
        return RawTimes(*_of_floats(column, name, where), "float")
    if not column.null_count:
        for read, kind in (
            (_of_whole_numbers, "whole"),
            (_of_decimals, "decimal"),
        ):
            try:
                return RawTimes(*read(column), kind)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                pass
    if is_text(column.type):
        first = column.slice(0, 1).to_pandas()
        if pd.to_numeric(first, errors="coerce").isna().all():
            if _stamps(column.slice(0, 1)).notna().all():
                return None
    return RawTimes(*_of_floats(column, name, where), "float")


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
    if billionths is None and (stamps := calendar_seconds(whole)) is not None:
        warn_of_kind(stamps, "s", True, name, where)
        return stamps, "s"
    unit = unit_of_size(whole.max())
    if unit != "s":
        warn_of_kind(whole, unit, False, name, where)
    return whole, unit


def unit_of_size(top: int) -> str:
    """Returns the unit that numbers are of whose largest is `top`."""
    found = [unit for unit, least in _MAGNITUDES.items() if top >= least]
    return found[0] if found else "s"


def warn_of_kind(
    times: np.ndarray, unit: str, calendar: bool, name: str, where: str
) -> None:
    """Says in the log what numbers are taken as that are no seconds.

    Args:
        times: int64 (n,), times with the first and the last one among them.
        unit: their unit.
        calendar: whether they were dates written as numbers.
        name: the name of the column.
        where: the source.
    """
    kind = f"{UNIT_NAMES[unit]} since 1970"
    logger.warning(
        "%s, column %r: the times are taken as %s, %s; name the time "
        "unit if that is wrong.",
        where,
        name,
        "dates written as numbers" if calendar else kind,
        " to ".join(days_of(times, unit)),
    )


def calendar_seconds(whole: np.ndarray) -> np.ndarray | None:
    """Reads numbers as 20240131 or 2024: seconds (N,), or `None`."""
    digits = len(str(whole.max()))
    if digits not in CALENDAR:
        return None
    century = 10 ** (digits - 4)
    if whole.min() < 1900 * century or whole.max() >= 2101 * century:
        return None
    distinct, places = np.unique(whole, return_inverse=True)
    stamps = pd.to_datetime(
        distinct.astype(str), format=CALENDAR[digits], errors="coerce"
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
        expected = f"a time that int64 holds in {UNIT_NAMES[unit]}"
        raise bad_value(where, row, name, whole[row], expected)
    return whole * factor + billionths // (_BILLION // factor), unit
