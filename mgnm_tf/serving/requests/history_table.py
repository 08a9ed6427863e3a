"""Histories in a file or a data frame: one row an event."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from mgnm_tf.data.log import table_of_frame
from mgnm_tf.data.reading.columns import encode_ids
from mgnm_tf.data.reading.table import read_table
from mgnm_tf.data.reading.times import TIME_UNITS
from mgnm_tf.data.reading.times import encode_times
from mgnm_tf.data.reading.times import whole_seconds
from mgnm_tf.errors import DataError
from mgnm_tf.errors import MissingColumnError
from mgnm_tf.errors import UserError
from mgnm_tf.serving.requests.request_blocks import Requests
from mgnm_tf.utils.validation import check_choice

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HistoryColumns:
    """What the columns of a file of events are called.

    Args:
        user: the column of user ids. Defaults to `"user_id"`.
        item: the column of item ids. Defaults to `"item_id"`.
        time: the column of times. Defaults to `None`: `"timestamp"` where
            there is such a column; without it the rows of a user are in time
            order.
        separator: see `read_log`. Defaults to `None`.
        time_unit: see `read_log`. Defaults to `"auto"`.
        quotes: see `read_log`. Defaults to `True`.

    Raises:
        UserError: the unit is unknown.
    """

    user: str = "user_id"
    item: str = "item_id"
    time: str | None = None
    separator: str | None = None
    time_unit: str = "auto"
    quotes: bool = True

    def __post_init__(self):
        try:
            check_choice(self.time_unit, "time_unit", ("auto", *TIME_UNITS))
        except ValueError as error:
            raise UserError(str(error)) from error


def read_history(
    path: str | os.PathLike,
    reads_times: bool,
    columns: HistoryColumns | None = None,
    part: bool = False,
) -> Requests:
    """Reads the histories of a file, users in the order of their first rows.

    Args:
        path: CSV or Parquet, plain or `.gz`.
        reads_times: whether the model reads times.
        columns: what its columns are called. Defaults to `None`: user_id,
            item_id and timestamp.
        part: whether it is one of many files: it may have no rows then, and
            that times are missing has been said. Defaults to `False`.

    Raises:
        DataError: the file cannot be used.
    """
    path, columns = Path(path), columns or HistoryColumns()
    time = columns.time or "timestamp"
    ids = list(dict.fromkeys([columns.user, columns.item]))
    how = {"separator": columns.separator, "quotes": columns.quotes}
    try:
        table = read_table(path, ids, [time], **how)
    except MissingColumnError as error:
        if error.column != time or columns.time or reads_times:
            raise
        table = read_table(path, ids, [], **how)
        if not part:
            note_missing_times(str(path), error.found)
    if not table.num_rows:
        if part:
            return _nothing(reads_times)
        raise DataError(f"{path} has columns but no rows; expected events.")
    return _lay_out(table, columns, str(path), reads_times)


def read_frame(frame: pd.DataFrame, reads_times: bool) -> Requests:
    """Reads the histories of a data frame, as `read_history` those of a file.

    Args:
        frame: columns `user_id`, `item_id` and, needed by models that read
            times, `timestamp`: as `read_log` reads it. May be empty.
        reads_times: whether the model reads times.

    Raises:
        DataError: the frame cannot be used.
    """
    wanted = ["user_id", "item_id"]
    if reads_times or "timestamp" in frame.columns:
        wanted.append("timestamp")
    elif len(frame.columns) > len(wanted):
        note_missing_times("the table", list(map(str, frame.columns)))
    table = table_of_frame(frame, wanted)
    if not table.num_rows:
        return _nothing(reads_times)
    return _lay_out(table, HistoryColumns(), "the table", reads_times)


def read_times(times: Sequence, count: int) -> np.ndarray:
    """Reads the moment of each request: int64 (count,), in whole seconds.

    Args:
        times: numbers of seconds, dates, timestamps or text of these.
        count: how many there must be.

    Raises:
        UserError: there are more or fewer, or one is no time.
    """
    array = np.asarray(times)
    if array.shape != (count,):
        raise UserError(
            f"`times` must be {count} times, one for each user. Received: "
            f"shape {array.shape}"
        )
    if not count:
        return np.zeros(0, np.int64)
    table = table_of_frame(pd.DataFrame({"times": times}), ["times"])
    return whole_seconds(*encode_times(table["times"], "times", "`times`"))


def note_missing_times(where: str, found: list[str]) -> None:
    """Says that rows are taken to be in time order.

    Args:
        where: the file, or what else the rows are of.
        found: the names of its columns.
    """
    logger.info(
        "%s has no column 'timestamp', so the rows of each user are taken to "
        "be in time order; columns found: %s. If one of them holds the times, "
        "name it (--time-column).",
        where,
        ", ".join(map(repr, found)),
    )


def _lay_out(
    table: pa.Table, columns: HistoryColumns, where: str, reads_times: bool
) -> Requests:
    """Puts the events of each user one after another, oldest first."""
    user, item = columns.user, columns.item
    time = columns.time or "timestamp"
    users, user_ids = encode_ids(table[user], user, where)
    items, item_ids = encode_ids(table[item], item, where)
    codes, present = pd.factorize(users)
    order, times = np.argsort(codes, kind="stable"), None
    if time in table.column_names:
        times, unit = encode_times(table[time], time, where, columns.time_unit)
        order = np.lexsort((times, codes))
        times = whole_seconds(times[order], unit)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    names = np.asarray(user_ids, object)[present]
    return Requests(
        labels=names,
        users=names,
        items=np.asarray(item_ids, object)[items[order]],
        offsets=offsets,
        item_times=times if reads_times else None,
        times=times[offsets[1:] - 1] if reads_times else None,
    )


def _nothing(reads_times: bool) -> Requests:
    names, times = np.zeros(0, object), None
    if reads_times:
        times = np.zeros(0, np.int64)
    offsets = np.zeros(1, np.int64)
    return Requests(names, names, names, offsets, times, times)
