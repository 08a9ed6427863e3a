"""The arguments of a `Recommender`, read as requests."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from mgnm_tf.errors import UserError
from mgnm_tf.serving.requests.history_table import read_frame
from mgnm_tf.serving.requests.history_table import read_times
from mgnm_tf.serving.requests.request_blocks import Requests
from mgnm_tf.serving.requests.request_blocks import rows_of_ids
from mgnm_tf.serving.requests.request_blocks import text_ids


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
        requests = read_frame(histories, reads_times)
    else:
        if reads_times:
            raise UserError(
                "The model reads times: give `histories` as a table with the "
                "columns user_id, item_id and timestamp."
            )
        requests = _of_lists(histories, users)
    if reads_times and times is not None:
        times = read_times(times, len(requests))
        requests = replace(requests, times=times)
    return requests


def read_candidates(candidates: Any, count: int) -> np.ndarray:
    """Checks candidates: str (count, C).

    Args:
        candidates: see `Recommender.score`.
        count: how many users there are.

    Raises:
        UserError: they are no table of ids with a row for each user.
    """
    rows = rows_of_ids(candidates, "`candidates`")
    if len(rows) != count:
        raise UserError(
            f"`candidates` must have a row for each of the {count} users. "
            f"Received: {len(rows)} rows"
        )
    if len({len(row) for row in rows}) > 1:
        raise UserError(
            "`candidates` must have as many items in each row. Received: "
            f"{len(rows[0])} and {min(len(r) for r in rows)} of them"
        )
    if not rows:
        return np.zeros((0, 0), object)
    return np.stack([text_ids(row, "`candidates`") for row in rows])


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
