"""Histories as people give them, turned into blocks of arrays."""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
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


def requests_of_arrays(inputs: Mapping[str, np.ndarray]) -> Requests:
    """Returns the requests that the arrays of a call stand for.

    Args:
        inputs: `user_id` (B,) and `history` (B, m), str or bytes, "" for
            none; where the model reads times `history_time` and `time`.
    """
    users, history = (_decoded(inputs[name]) for name in ("user_id", "history"))
    filled = history != ""
    offsets = np.concatenate([[0], np.cumsum(filled.sum(axis=1))])
    item_times = inputs.get("history_time")
    return Requests(
        users,
        users,
        history[filled],
        offsets.astype(np.int64),
        item_times=None if item_times is None else item_times[filled],
        times=inputs.get("time"),
    )


def _decoded(texts: np.ndarray) -> np.ndarray:
    decoded = np.empty(texts.shape, object)
    decoded.flat = [
        one.decode("utf-8", "replace") if isinstance(one, bytes) else one
        for one in texts.flat
    ]
    return decoded


def text_ids(values: Sequence, name: str) -> np.ndarray:
    """Returns ids as an array of text; whole numbers become text.

    Args:
        values: the ids: text or whole numbers, be they floats.
        name: what they are, for the message.

    Raises:
        UserError: one is neither text nor a whole number, or a float too
            large to be exact.
    """
    array = np.empty(len(values), object)
    array[:] = list(values)
    kind = pd.api.types.infer_dtype(array, skipna=False)
    if kind in ("string", "empty"):
        return array
    for place, value in enumerate(array):
        text = _text_of(value)
        if text is None:
            raise UserError(
                f"{name} must hold ids as text. Received: {value!r} "
                f"({type(value).__name__}) at {place}"
            )
        array[place] = text
    return array


def _text_of(value: Any) -> str | None:
    """Returns an id as text, `None` if it is neither text nor whole."""
    if isinstance(value, str):
        return value
    if isinstance(value, (float, np.floating)):
        # From this size on, a float stands for several whole numbers.
        bound = 2.0 ** (np.finfo(type(value)).nmant + 1)
        whole = abs(value) < bound and float(value).is_integer()
        return str(int(value)) if whole else None
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return str(value)
    return None


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
