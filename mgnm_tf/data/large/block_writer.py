"""The arrays and lists of a data folder, written a block at a time."""

from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from mgnm_tf.data.parts import PARTS

_TYPES = {
    "items": ("item", np.int32),
    "times": ("time", np.int64),
    "parts": ("part", np.int8),
    "sequences": ("sequence", np.int32),
}


@dataclass
class Written:
    """What is known of the events that were written.

    Args:
        records: of each of `PARTS`, the events with an earlier event.
        tied: of these, those that have the time of the event before.
        first: the earliest time.
        last: the latest time.
    """

    records: list[int] = field(default_factory=lambda: [0] * len(PARTS))
    tied: list[int] = field(default_factory=lambda: [0] * len(PARTS))
    first: int = np.iinfo(np.int64).max
    last: int = 0


def write_events(
    folder: Path,
    batches: Iterable[pa.RecordBatch],
    count: int,
    num_sequences: int,
) -> Written:
    """Writes the arrays of `ARRAYS`, byte for byte as `np.save` does.

    Plain writes, not a memory map: a full disk is an error then, and not the
    end of the process.

    Args:
        folder: the folder.
        batches: events with `item`, `time`, `part` and `sequence`, sorted by
            (sequence, time, original row).
        count: the number of events N.
        num_sequences: the number of sequences S, each with an event.

    Raises:
        OSError: the disk is full, or the like.
    """
    written = Written()
    at, sequence, time = 0, 0, -1
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(
                _array_file(folder / f"{name}.npy", kind, count)
            )
            for name, (_, kind) in _TYPES.items()
        }
        offsets = stack.enter_context(
            _array_file(folder / "offsets.npy", np.int64, num_sequences + 2)
        )
        # Sequence 0 is empty.
        offsets.write(np.zeros(1, np.int64).data)
        for batch in batches:
            if not batch.num_rows:
                continue
            block = {
                name: np.ascontiguousarray(
                    batch.column(column).to_numpy(zero_copy_only=False), kind
                )
                for name, (column, kind) in _TYPES.items()
            }
            for name, values in block.items():
                files[name].write(values.data)
            same = np.diff(block["sequences"], prepend=sequence) == 0
            tied = same & (np.diff(block["times"], prepend=time) == 0)
            starts = np.flatnonzero(~same) + at
            offsets.write(starts.astype(np.int64).data)
            for part in range(len(PARTS)):
                here = block["parts"] == part
                written.records[part] += int(np.count_nonzero(here & same))
                written.tied[part] += int(np.count_nonzero(here & tied))
            written.first = min(written.first, int(block["times"].min()))
            written.last = max(written.last, int(block["times"].max()))
            sequence = int(block["sequences"][-1])
            time = int(block["times"][-1])
            at += batch.num_rows
        offsets.write(np.full(1, at, np.int64).data)
    return written


def write_column(
    path: Path, batches: Iterable[pa.RecordBatch], count: int, first: int
) -> None:
    """Writes an int32 array: `first`, then the only column of the batches.

    Args:
        path: the file.
        batches: `count - 1` numbers.
        count: the length of the array.
        first: the number in front.
    """
    with _array_file(path, np.int32, count) as file:
        file.write(np.full(1, first, np.int32).data)
        for batch in batches:
            values = batch.column(0).to_numpy(zero_copy_only=False)
            file.write(np.ascontiguousarray(values, np.int32).data)


def write_lines(path: Path, batches: Iterable[pa.RecordBatch]) -> None:
    """Writes the only column of the batches, an id a line."""
    with open(path, "wb") as file:
        for batch in batches:
            lines = "".join(f"{raw}\n" for raw in batch.column(0).to_pylist())
            file.write(lines.encode("utf-8"))


def read_pieces(path: Path) -> Iterator[bytes]:
    """Yields the bytes of a file."""
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            yield piece


@contextmanager
def _array_file(path: Path, kind: type, count: int) -> Iterator[BinaryIO]:
    """Opens a `.npy` file whose `count` numbers are yet to be written."""
    with open(path, "wb") as file:
        header = {
            "descr": np.lib.format.dtype_to_descr(np.dtype(kind)),
            "fortran_order": False,
            "shape": (count,),
        }
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        yield file
        wrong = file.tell() - start != count * np.dtype(kind).itemsize
    if wrong:
        raise RuntimeError(f"{path} has not the {count} numbers it should.")
