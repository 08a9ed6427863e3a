"""From files to one table of the database: every row, checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pyarrow as pa

from mgnm_tf.data.columns import encode_ids
from mgnm_tf.data.columns import finite_numbers
from mgnm_tf.data.large.block_times import BlockTimes
from mgnm_tf.data.large.block_times import KindChanges
from mgnm_tf.data.large.workspace import Workspace
from mgnm_tf.data.log import encode_parts
from mgnm_tf.data.log import no_rows
from mgnm_tf.data.source_files import rows_of_files
from mgnm_tf.data.table import check_alike
from mgnm_tf.data.table import read_blocks
from mgnm_tf.data.text_table import ReadAgain
from mgnm_tf.errors import RowError

_RAW = """
CREATE OR REPLACE TABLE raw (
    user_id VARCHAR, item_id VARCHAR, whole BIGINT, billionths INTEGER,
    kept BOOLEAN, part TINYINT, category VARCHAR, row BIGINT)
"""
_SECONDS_BETWEEN_WORDS = 10


@dataclass(frozen=True)
class Columns:
    """The columns of a log, and how its files are written.

    Args:
        user: name of the column of user ids.
        item: name of the column of item ids.
        time: name of the column of times.
        rating: name of the column of ratings, or `None`.
        category: name of the column of categories, or `None`.
        split: name of the column of the given split, or `None`.
        time_unit: see `read_log`.
        separator: see `read_log`.
        quotes: see `read_log`.
        rating_above: see `prepare`.
    """

    user: str
    item: str
    time: str
    rating: str | None = None
    category: str | None = None
    split: str | None = None
    time_unit: str = "auto"
    separator: str | None = None
    quotes: bool = True
    rating_above: float | None = None

    def wanted(self) -> tuple[list[str], list[str]]:
        """Returns the columns of ids, and those of numbers."""
        named = [self.user, self.item, self.category, self.split]
        ids = list(dict.fromkeys(name for name in named if name))
        numbers = [self.time, self.rating]
        return ids, [name for name in numbers if name and name not in ids]


def stage(
    work: Workspace, files: Sequence[Path], columns: Columns, where: str
) -> dict[str, Any]:
    """Reads all files into the table `raw`.

    Args:
        work: the database.
        files: the files.
        columns: what to read of them.
        where: the source, for messages.

    Returns:
        `rows`: the rows of each file; `kept`: how many rows have a rating
        above the threshold; `time`: the SQL expression of a time;
        `time_unit`; `order_only`.

    Raises:
        DataError: see `read_log`.
    """
    try:
        stager = _Stager(work, files, columns)
        stager.read_all()
    except KindChanges:
        work.progress("reading again: some times are no plain numbers")
        stager = _Stager(work, files, columns, kind="float")
        stager.read_all()
    if not sum(stager.rows):
        raise no_rows(where)
    with rows_of_files(files, stager.rows):
        time, unit = stager.times.finish(work, where)
    return {
        "rows": stager.rows,
        "kept": stager.kept,
        "time": time,
        "time_unit": unit,
        "order_only": columns.time_unit == "auto"
        and unit == "s"
        and _is_order_only(work, time),
    }


class _Stager:
    """Reads files block by block."""

    def __init__(self, work, files, columns, kind=""):
        self.work = work
        self.files = files
        self.columns = columns
        self.times = BlockTimes(columns.time, columns.time_unit, kind)
        self.rows: list[int] = []
        self.kept = 0
        self._schema: pa.Schema | None = None
        self._said = monotonic()

    def read_all(self) -> None:
        """Reads all files in one transaction."""
        self.work.run_sql(_RAW)
        self.work.run_sql("BEGIN")
        try:
            for path in self.files:
                self._read(path)
        except BaseException:
            self.work.run_sql("ROLLBACK")
            raise
        self.work.run_sql("COMMIT")

    def _read(self, path: Path) -> None:
        kept = self.kept
        try:
            self.rows.append(self._blocks(path, again=False))
        except ReadAgain:
            self.kept = kept
            self.work.run_sql(
                "DELETE FROM raw WHERE row >= ?", [sum(self.rows)]
            )
            self.rows.append(self._blocks(path, again=True))

    def _blocks(self, path: Path, again: bool) -> int:
        """Reads a file; returns how many rows it has."""
        columns, done, first = self.columns, 0, sum(self.rows)
        blocks = read_blocks(
            path,
            *columns.wanted(),
            separator=columns.separator,
            quotes=columns.quotes,
            again=again,
        )
        for block in blocks:
            if self._schema is None:
                self._schema = block.schema
            check_alike(self.files[0], self._schema, path, block.schema)
            if not block.num_rows:
                continue
            try:
                table = self._checked(block, str(path), first + done)
            except RowError as error:
                row = error.row + done
                raise RowError(str(path), row, error.said) from error
            with self.work.table_of("block", table):
                self.work.run_sql("INSERT INTO raw SELECT * FROM block")
            done += block.num_rows
            if monotonic() - self._said > _SECONDS_BETWEEN_WORDS:
                self._said = monotonic()
                self.work.progress(f"reading: {first + done:,} rows")
        return done

    def _checked(self, block: pa.Table, where: str, first: int) -> pa.Table:
        """Turns a block of a file into rows of `raw`."""
        columns, count = self.columns, block.num_rows
        whole, rest = self.times.read(block[columns.time], where)
        kept = np.ones(count, bool)
        parts = np.zeros(count, np.int8)
        category = pa.nulls(count, pa.string())
        if columns.rating:
            found = finite_numbers(block[columns.rating], columns.rating, where)
            if columns.rating_above is not None:
                kept = found.astype(np.float32) > columns.rating_above
        self.kept += int(np.count_nonzero(kept))
        if columns.category:
            category = _text(block, columns.category, where, optional=True)
        if columns.split:
            parts = encode_parts(block[columns.split], columns.split, where)
        return pa.table(
            {
                "user_id": _text(block, columns.user, where),
                "item_id": _text(block, columns.item, where),
                "whole": whole,
                "billionths": rest,
                "kept": kept,
                "part": parts,
                "category": category,
                "row": np.arange(first, first + count),
            }
        )


def _text(
    block: pa.Table, name: str, where: str, optional: bool = False
) -> pa.Array:
    """Returns a column of ids as a dictionary of text, null for none."""
    codes, ids = encode_ids(block[name], name, where, optional)
    return pa.DictionaryArray.from_arrays(
        pa.array(codes, mask=codes < 0), pa.array(ids, pa.string())
    )


def _is_order_only(work: Workspace, time: str) -> bool:
    """Whether the times of each user are 0 to n - 1, or 1 to n."""
    top, most = work.rows(f"SELECT max({time}), count(*) FROM raw")[0]
    if top > most:
        return False
    return not work.one(
        f"""
        SELECT count(*) FROM (
            SELECT min({time}) AS low, max({time}) AS top, count(*) AS n,
                   count(DISTINCT {time}) AS different
              FROM raw GROUP BY user_id)
         WHERE low > 1 OR top - low + 1 <> n OR different <> n
        """
    )
