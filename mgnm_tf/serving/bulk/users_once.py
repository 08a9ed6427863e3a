"""No history is cut: a user stands in one file of a folder."""

import os
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import pandas as pd

from mgnm_tf.data.reading.columns import encode_ids
from mgnm_tf.data.reading.table import read_blocks
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from mgnm_tf.utils.disk import disk_error

_BITS = 6
"""Of the hash of a user, which choose one of 64 files on disk."""

_RECORD = np.dtype([("user", "u8"), ("file", "u4")])


def check_users_once(
    files: Sequence[str | os.PathLike], column: str, space: str | os.PathLike
) -> None:
    """Checks that no user stands in two files.

    Each user of each file is noted on disk by a hash of 64 bits; equal
    hashes are then looked for in one of 64 portions after the other, so that
    12 bytes a user are on disk and a sixty-fourth of that in memory.

    Args:
        files: Parquet files; one that cannot be read is left out, whoever
            reads it will say so.
        column: the column of users.
        space: a folder with room; what is written there has no name and is
            gone when the process ends, however it ends.

    Raises:
        DataError: a user stands in two files; both are named.
        UserError: the disk is full.
    """
    try:
        with ExitStack() as stack:
            portions = [
                stack.enter_context(TemporaryFile(dir=Path(space)))
                for _ in range(1 << _BITS)
            ]
            for number, path in enumerate(files):
                _note_users(Path(path), number, column, portions)
            for portion in portions:
                portion.seek(0)
                noted = np.frombuffer(portion.read(), _RECORD)
                for user, first, second in _twice(noted):
                    _refuse(
                        Path(files[first]), Path(files[second]), column, user
                    )
    except OSError as error:
        said = disk_error(error) or error
        raise UserError(
            f"{space} could not be written: {said.strerror or said}; the users "
            "of the files are noted there, 12 bytes each."
        ) from error


def _note_users(path: Path, number: int, column: str, portions: list) -> None:
    try:
        parts = [_hashed(names) for names in _ids(path, column)]
    except DataError:
        return
    users = np.unique(np.concatenate([np.zeros(0, np.uint64), *parts]))
    noted = np.empty(len(users), _RECORD)
    noted["user"], noted["file"] = users, number
    bounds = np.arange(1, len(portions), dtype=np.uint64) << (64 - _BITS)
    # The hashes are sorted, so that each portion is a stretch of them.
    stretches = np.split(noted, np.searchsorted(users, bounds))
    for portion, stretch in zip(portions, stretches, strict=True):
        portion.write(stretch.tobytes())


def _ids(path: Path, column: str) -> Iterator[np.ndarray]:
    """Yields the ids of a file as text, those of a block of rows once."""
    for table in read_blocks(path, [column], []):
        if table.num_rows:
            codes, names = encode_ids(table[column], column, str(path))
            yield np.asarray(names, object)[np.unique(codes)]


def _hashed(names: np.ndarray) -> np.ndarray:
    return pd.util.hash_array(names, categorize=False)


def _twice(noted: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Yields hash and two files of what stands in several files."""
    noted = noted[np.argsort(noted["user"], kind="stable")]
    same = np.flatnonzero(noted["user"][1:] == noted["user"][:-1])
    for place in same:
        first, second = noted[place], noted[place + 1]
        yield first["user"], int(first["file"]), int(second["file"])


def _refuse(first: Path, second: Path, column: str, user: int) -> None:
    """Raises if the ids behind two equal hashes are equal, too."""
    found = []
    for path in (first, second):
        ids = set()
        for names in _ids(path, column):
            ids.update(names[_hashed(names) == user])
        found.append(ids)
    both = sorted(found[0] & found[1])
    if both:
        raise DataError(
            f"The user {both[0]!r} stands in {first} and in {second}; expected "
            "all events of a user in one file, so that no history is cut. "
            "Divide the events by user first, in Spark by "
            f"repartition({column!r})."
        )
