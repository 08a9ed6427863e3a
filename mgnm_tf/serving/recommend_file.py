"""Recommendations for all users of a file, written as they come."""

import csv
import os
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mgnm_tf.data.columns import encode_ids
from mgnm_tf.data.table import read_table
from mgnm_tf.data.times import encode_times
from mgnm_tf.data.times import whole_seconds
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from mgnm_tf.serving.recommender import Recommender
from mgnm_tf.serving.requests import Requests
from mgnm_tf.utils.files import atomic_output

_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("rank", pa.int32()),
        ("item_id", pa.string()),
        ("score", pa.float32()),
    ]
)


def recommend_file(
    recommender: Recommender,
    history: str | os.PathLike,
    out: str | os.PathLike,
    k: int = 20,
    diversity: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Recommends to every user of a file of interactions.

    The events of the file are held as numbers; recommendations are written
    block by block, so that memory does not grow with their number.

    Args:
        recommender: the model.
        history: CSV or Parquet, plain or `.gz`, with the columns `user_id`,
            `item_id` and, needed by models that read times, `timestamp`.
            Without it the rows of a user are in time order.
        out: the `.csv` or `.parquet` file to make, with the columns
            `user_id`, `rank` (from 1), `item_id` and `score`.
        k: number of items for each user. Defaults to `20`.
        diversity: see `Recommender.recommend`. Defaults to `0.0`.
        progress: is given how many users are done, and how many there are.
            Defaults to `None`.

    Returns:
        The number of users.

    Raises:
        OutputExistsError: `out` exists.
        DataError: `history` cannot be used.
        UserError: `out` has another ending, or cannot be written.
    """
    write = _writer(Path(out))
    with atomic_output(out) as partial:
        requests = read_history(history, recommender.metadata["reads_times"])
        with write(partial) as writer:
            blocks = recommender.blocks(requests, k, diversity=diversity)
            for done, table in blocks:
                writer(table)
                if progress is not None:
                    progress(done, len(requests))
    return len(requests)


def read_history(path: str | os.PathLike, reads_times: bool) -> Requests:
    """Reads the histories of a file, users in the order of their first rows.

    Args:
        path: see `recommend_file`.
        reads_times: whether the model reads times.

    Raises:
        DataError: the file cannot be used.
    """
    path = Path(path)
    columns, timed = ["user_id", "item_id"], True
    try:
        table = read_table(path, columns, ["timestamp"])
    except DataError as error:
        if reads_times or "no column 'timestamp'" not in str(error):
            raise
        table, timed = read_table(path, columns, []), False
    if not table.num_rows:
        raise DataError(f"{path} has columns but no rows; expected events.")
    where = str(path)
    users, user_ids = encode_ids(table["user_id"], "user_id", where)
    items, item_ids = encode_ids(table["item_id"], "item_id", where)
    codes, present = pd.factorize(users)
    order, times = np.argsort(codes, kind="stable"), None
    if timed:
        times, unit = encode_times(table["timestamp"], "timestamp", where)
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


def _writer(path: Path):
    """Returns the context manager that writes a file of this ending."""
    writers = {".csv": _csv_writer, ".parquet": _parquet_writer}
    if path.suffix not in writers:
        raise UserError(
            "The file of the recommendations must end in .csv or .parquet. "
            f"Received: {path}"
        )
    return writers[path.suffix]


@contextmanager
def _csv_writer(path: Path):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(_SCHEMA.names)
        yield lambda table: table.to_csv(
            file, header=False, index=False, lineterminator="\n"
        )


@contextmanager
def _parquet_writer(path: Path):
    with pq.ParquetWriter(path, _SCHEMA) as writer:
        yield lambda table: writer.write_table(
            pa.Table.from_pandas(table, _SCHEMA, preserve_index=False)
        )
