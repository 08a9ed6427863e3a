"""Recommendations for all users of a file, written as they come."""

import csv
import os
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mgnm_tf.errors import UserError
from mgnm_tf.serving.recommender import Recommender
from mgnm_tf.serving.requests.history_table import HistoryColumns
from mgnm_tf.serving.requests.history_table import read_history
from mgnm_tf.serving.requests.request_blocks import Requests
from mgnm_tf.utils.files import atomic_output

_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("rank", pa.int32()),
        ("item_id", pa.string()),
        ("score", pa.float32()),
    ]
)

_NOTE = b"mgnm_tf.recommend"
"""The metadata of a file that say what it was made of."""


@dataclass(frozen=True)
class ListOptions:
    """What lists are asked for, and what the columns of a file are called.

    Args:
        k: number of items for each user. Defaults to `20`.
        diversity: see `Recommender.recommend`. Defaults to `0.0`.
        columns: what the columns of histories are called. Defaults to those
            of `HistoryColumns`: user_id, item_id and timestamp.
    """

    k: int = 20
    diversity: float = 0.0
    columns: HistoryColumns = field(default_factory=HistoryColumns)


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
    users and items of the file the model does not know is logged. For files
    that memory does not hold see `recommend_folder`.

    Args:
        recommender: the model.
        history: CSV, Parquet or JSON Lines, plain or `.gz`, with columns of
            users, items and, needed by models that read times, times.
            Without them the rows of a user are in time order.
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
    options = ListOptions(k, diversity, columns or HistoryColumns())
    write = _writer(Path(out))
    with atomic_output(out) as partial:
        requests = read_history(
            history, recommender.metadata["reads_times"], options.columns
        )
        recommender.known_ids.check_file(
            requests, history, options.columns.item
        )
        with write(partial) as writer:
            for done, table in _lists(recommender, requests, options):
                writer(table)
                if progress is not None:
                    progress(done, len(requests))
    return len(requests)


def write_part(
    recommender: Recommender,
    requests: Requests,
    out: str | os.PathLike,
    options: ListOptions,
    note: bytes,
) -> None:
    """Writes the recommendations of a part of many users, as Parquet.

    Args:
        recommender: the model.
        requests: the users of the part; may be none.
        out: the `.parquet` file to make; one that is there is replaced when
            the new one is whole.
        options: what is asked for.
        note: what the file was made of; stands in its metadata, see
            `read_note`.

    Raises:
        UserError: `out` cannot be written.
    """
    with atomic_output(out, overwrite=True) as partial:
        with _parquet_writer(partial, {_NOTE: note}) as writer:
            for _, table in _lists(recommender, requests, options):
                writer(table)


def read_note(path: str | os.PathLike) -> bytes | None:
    """Returns what `write_part` noted in a file; `None` of another file."""
    try:
        return (pq.read_schema(path).metadata or {}).get(_NOTE)
    except (OSError, pa.ArrowException):
        return None


def _lists(
    recommender: Recommender, requests: Requests, options: ListOptions
) -> Iterator[tuple[int, pd.DataFrame]]:
    return recommender.blocks(requests, options.k, diversity=options.diversity)


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
def _parquet_writer(path: Path, notes: dict[bytes, bytes] | None = None):
    schema = _SCHEMA.with_metadata(notes)
    with pq.ParquetWriter(path, schema) as writer:
        yield lambda table: writer.write_table(
            pa.Table.from_pandas(table, schema, preserve_index=False)
        )
