"""A file of a log as checked blocks of rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from mgnm_tf.data.large.block_times import BlockTimes
from mgnm_tf.data.log import encode_parts
from mgnm_tf.data.reading.columns import encode_ids
from mgnm_tf.data.reading.columns import finite_numbers
from mgnm_tf.data.reading.table import check_alike
from mgnm_tf.data.reading.table import read_blocks
from mgnm_tf.errors import RowError


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


@dataclass
class FileBlocks:
    """Reads a file block by block.

    Args:
        path: the file.
        columns: what to read of it.
        times: collects what is known of the times.
        first: the number of its first row. Defaults to 0.
        like: a file before it and its columns, which are to be the same.

    Attributes:
        rows: how many rows were read.
        kept: how many of them have a rating above the threshold.
    """

    path: Path
    columns: Columns
    times: BlockTimes
    first: int = 0
    like: tuple[Path, pa.Schema] | None = None
    rows: int = 0
    kept: int = 0

    def blocks(self, again: bool = False) -> Iterator[pa.Table]:
        """Yields blocks with the columns of the table `raw`.

        Args:
            again: whether this is the second try, see `ReadAgain`. Defaults
                to `False`.

        Raises:
            ReadAgain: the blocks so far are to be thrown away.
            KindChanges: so are those of all files.
            DataError: see `read_log`.
        """
        self.rows = self.kept = 0
        if self.like is not None and self.like[0] == self.path:
            self.like = None  # Of the first try, which is void.
        columns = self.columns
        found = read_blocks(
            self.path,
            *columns.wanted(),
            separator=columns.separator,
            quotes=columns.quotes,
            again=again,
        )
        for block in found:
            if self.like is None:
                self.like = self.path, block.schema
            check_alike(*self.like, self.path, block.schema)
            if not block.num_rows:
                continue
            try:
                table = self._checked(block, str(self.path))
            except RowError as error:
                row = error.row + self.rows
                raise RowError(str(self.path), row, error.said) from error
            self.rows += block.num_rows
            yield table

    def _checked(self, block: pa.Table, where: str) -> pa.Table:
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
                "row": self.first + self.rows + np.arange(count),
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
