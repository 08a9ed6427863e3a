"""Recommendations from frames to frames, for engines of other clusters."""

import os
from collections.abc import Iterable
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mgnm_tf.data.reading.columns import check_columns
from mgnm_tf.errors import DataError
from mgnm_tf.export import export_folder
from mgnm_tf.serving.recommend_arguments import check_recommend
from mgnm_tf.serving.recommender import Recommender
from mgnm_tf.serving.requests.history_table import read_frame

_USER = "user_id"


def recommend_partitions(
    frames: Iterable[pd.DataFrame],
    export: str | os.PathLike,
    k: int = 20,
    exclude_seen: bool = True,
    diversity: float = 0.0,
) -> Iterator[pd.DataFrame]:
    """Recommends to the users of one partition, a frame at a time.

    What Spark's `mapInPandas` calls, and anything else that hands over
    frames. The model is loaded once a process, however many partitions it
    serves. No history is cut: rows of a user may go on in the next frame, and
    are waited for. **The rows must be sorted by `user_id`, and a user must
    be in one partition**, which the engine sees to:

    ```
    found = (
        events.repartition("user_id")
        .sortWithinPartitions("user_id", "timestamp")
        .mapInPandas(
            lambda frames: recommend_partitions(frames, "exports/a", k=20),
            "user_id string, rank int, item_id string, score float",
        )
    )
    ```

    Each user gets what `Recommender.recommend` returns for the whole table.
    What the model does not know is not logged.

    Args:
        frames: columns `user_id` (text or whole numbers), `item_id` and,
            needed by models that read times, `timestamp`: a row an event.
            Without times the rows of a user are in time order. May be empty.
        export: the export folder, which each machine can read.
        k: see `Recommender.recommend`. Defaults to `20`.
        exclude_seen: see `Recommender.recommend`. Defaults to `True`.
        diversity: see `Recommender.recommend`. Defaults to `0.0`.

    Returns:
        An iterator over frames with the columns `user_id` str, `rank` int32
        from 1, `item_id` str and `score` float32; text is of the dtype object.

    Raises:
        DataError: the rows are not sorted by `user_id`, or a column is
            missing or holds what it cannot.
        UserError: the export is damaged, or an argument out of its range.
    """
    check_recommend(k, exclude_seen, diversity)
    recommender = None
    for frame in _whole_users(frames):
        if recommender is None:
            recommender = _load(export)
        requests = read_frame(frame, recommender.metadata["reads_times"])
        for _, table in recommender.blocks(
            requests, k, exclude_seen, diversity
        ):
            yield table.astype(
                {"user_id": object, "rank": np.int32, "item_id": object}
            )


def _load(export: str | os.PathLike) -> Recommender:
    path = Path(export).absolute()
    header = path / export_folder.HEADER
    changed = header.stat().st_mtime_ns if header.exists() else 0
    return _loaded(path, changed)


@lru_cache(maxsize=1)
def _loaded(path: Path, changed: int) -> Recommender:
    """Loads an export once a process, and anew when it is another one."""
    return Recommender.load(path)


def _whole_users(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Yields frames of the same rows, between which no user is cut."""
    kept: list[pd.DataFrame] = []  # All of one user, who may go on.
    last = None
    for frame in frames:
        if not len(frame):
            continue
        users = _sorted_users(frame, last)
        if not kept or users[-1] != last:
            begin = int(np.argmax(users == users[-1]))
            if kept or begin:
                yield pd.concat([*kept, frame[:begin]], ignore_index=True)
            kept, frame = [], frame[begin:]
        kept.append(frame)
        last = users[-1]
    if kept:
        yield pd.concat(kept, ignore_index=True)


def _sorted_users(frame: pd.DataFrame, last: Any) -> np.ndarray:
    """Returns the users of a frame after checking their order.

    Args:
        frame: rows.
        last: the user of the row before them; `None` if there is none.
    """
    check_columns("A partition", [_USER], list(map(str, frame.columns)))
    users = frame[_USER].to_numpy()
    before = users[:-1] if last is None else np.append([last], users[:-1])
    after = users[1:] if last is None else users
    try:
        falls = np.asarray(after < before, bool)
    except TypeError as error:
        raise DataError(
            f"A partition, column {_USER!r}: holds ids of several kinds or "
            f"none ({error}); expected text or whole numbers."
        ) from error
    if falls.any():
        row = int(np.argmax(falls))
        raise DataError(
            f"A partition must be sorted by {_USER!r}, so that no history is "
            f"cut. Received: {after[row]!r} after {before[row]!r}; in Spark: "
            f"sortWithinPartitions({_USER!r}, 'timestamp')."
        )
    return users
