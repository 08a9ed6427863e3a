"""The split data set: flat arrays that every later step reads."""

import hashlib
import os
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mgnm_tf.data.lines import Lines
from mgnm_tf.data.lines import split_lines
from mgnm_tf.data.parts import PARTS
from mgnm_tf.errors import DataError
from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.utils.files import atomic_folder
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import sha256
from mgnm_tf.utils.files import write_json
from mgnm_tf.utils.validation import check_choice

_BLOCK_EVENTS = 1 << 22
FORMAT = "mgnm_tf data"
FORMAT_VERSION = 1
HEADER = "dataset.json"
ARRAYS = ("items", "times", "parts", "sequences", "offsets")
"""The arrays of every data set, as they are hashed and stored."""

VOCABULARIES = {
    "user_ids": "users.txt",
    "item_ids": "items.txt",
    "category_ids": "categories.txt",
}
"""Lists of ids -> their files, as they are hashed."""


@dataclass(frozen=True, eq=False, repr=False)
class SequenceDataset:
    """Events of all users in flat arrays, each marked with its part.

    A sequence holds the events of one user (or of one session), oldest
    first. Events are sorted by (sequence, time, original row). Sequences run
    from 1; sequence 0 is empty. Item rows run from 1 to `num_items`; 0 is
    padding. Items and known users are those of the training part; nothing
    in the numbering depends on later events.

    Letters in shapes: N events, S sequences, M items.

    Args:
        items: int32 (N,), item rows 1 to M.
        times: int64 (N,), since 1970 in `time_unit`, or positions where the
            source has only an order. Models read them in whole seconds.
        parts: int8 (N,), index into `PARTS`; -1, which no saved data set
            has, for an event of the training part that is no target.
        sequences: int32 (N,), the sequence of each event.
        offsets: int64 (S + 2,); the events of sequence s stand at
            `offsets[s]:offsets[s + 1]`.
        user_ids: raw ids of the sequences; entry s - 1 belongs to sequence s.
        item_ids: raw ids of the items; entry i - 1 belongs to row i.
        num_users: sequences 1 to `num_users` are known users, those with a
            training event. The others are unknown; their user row is 0.
        item_categories: int32 (M + 1,), the category of each item row, 0 for
            none, or `None` if the log has no categories.
        category_ids: raw ids of the categories; entry c - 1 belongs to c.
        metadata: what is to be known about the data: name, source, licence,
            filters, split, counts, dropped events.
        time_unit: "s", "ms", "us" or "ns". Defaults to `"s"`.
    """

    items: np.ndarray
    times: np.ndarray
    parts: np.ndarray
    sequences: np.ndarray
    offsets: np.ndarray
    user_ids: Sequence[str]
    item_ids: Sequence[str]
    num_users: int
    item_categories: np.ndarray | None = None
    category_ids: Sequence[str] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    time_unit: str = "s"

    def __repr__(self) -> str:
        split = self.metadata.get("split", {}).get("method")
        words = [
            f"{len(self.items):,} events",
            f"{self.num_users:,} users",
            f"{self.num_items:,} items",
            *([f"split={split!r}"] if split else []),
        ]
        return f"SequenceDataset({', '.join(words)})"

    @property
    def num_items(self) -> int:
        """The number of items M; rows run from 1 to M."""
        return len(self.item_ids)

    @property
    def num_sequences(self) -> int:
        """The number of sequences S, known and unknown users together."""
        return len(self.offsets) - 2

    @property
    def num_categories(self) -> int:
        """The number of categories; 0 if the log has none."""
        return len(self.category_ids)

    @property
    def has_times(self) -> bool:
        """Whether the times are times, and not positions in a sequence."""
        return not self.metadata.get("order_only", False)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of arrays and vocabularies, 64 hexadecimal digits."""
        return fingerprint_of(
            self.num_users,
            self._arrays(),
            self.time_unit,
            (_as_lines(getattr(self, name)) for name in VOCABULARIES),
        )

    @property
    def num_training_events(self) -> int:
        """The number of events of the training part."""
        return int(np.count_nonzero(np.asarray(self.parts) == 0))

    @cached_property
    def session_hypergraph(self) -> dict[str, np.ndarray]:
        """See `tables.session_tables.session_hypergraph`; made once."""
        from mgnm_tf.data.tables.session_tables import session_hypergraph

        return session_hypergraph(self)

    def tables(self, names: Sequence[str]) -> dict[str, Any]:
        """Returns what a model holds of the data, see `make_tables`.

        Args:
            names: the tables.
        """
        from mgnm_tf.data.tables.make_tables import make_tables

        return make_tables(self, names)

    def positions(self, part: str, min_history: int = 1) -> np.ndarray:
        """Returns where the targets of a part stand in `items`.

        Args:
            part: "train", "validation" or "test".
            min_history: how many events of the same sequence must stand
                before a target. Defaults to 1.

        Returns:
            int64 (n,), ascending.
        """
        return np.concatenate([*self.blocks_of_positions(part, min_history)])

    def blocks_of_positions(
        self, part: str, min_history: int = 1
    ) -> Iterator[np.ndarray]:
        """Yields `positions` block by block, for data that memory holds not.

        Args:
            part: see `positions`.
            min_history: see `positions`. Defaults to 1.
        """
        code = PARTS.index(check_choice(part, "part", PARTS))
        for start in range(0, max(1, len(self.parts)), _BLOCK_EVENTS):
            parts = self.parts[start : start + _BLOCK_EVENTS]
            found = np.flatnonzero(parts == code) + start
            history = found - self.offsets[self.sequences[found]]
            yield found[history >= min_history]

    def user_rows(self, sequences: np.ndarray) -> np.ndarray:
        """Returns the user row of each sequence: itself, or 0 if unknown."""
        return np.where(sequences <= self.num_users, sequences, 0)

    def save(self, path: str | os.PathLike, overwrite: bool = False) -> None:
        """Writes a folder with `dataset.json`, `*.npy` and id lists.

        Args:
            path: the folder to make.
            overwrite: whether a data folder that is there is replaced.
                Defaults to `False`.

        Raises:
            OutputExistsError: `path` exists and is not to be overwritten, or
                is not a data folder.
            UserError: the folder cannot be written; nothing is left of it.
        """
        path = Path(path)
        check_writable(path, overwrite)
        with atomic_folder(path, overwrite) as folder:
            for name, array in self._arrays().items():
                np.save(folder / f"{name}.npy", array, allow_pickle=False)
            for name, file in VOCABULARIES.items():
                (folder / file).write_bytes(_as_lines(getattr(self, name)))
            write_header(
                folder,
                self.num_users,
                self.time_unit,
                self.fingerprint,
                self.metadata,
            )

    @classmethod
    def load(
        cls, path: str | os.PathLike, verify: bool = True
    ) -> "SequenceDataset":
        """Opens a data folder; its arrays are memory-mapped, read-only.

        `user_ids` are read when one is asked for.

        Args:
            path: a folder that `save` made.
            verify: whether the checksums of all files are compared. Defaults
                to `True`.

        Raises:
            TypeError: see `check_data_set`.
            DataError: there is no data folder at `path`, it is of another
                format version, or a file is missing or damaged.
        """
        if not isinstance(path, str | os.PathLike):
            check_data_set(path)
        path = Path(path)
        header = _read_header(path)
        for name, expected in header["sha256"].items():
            if not (path / name).is_file():
                raise DataError(
                    f"{path / name} is missing; prepare the data again."
                )
            if verify and sha256(path / name) != expected:
                raise DataError(
                    f"{path / name} is damaged: its SHA-256 is not the one "
                    f"in {HEADER}; prepare the data again."
                )
        names = [*ARRAYS]
        if "item_categories.npy" in header["sha256"]:
            names.append("item_categories")
        arrays: dict[str, Any] = {
            name: np.load(
                path / f"{name}.npy", mmap_mode="r", allow_pickle=False
            )
            for name in names
        }
        lists: dict[str, Any] = {
            name: split_lines((path / file).read_bytes())
            for name, file in VOCABULARIES.items()
            if name != "user_ids"
        }
        # A training needs none of them, and there may be very many.
        users = path / VOCABULARIES["user_ids"]
        lists["user_ids"] = Lines(users, len(arrays["offsets"]) - 2)
        data = cls(
            **arrays,
            **lists,
            num_users=header["num_users"],
            metadata=header["metadata"],
            # Folders of earlier versions have whole seconds.
            time_unit=header.get("time_unit", "s"),
        )
        vars(data)["fingerprint"] = header["fingerprint"]
        return data

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {name: getattr(self, name) for name in ARRAYS}
        if self.item_categories is not None:
            arrays["item_categories"] = self.item_categories
        return arrays


def check_data_set(data: object) -> None:
    """Refuses what is no data set.

    Raises:
        TypeError: it is a log, a table or something else.
    """
    if not isinstance(data, SequenceDataset):
        raise TypeError(
            "`data` must be a data set: split_log(log) makes one of a log, "
            "and read_log(...) a log of a data frame or a file. Received: "
            f"{type(data).__name__}"
        )


def fingerprint_of(
    num_users: int,
    arrays: Mapping[str, np.ndarray],
    time_unit: str,
    vocabularies: Iterable[bytes],
) -> str:
    """Returns the fingerprint of a data set, 64 hexadecimal digits.

    Args:
        num_users: the number of known users.
        arrays: name -> array, in the order of `ARRAYS`, then
            `item_categories` if there are categories. Memory-mapped ones are
            not copied.
        time_unit: the unit of the times.
        vocabularies: the bytes of the files of `VOCABULARIES`, in this order
            and in pieces of any size.
    """
    digest = hashlib.sha256(str(num_users).encode())
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    if time_unit != "s":
        digest.update(f"time_unit {time_unit}".encode())
    for piece in vocabularies:
        digest.update(piece)
    return digest.hexdigest()


def write_header(
    folder: Path,
    num_users: int,
    time_unit: str,
    fingerprint: str,
    metadata: dict[str, Any],
) -> None:
    """Writes `dataset.json` into a folder that has all other files.

    Args:
        folder: the folder.
        num_users: the number of known users.
        time_unit: the unit of the times.
        fingerprint: see `fingerprint_of`.
        metadata: what is to be known about the data.
    """
    files = sorted(entry.name for entry in folder.iterdir())
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "num_users": num_users,
        "time_unit": time_unit,
        "fingerprint": fingerprint,
        "metadata": metadata,
        "sha256": {name: sha256(folder / name) for name in files},
    }
    write_json(folder / HEADER, header)


def check_writable(path: Path, overwrite: bool) -> None:
    """Checks before long work that a data folder may be made at `path`.

    Raises:
        OutputExistsError: `path` exists and is not to be overwritten, or is
            not a data folder.
    """
    if not path.exists():
        return
    if not overwrite:
        raise OutputExistsError(
            f"{path} exists already; give another place to write to, or "
            "delete that one."
        )
    if not (path / HEADER).is_file():
        raise OutputExistsError(
            f"{path} is not a data folder (no {HEADER} in it), so it is not "
            "overwritten; give another place to write to."
        )


def _read_header(path: Path) -> dict[str, Any]:
    if not (path / HEADER).is_file():
        raise DataError(
            f"{path} is not a data folder: there is no {HEADER} in it; make "
            "one with `mgnm prepare`."
        )
    try:
        header = read_json(path / HEADER)
    except UserError as error:
        raise DataError(f"{error} Prepare the data again.") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise DataError(f"{path / HEADER} does not describe a data folder.")
    version = header.get("format_version")
    if version != FORMAT_VERSION:
        raise DataError(
            f"{path} has format version {version}, this program reads "
            f"version {FORMAT_VERSION}; prepare the data again."
        )
    expected = {"num_users", "fingerprint", "metadata", "sha256"}
    missing = sorted(expected - header.keys())
    if missing:
        raise DataError(
            f"{path / HEADER} lacks {missing[0]!r}; prepare the data again."
        )
    return header


def _as_lines(ids: Sequence[str]) -> bytes:
    return "".join(f"{raw}\n" for raw in ids).encode("utf-8")
