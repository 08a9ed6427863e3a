"""Files to the table `raw` of Spark, a file a task."""

import socket
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mgnm_tf.data.large.block_times import BlockTimes
from mgnm_tf.data.large.block_times import KindChanges
from mgnm_tf.data.large.file_blocks import Columns
from mgnm_tf.data.large.file_blocks import FileBlocks
from mgnm_tf.data.large.workspace import Read
from mgnm_tf.data.reading.table import check_alike
from mgnm_tf.data.reading.text_table import ReadAgain
from mgnm_tf.errors import UserError
from mgnm_tf.version import __version__

if TYPE_CHECKING:
    from mgnm_tf.data.large.spark_workspace import SparkWorkspace

# The rows of a file are numbered from its place times this power of 2 on.
_ROW_BITS = 40
_FORCED = ("date", "float")
_SCHEMA = pa.schema(
    {
        "user_id": pa.string(),
        "item_id": pa.string(),
        "whole": pa.int64(),
        "billionths": pa.int32(),
        "kept": pa.bool_(),
        "part": pa.int8(),
        "category": pa.string(),
        "row": pa.int64(),
    }
)


def read_by_spark(
    work: "SparkWorkspace", files: Sequence[Path], columns: Columns
) -> Read:
    """Does `Workspace.read`.

    Each file is one task, read as in memory, with the same checks; so a log
    is best in many files.
    """
    folder = work.begin("raw")

    def run(kind: str, places: Iterable[int]) -> dict[int, dict[str, Any]]:
        tasks = [
            _Task(place, files[place].absolute(), columns, kind, folder)
            for place in places
        ]
        context = work.session.sparkContext
        found = context.parallelize(tasks, len(tasks)).map(_run).collect()
        return {
            task.place: _checked(result)
            for task, result in zip(tasks, found, strict=True)
        }

    found = run("", range(len(files)))
    for place, file in found.items():
        if file["like"] is not None:
            first = next(one["like"] for one in found.values() if one["like"])
            check_alike(*first, files[place], file["like"][1])
    kinds = {
        place: file["times"].kind
        for place, file in found.items()
        if file["rows"]
    }
    kind = joined_kind(list(kinds.values()))
    others = [
        place for place in kinds if kind in _FORCED and kinds[place] != kind
    ]
    if others:
        work.progress("reading again: some times are no plain numbers")
        found |= run(kind, others)
    times = BlockTimes(columns.time, columns.time_unit, kind)
    for file in found.values():
        times.add(file["times"])
    work.finish("raw")
    return Read(
        [file["rows"] for file in found.values()],
        sum(file["kept"] for file in found.values()),
        times,
        [1 << _ROW_BITS] * len(files),
    )


def joined_kind(kinds: Sequence[str]) -> str:
    """Returns as what the times of several files are read.

    All are read as dates if the first ones are, and as floats if any are, as
    where the files are read one after the other.

    Args:
        kinds: the kind of each file, see `RawTimes`.
    """
    different = set(kinds)
    if len(different) < 2:
        return kinds[0] if kinds else ""
    if "date" in different:
        return "date" if kinds[0] == "date" else "float"
    return "float" if "float" in different else "decimal"


def _checked(result: dict[str, Any]) -> dict[str, Any]:
    if "error" in result:
        raise result["error"]
    if result["version"] != __version__:
        raise UserError(
            f"The host {result['host']} has version {result['version']} of "
            f"this package, expected {__version__}."
        )
    return result


@dataclass(frozen=True)
class _Task:
    """Reads a file and writes it as Parquet.

    Args:
        place: the number of the file, from 0.
        path: the file.
        columns: what to read of it.
        kind: what its times are to be read as, see `BlockTimes`.
        folder: where to write.
    """

    place: int
    path: Path
    columns: Columns
    kind: str
    folder: Path

    def __call__(self) -> dict[str, Any]:
        """Returns what is known of the file, or the error it ended with."""
        try:
            return self._read(self.kind)
        except KindChanges:
            return self._read("float")
        except UserError as error:
            return {"error": error}

    def _read(self, kind: str) -> dict[str, Any]:
        if not self.folder.is_dir():
            raise UserError(
                f"The host {socket.gethostname()} does not see the folder "
                f"{self.folder}; expected one that all hosts share."
            )
        times = BlockTimes(self.columns.time, self.columns.time_unit, kind)
        first = self.place << _ROW_BITS
        file = FileBlocks(self.path, self.columns, times, first)
        try:
            self._write(file, again=False)
        except ReadAgain:
            self._write(file, again=True)
        return {
            "version": __version__,
            "host": socket.gethostname(),
            "rows": file.rows,
            "kept": file.kept,
            "like": file.like,
            "times": times,
        }

    def _write(self, file: FileBlocks, again: bool) -> None:
        # A second attempt of the same task writes the same.
        target = self.folder / f"part-{self.place:05}.parquet"
        partial = target.with_name(f"_{target.name}.{socket.gethostname()}")
        with pq.ParquetWriter(partial, _SCHEMA) as writer:
            for block in file.blocks(again):
                writer.write_table(block.cast(_SCHEMA))
        partial.rename(target)


def _run(task: _Task) -> dict[str, Any]:
    return task()
