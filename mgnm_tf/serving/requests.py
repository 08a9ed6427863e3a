"""Histories as people give them, turned into blocks of arrays."""

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from mgnm_tf.errors import UserError

_CELLS = 1 << 20
"""Places of the (rows, length) array of a block."""


@dataclass(frozen=True, eq=False)
class Requests:
    """The histories of many users, one after another.

    Letters in shapes: B users, N events.

    Args:
        labels: what stands for each user in the answer, (B,).
        users: the id of each user, str (B,).
        items: the items of all histories, oldest first, str (N,).
        offsets: int64 (B + 1,); the items of user b stand at
            `offsets[b]:offsets[b + 1]`.
        item_times: int64 (N,), when; or `None`.
        times: int64 (B,), the moment of each request; or `None`.
    """

    labels: np.ndarray
    users: np.ndarray
    items: np.ndarray
    offsets: np.ndarray
    item_times: np.ndarray | None = None
    times: np.ndarray | None = None

    def __len__(self):
        return len(self.labels)

    def blocks(self, size: int) -> Iterator[tuple[int, int, dict]]:
        """Yields start, stop and the arrays of a request, block by block.

        Args:
            size: the most users of a block; of long histories fewer.
        """
        lengths, start = np.diff(self.offsets), 0
        while start < len(self):
            longest = np.maximum.accumulate(lengths[start : start + size])
            cells = np.maximum(longest, 1) * np.arange(1, len(longest) + 1)
            stop = start + max(1, int(np.searchsorted(cells, _CELLS, "right")))
            yield start, stop, self._arrays(start, stop)
            start = stop

    def _arrays(self, start: int, stop: int) -> dict[str, np.ndarray]:
        first, last = self.offsets[start], self.offsets[stop]
        lengths = np.diff(self.offsets[start : stop + 1])
        width = max(1, lengths.max())
        filled = np.arange(width) < lengths[:, None]
        history = np.full(filled.shape, "", object)
        history[filled] = self.items[first:last]
        arrays = {"user_id": self.users[start:stop], "history": history}
        if self.item_times is not None:
            history_time = np.zeros(filled.shape, np.int64)
            history_time[filled] = self.item_times[first:last]
            arrays["history_time"] = history_time
        if self.times is not None:
            arrays["time"] = self.times[start:stop]
        return arrays


def read_requests(
    histories: Sequence[Sequence[str]] | pd.DataFrame,
    users: Sequence[str] | None,
    times: Sequence[int] | None,
    reads_times: bool,
) -> Requests:
    """Checks histories and lays them out flat.

    Args:
        histories: see `Recommender.recommend`.
        users: see `Recommender.recommend`.
        times: see `Recommender.recommend`.
        reads_times: whether the model reads times.

    Raises:
        UserError: an argument is of another kind than expected.
    """
    if isinstance(histories, pd.DataFrame):
        if users is not None:
            raise UserError(
                "`users` goes with a sequence of histories; a table names "
                "the users itself."
            )
        requests = _of_table(histories, reads_times)
    else:
        if reads_times:
            raise UserError(
                "The model reads times: give `histories` as a table with the "
                "columns user_id, item_id and timestamp."
            )
        requests = _of_lists(histories, users)
    if not reads_times:
        return requests
    latest = np.zeros(len(requests), np.int64)
    some = np.diff(requests.offsets) > 0
    latest[some] = requests.item_times[requests.offsets[1:][some] - 1]
    if times is not None:
        latest = _integers(times, "`times`", len(requests))
    fields = vars(requests) | {"times": latest}
    return Requests(**fields)


def text_ids(values: Sequence, name: str) -> np.ndarray:
    """Returns ids as an array of text; whole numbers become text.

    Args:
        values: the ids.
        name: what they are, for the message.

    Raises:
        UserError: one is neither text nor a whole number.
    """
    array = np.empty(len(values), object)
    array[:] = list(values)
    kind = pd.api.types.infer_dtype(array, skipna=False)
    if kind in ("string", "empty"):
        return array
    for place, value in enumerate(array):
        if isinstance(value, bool) or not isinstance(
            value, (str, int, np.integer)
        ):
            raise UserError(
                f"{name} must hold ids as text. Received: {value!r} "
                f"({type(value).__name__}) at {place}"
            )
    array[:] = [str(value) for value in array]
    return array


def rows_of_ids(rows: Any, name: str) -> list[Sequence]:
    """Returns sequences of ids after checking that they are sequences.

    Args:
        rows: what was given.
        name: the argument, for the message.

    Raises:
        UserError: it is no sequence of sequences.
    """
    if isinstance(rows, np.ndarray):
        if rows.ndim != 2 and rows.dtype != object:
            raise UserError(
                f"{name} must have two axes, users and items. Received: "
                f"shape {rows.shape}"
            )
        rows = list(rows)
    elif isinstance(rows, pd.Series):
        rows = rows.tolist()
    if isinstance(rows, (str, bytes)) or not isinstance(rows, Sequence):
        raise UserError(
            f"{name} must be a sequence of sequences of ids. Received: "
            f"{type(rows).__name__}"
        )
    for place, row in enumerate(rows):
        if not isinstance(row, (Sequence, np.ndarray, pd.Series)) or (
            isinstance(row, (str, bytes))
        ):
            raise UserError(
                f"{name} must be a sequence of sequences of ids. Received: "
                f"{row!r} ({type(row).__name__}) in row {place}"
            )
    return list(rows)


def _of_lists(histories: Any, users: Sequence[str] | None) -> Requests:
    rows = rows_of_ids(histories, "`histories`")
    count = len(rows)
    if users is None:
        labels, names = np.arange(count), np.full(count, "", object)
    else:
        names = labels = text_ids(users, "`users`")
    if len(names) != count:
        raise UserError(
            f"`users` must name each of the {count} histories. Received: "
            f"{len(names)} users"
        )
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    items = text_ids(list(chain.from_iterable(rows)), "`histories`")
    return Requests(labels, names, items, offsets.astype(np.int64))


def _of_table(table: pd.DataFrame, reads_times: bool) -> Requests:
    wanted = ["user_id", "item_id"] + ["timestamp"] * reads_times
    for column in wanted:
        if column not in table.columns:
            raise UserError(
                f"`histories` must have a column {column!r}. Received: "
                f"{', '.join(map(repr, table.columns)) or 'no columns'}"
            )
    users = text_ids(table["user_id"], "The column 'user_id'")
    items = text_ids(table["item_id"], "The column 'item_id'")
    codes, names = pd.factorize(users)
    order = np.argsort(codes, kind="stable")
    item_times = None
    if "timestamp" in table.columns:
        name = "The column 'timestamp'"
        item_times = _integers(table["timestamp"], name, len(table))
        order = np.lexsort((item_times, codes))
        item_times = item_times[order]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    if not len(names):
        offsets = np.zeros(1)
    return Requests(
        names,
        names,
        items[order],
        offsets.astype(np.int64),
        item_times if reads_times else None,
    )


def _integers(values: Sequence, name: str, count: int) -> np.ndarray:
    """Returns whole numbers (count,) int64."""
    array = np.asarray(values)
    if array.shape != (count,) or (count and array.dtype.kind not in "iu"):
        raise UserError(
            f"{name} must be {count} whole numbers of seconds. Received: "
            f"shape {array.shape}, dtype {array.dtype}"
        )
    return array.astype(np.int64)
