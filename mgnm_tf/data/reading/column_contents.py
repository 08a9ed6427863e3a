"""What the columns of a log could be, told by what stands in them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from mgnm_tf.data.reading.columns import is_text
from mgnm_tf.data.reading.columns import plain
from mgnm_tf.data.reading.table import read_head
from mgnm_tf.data.reading.times import encode_times
from mgnm_tf.data.reading.times import whole_seconds
from mgnm_tf.errors import DataError

ROWS = 100_000
"""How many rows are looked at."""

# 1995 to 2100: numbers outside are ids or prices rather than seconds.
_FIRST_SECOND, _LAST_SECOND = 788_918_400, 4_102_444_800
_CONTIGUOUS, _SCATTERED = 0.5, 0.1


class ColumnContents:
    """The first rows of a file, looked at column by column.

    Args:
        path: the file.
        columns: the names of the columns that may be looked at.
        separator: see `read_log`.
        quotes: see `read_log`.

    Raises:
        DataError: the file cannot be read, or has no rows.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        separator: str | None,
        quotes: bool,
    ):
        self._table = read_head(path, columns, ROWS, separator, quotes)
        if self._table.num_rows == 0:
            raise DataError(f"{path} has columns but no rows; expected events.")

    def times(self, columns: Sequence[str]) -> list[str]:
        """Returns the columns whose entries are all times of our time."""
        return [name for name in columns if self._are_times(name)]

    def users_and_items(self, columns: Sequence[str]) -> list[str]:
        """Returns the columns that could hold the ids of a user or an item.

        They are text or whole numbers; some stand more than once, and there
        are two at least.
        """
        return [name for name in columns if self._are_ids(name)]

    def tell_users(self, first: str, second: str) -> str | None:
        """Returns which of two columns is the user's, if that can be told.

        Logs are mostly sorted by user: the same user stands in row after
        row, and the same item does not.
        """
        shares = {
            name: self._share_of_repeats(name) for name in (first, second)
        }
        for user, item in ((first, second), (second, first)):
            if shares[user] >= _CONTIGUOUS and shares[item] <= _SCATTERED:
                return user
        return None

    def values(self, name: str) -> set[str]:
        """Returns the distinct entries of a column as text."""
        return set(self._text(name).unique())

    def _are_times(self, name: str) -> bool:
        column = self._table[name]
        numbers = pd.to_numeric(self._text(name), errors="coerce")
        if numbers.notna().all():
            # Seconds; a thousand of what is finer is one of the next.
            seconds = numbers.to_numpy(float)
            if not np.isfinite(seconds).all():
                return False
            while seconds.max() > 10**11:
                seconds = seconds / 1000
        else:
            try:
                times, unit = encode_times(column, name, "")
            except DataError:
                return False
            seconds = whole_seconds(times, unit)
        return bool(
            seconds.min() >= _FIRST_SECOND and seconds.max() <= _LAST_SECOND
        )

    def _are_ids(self, name: str) -> bool:
        kind = plain(self._table[name]).type
        if not (is_text(kind) or pa.types.is_integer(kind)):
            return False
        entries = self._text(name)
        numbers = pd.to_numeric(entries, errors="coerce")
        if numbers.notna().all() and (numbers % 1 != 0).any():
            return False
        different = entries.nunique()
        return 2 <= different <= 0.9 * len(entries)

    def _share_of_repeats(self, name: str) -> float:
        codes = pd.factorize(self._text(name))[0]
        return float(np.mean(codes[1:] == codes[:-1])) if len(codes) > 1 else 0

    def _text(self, name: str) -> pd.Series:
        return plain(self._table[name]).cast(pa.string()).to_pandas()
