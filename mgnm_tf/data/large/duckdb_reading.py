"""Files to the table `raw` of DuckDB, block by block."""

from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pyarrow as pa

from mgnm_tf.data.large.block_times import BlockTimes
from mgnm_tf.data.large.block_times import KindChanges
from mgnm_tf.data.large.file_blocks import Columns
from mgnm_tf.data.large.file_blocks import FileBlocks
from mgnm_tf.data.large.workspace import Read
from mgnm_tf.data.reading.text_table import ReadAgain

if TYPE_CHECKING:
    from mgnm_tf.data.large.duckdb_workspace import DuckDBWorkspace

_RAW = """
CREATE OR REPLACE TABLE raw (
    user_id VARCHAR, item_id VARCHAR, whole BIGINT, billionths INTEGER,
    kept BOOLEAN, part TINYINT, category VARCHAR, row BIGINT)
"""
_SECONDS_BETWEEN_WORDS = 10


def read_by_duckdb(
    work: "DuckDBWorkspace", files: Sequence[Path], columns: Columns
) -> Read:
    """Does `Workspace.read`."""
    try:
        return _Reader(work, files, columns).read_all()
    except KindChanges:
        work.progress("reading again: some times are no plain numbers")
        return _Reader(work, files, columns, kind="float").read_all()


class _Reader:
    """Reads files block by block."""

    def __init__(self, work, files, columns, kind=""):
        self.work = work
        self.files = files
        self.columns = columns
        self.times = BlockTimes(columns.time, columns.time_unit, kind)
        self.rows: list[int] = []
        self.kept = 0
        self._like: tuple[Path, pa.Schema] | None = None
        self._said = monotonic()

    def read_all(self) -> Read:
        """Reads all files.

        Not in one transaction, which would hold every block until its end.
        """
        self.work.run_sql(_RAW)
        for path in self.files:
            self._read(path)
        return Read(self.rows, self.kept, self.times, self.rows)

    def _read(self, path: Path) -> None:
        first = sum(self.rows)
        file = FileBlocks(path, self.columns, self.times, first, self._like)
        try:
            self._insert(file.blocks(), file)
        except ReadAgain:
            self.work.run_sql("DELETE FROM raw WHERE row >= ?", [first])
            self._insert(file.blocks(again=True), file)
        self._like = file.like
        self.rows.append(file.rows)
        self.kept += file.kept

    def _insert(self, blocks: Iterable[pa.Table], file: FileBlocks) -> None:
        for table in blocks:
            with self.work.table_of("block", table):
                self.work.run_sql("INSERT INTO raw SELECT * FROM block")
            if monotonic() - self._said > _SECONDS_BETWEEN_WORDS:
                self._said = monotonic()
                rows = file.first + file.rows
                self.work.progress(f"reading: {rows:,} rows")
