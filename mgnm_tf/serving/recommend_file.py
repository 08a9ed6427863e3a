"""Recommendations for all users of a file, written as they come."""

import csv
import os
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mgnm_tf.errors import UserError
from mgnm_tf.serving.history_table import HistoryColumns
from mgnm_tf.serving.history_table import read_history
from mgnm_tf.serving.recommender import Recommender
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
    columns: HistoryColumns | None = None,
) -> int:
    """Recommends to every user of a file of interactions.

    The events of the file are held as numbers; recommendations are written
    block by block, so that memory does not grow with their number. How many
    users and items of the file the model does not know is logged.

    Args:
        recommender: the model.
        history: CSV or Parquet, plain or `.gz`, with columns of users, items
            and, needed by models that read times, times. Without them the
            rows of a user are in time order.
        out: the `.csv` or `.parquet` file to make, with the columns
            `user_id`, `rank` (from 1), `item_id` and `score`.
        k: number of items for each user. Defaults to `20`.
        diversity: see `Recommender.recommend`. Defaults to `0.0`.
        progress: is given how many users are done, and how many there are.
            Defaults to `None`.
        columns: what the columns of `history` are called. Defaults to
            `None`: user_id, item_id and timestamp.

    Returns:
        The number of users.

    Raises:
        OutputExistsError: `out` exists.
        DataError: `history` cannot be used, or the model knows no item of it.
        UserError: `out` has another ending, or cannot be written.
    """
    write, columns = _writer(Path(out)), columns or HistoryColumns()
    with atomic_output(out) as partial:
        requests = read_history(
            history, recommender.metadata["reads_times"], columns
        )
        recommender.known_ids.check_file(requests, history, columns.item)
        with write(partial) as writer:
            blocks = recommender.blocks(requests, k, diversity=diversity)
            for done, table in blocks:
                writer(table)
                if progress is not None:
                    progress(done, len(requests))
    return len(requests)


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
