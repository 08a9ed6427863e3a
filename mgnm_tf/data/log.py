"""An interaction log in memory: integer codes, checked on entry."""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.reading.columns import bad_value
from mgnm_tf.data.reading.columns import check_columns
from mgnm_tf.data.reading.columns import encode_ids
from mgnm_tf.data.reading.columns import finite_numbers
from mgnm_tf.data.reading.source_files import Source
from mgnm_tf.data.reading.source_files import describe
from mgnm_tf.data.reading.source_files import find_files
from mgnm_tf.data.reading.source_files import rows_of_files
from mgnm_tf.data.reading.table import read_files
from mgnm_tf.data.reading.times import add_milliseconds
from mgnm_tf.data.reading.times import encode_times
from mgnm_tf.errors import DataError


@dataclass(frozen=True, eq=False, repr=False)
class InteractionLog:
    """Who did what when; N events in the order of the source.

    Args:
        users: int32 (N,), codes from 0 into `user_ids`.
        items: int32 (N,), codes from 0 into `item_ids`.
        times: int64 (N,), since 1970 in `time_unit`, or positions where the
            source has only an order; never negative.
        user_ids: code -> raw id. May hold ids without an event.
        item_ids: code -> raw id. May hold ids without an event.
        source: where the events come from, for messages.
        ratings: float32 (N,), or `None`.
        categories: int32 (N,), codes into `category_ids`, -1 for none; or
            `None` if the log has no categories.
        category_ids: code -> raw id.
        order_only: whether there are no timestamps: the times are positions,
            0 or 1 and upwards, in the sequence of each user.
        parts: int8 (N,), a given split (0 train, 1 validation, 2 test), or
            `None`.
        steps: what each filter did, in order: dicts with the name of the
            filter, its arguments and the number of events it dropped.
        time_unit: "s", "ms", "us" or "ns": the coarsest unit in which all
            times of the source are whole numbers. Defaults to `"s"`.
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray
    user_ids: Sequence[str]
    item_ids: Sequence[str]
    source: str = "the log"
    ratings: np.ndarray | None = None
    categories: np.ndarray | None = None
    category_ids: Sequence[str] = ()
    parts: np.ndarray | None = None
    order_only: bool = False
    steps: tuple[dict[str, Any], ...] = ()
    time_unit: str = "s"

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        return (
            f"InteractionLog({self.source!r}, {len(self):,} events, "
            f"{len(self.user_ids):,} users, {len(self.item_ids):,} items)"
        )

    def keep(
        self, chosen: np.ndarray, step: dict[str, Any]
    ) -> "InteractionLog":
        """Returns the log of some events.

        Args:
            chosen: bool (N,), True at the events to keep.
            step: a note on why, kept in `steps` with the number of events
                that were dropped.

        Raises:
            DataError: no event is left.
        """
        kept = int(np.count_nonzero(chosen))
        if kept == 0:
            raise nothing_left(self.source, len(self), step)
        columns = ("users", "items", "times", "ratings", "categories", "parts")
        arrays = {name: getattr(self, name) for name in columns}
        if kept < len(self):
            arrays = {
                name: None if array is None else array[chosen]
                for name, array in arrays.items()
            }
        note = {**step, "dropped_events": len(self) - kept}
        return replace(self, **arrays, steps=(*self.steps, note))

    def of_users(
        self, users: np.ndarray, user_ids: Sequence[str], step: dict[str, Any]
    ) -> "InteractionLog":
        """Returns the log of the same events with other users.

        Args:
            users: int32 (N,), codes from 0 into `user_ids`.
            user_ids: code -> raw id.
            step: a note on why, kept in `steps`.
        """
        steps = (*self.steps, {**step, "dropped_events": 0})
        return replace(self, users=users, user_ids=user_ids, steps=steps)


def nothing_left(source: str, count: int, step: dict[str, Any]) -> DataError:
    """Returns the error for a filter that leaves none of `count` events."""
    what = ", ".join(f"{key} {value}" for key, value in step.items())
    return DataError(
        f"{source}: none of its {count} events is left after "
        f"filtering ({what}); filter less."
    )


def read_log(
    source: Source | pd.DataFrame,
    *,
    user_column: str = "user_id",
    item_column: str = "item_id",
    time_column: str = "timestamp",
    rating_column: str | None = None,
    category_column: str | None = None,
    split_column: str | None = None,
    separator: str | None = None,
    column_names: Sequence[str] | None = None,
    time_unit: str = "auto",
    quotes: bool = True,
    milliseconds_column: str | None = None,
) -> InteractionLog:
    """Reads an interaction log and checks every row of it.

    Ids are text; whole numbers are taken as they are printed. Times are
    numbers (since 1970 UTC, or positions in a sequence) or dates in ISO
    8601; fractions of a second are kept. Row numbers in messages count from 1
    below the header.

    Args:
        source: a CSV file in UTF-8, a Parquet file or JSON Lines, plain or
            `.gz`; or a folder or a pattern of such files, or several, see
            `find_files`; or a `DataFrame`.
        user_column: name of the column of user ids. Defaults to `"user_id"`.
        item_column: name of the column of item ids. Defaults to `"item_id"`.
        time_column: name of the column of times. Defaults to `"timestamp"`.
        rating_column: name of a column of finite numbers, if wanted.
        category_column: name of a column of item categories, if wanted; an
            empty field means none.
        split_column: name of a column that says train, validation or test,
            if wanted.
        separator: what stands between the fields of a text file; a comma if
            it is not given, a tab for `.tsv` files.
        column_names: the columns of a text file that has no header line.
        time_unit: the unit of times that are numbers: "s", "ms", "us" or
            "ns"; the numbers are never taken as positions then. Defaults to
            `"auto"`: seconds, unless all are dates written as 20240131 or
            years, or so large that they must be of a finer unit; a warning
            in the log says so.
        quotes: whether fields of a text file may stand in quotation marks,
            with separators and line breaks inside; otherwise the marks are
            plain characters. Defaults to `True`.
        milliseconds_column: name of a column of milliseconds that are added
            to the time, if wanted: where the time is a day and this the time
            of the event within it.

    Returns:
        The log, in the order of the source.

    Raises:
        DataError: the source cannot be used; the message names the file and
            the row or column, and says what was expected.
    """
    named = [user_column, item_column, category_column, split_column]
    ids = list(dict.fromkeys(name for name in named if name))
    measured = (time_column, rating_column, milliseconds_column)
    numbers = [name for name in measured if name and name not in ids]
    if isinstance(source, pd.DataFrame):
        where = "the table"
        table = table_of_frame(source, [*ids, *numbers])
        files: list[Path] = []
        rows: list[int] = []
    else:
        where = describe(source)
        files = find_files(source)
        table, rows = read_files(
            files, ids, numbers, separator, column_names, quotes
        )
    with rows_of_files(files, rows):
        return _log_of_table(
            table,
            where,
            time_unit,
            user_column=user_column,
            item_column=item_column,
            time_column=time_column,
            rating_column=rating_column,
            category_column=category_column,
            split_column=split_column,
            milliseconds_column=milliseconds_column,
        )


def _log_of_table(
    table: pa.Table,
    where: str,
    time_unit: str,
    *,
    user_column: str,
    item_column: str,
    time_column: str,
    rating_column: str | None,
    category_column: str | None,
    split_column: str | None,
    milliseconds_column: str | None,
) -> InteractionLog:
    """Checks every row of a table, see `read_log`."""
    if table.num_rows == 0:
        raise no_rows(where)
    users, user_ids = encode_ids(table[user_column], user_column, where)
    items, item_ids = encode_ids(table[item_column], item_column, where)
    times, unit = encode_times(
        table[time_column], time_column, where, time_unit
    )
    if milliseconds_column:
        added = table[milliseconds_column]
        times, unit = add_milliseconds(
            times, unit, added, milliseconds_column, where
        )
    ratings, categories, parts = None, None, None
    category_ids: list[str] = []
    if rating_column:
        found = finite_numbers(table[rating_column], rating_column, where)
        ratings = found.astype(np.float32)
    if category_column:
        categories, category_ids = encode_ids(
            table[category_column], category_column, where, optional=True
        )
    if split_column:
        parts = encode_parts(table[split_column], split_column, where)
    return InteractionLog(
        users=users,
        items=items,
        times=times,
        user_ids=user_ids,
        item_ids=item_ids,
        source=where,
        ratings=ratings,
        categories=categories,
        category_ids=category_ids,
        parts=parts,
        order_only=time_unit == "auto"
        and unit == "s"
        and _is_order_only(users, times),
        time_unit=unit,
    )


def no_rows(source: str) -> DataError:
    """Returns the error for a log without events."""
    return DataError(f"{source} has columns but no rows; expected events.")


def _is_order_only(users: np.ndarray, times: np.ndarray) -> bool:
    """Whether the times of each user are 0 to n - 1, or 1 to n."""
    sizes = np.bincount(users)
    if times.max() > sizes.max():
        return False
    order = np.lexsort((times, users))
    starts = np.cumsum(sizes) - sizes
    ranks = np.arange(len(users)) - np.repeat(starts, sizes)
    first = np.repeat(times[order][starts[sizes > 0]], sizes[sizes > 0])
    return bool(np.all(first <= 1) and np.all(times[order] == ranks + first))


def table_of_frame(frame: pd.DataFrame, wanted: Sequence[str]) -> pa.Table:
    """Returns some columns of a data frame.

    Args:
        frame: the data frame.
        wanted: the names of the columns.

    Raises:
        DataError: a column is missing, or is there more than once.
    """
    check_columns("the table", wanted, list(frame.columns))
    columns = {}
    for name in wanted:
        values = frame[name]
        try:
            columns[name] = pa.chunked_array([pa.Array.from_pandas(values)])
        except (pa.ArrowException, OverflowError):
            # Mixed text and numbers, or whole numbers of many digits.
            text = [
                None if missing else str(value)
                for value, missing in zip(values, values.isna(), strict=True)
            ]
            columns[name] = pa.chunked_array([pa.array(text, pa.string())])
    return pa.table(columns)


def encode_parts(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray:
    """Turns the names of parts into their index, int8 (N,)."""
    codes, names = encode_ids(column, name, where)
    index = np.full(len(names), -1, np.int8)
    for code, part in enumerate(names):
        if part in PARTS:
            index[code] = PARTS.index(part)
    parts = index[codes]
    if (parts < 0).any():
        row = int(np.argmax(parts < 0))
        expected = f"one of {', '.join(PARTS)}"
        raise bad_value(where, row, name, repr(names[codes[row]]), expected)
    return parts
