"""The tables in which a preparation works, and its phases."""

import json
import shutil
from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.utils.files import atomic_write
from mgnm_tf.utils.files import move_folder

if TYPE_CHECKING:
    import pyarrow as pa

    from mgnm_tf.data.large.block_times import BlockTimes
    from mgnm_tf.data.large.file_blocks import Columns

_KEY = "preparation.json"


@dataclass(frozen=True)
class Read:
    """What is known of the files that were read into the table `raw`.

    Args:
        rows: the rows of each file.
        kept: how many rows have a rating above the threshold.
        times: what is known of the times.
        spans: the numbers of rows that each file may use.
    """

    rows: list[int]
    kept: int
    times: "BlockTimes"
    spans: list[int]


class Workspace(ABC):
    """An SQL engine whose phases are done once, whatever happens.

    Queries are written in what DuckDB and Spark both understand; where they
    differ there is a method. A phase that has ended is noted. A preparation
    that was killed and is started again with the same key goes on after the
    last such phase; with another key it starts from the beginning.

    Args:
        out: the data folder that will be made; the tables are in a hidden
            folder beside it.
        key: what decides the result: options, files and their sizes.
        progress: called with a few words at the start of each phase.

    Raises:
        UserError: another process works on the same target.
    """

    name: str
    """What the engine is called in messages."""

    def __init__(
        self,
        out: Path,
        key: dict[str, Any],
        progress: Callable[[str], None],
    ):
        self.out = out
        self.progress = progress
        self.folder = out.absolute().parent / f".{out.name}.prepare"
        self.doing = "opening its files"
        text = json.dumps(
            {"engine": self.name, **key}, indent=1, sort_keys=True
        )
        same = (self.folder / _KEY).is_file() and (
            self.folder / _KEY
        ).read_text(encoding="utf-8") == text
        with self.told():
            if not same:
                self.refuse_if_open()
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.mkdir(parents=True)
            self.open()
            if not same:
                atomic_write(self.folder / _KEY, text)
        self._done = self.notes_of_phases()
        if self._done:
            progress(
                f"going on after {len(self._done)} phases of an earlier, "
                "interrupted preparation"
            )

    def phase(
        self,
        name: str,
        words: str,
        work: Callable[[], Any],
        drop: str = "",
    ) -> Any:
        """Does a phase, unless it was done before.

        Args:
            name: its name, once in a preparation.
            words: what to tell the user.
            work: does it; called again after an interruption, so it begins
                by replacing the tables that it makes.
            drop: a table that nobody needs when the phase has ended.

        Returns:
            What `work` returned; JSON holds it.
        """
        if name not in self._done:
            self.progress(words)
            self.doing = words
            notes = json.loads(json.dumps(work()))
            self.note_phase(name, notes)
            self._done[name] = notes
        if drop:
            self.drop(drop)
        return self._done[name]

    def one(self, sql: str, values: list | None = None) -> Any:
        """Returns the first value of a query."""
        return self.rows(sql, values)[0][0]

    @contextmanager
    def target(self, overwrite: bool) -> Iterator[Path]:
        """Gives a folder to write into that becomes `out` at the end.

        It is inside the folder of the tables, so that one that was left
        half-written goes with it.

        Args:
            overwrite: whether a folder at `out` is replaced.
        """
        folder = self.folder / "data"
        self.doing = "writing"
        with self.told():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            yield folder
            move_folder(folder, self.out, overwrite)

    def close(self, remove: bool) -> None:
        """Closes the engine.

        Args:
            remove: whether its folder is removed, because nothing is to go
                on from it.
        """
        self.shut()
        if remove:
            shutil.rmtree(self.folder, ignore_errors=True)

    def in_use(self) -> UserError:
        """Returns the error of a target that another process prepares."""
        return UserError(
            f"{self.out} is being prepared by another process; wait for it, "
            "or give another place to write to."
        )

    @abstractmethod
    def refuse_if_open(self) -> None:
        """Raises `UserError` if another process works in the folder."""

    @abstractmethod
    def open(self) -> None:
        """Opens the engine in the folder, with the tables that are there."""

    @abstractmethod
    def shut(self) -> None:
        """Closes the engine."""

    @abstractmethod
    def told(self) -> AbstractContextManager[None]:
        """Turns what engine and disk report into sentences."""

    @abstractmethod
    def notes_of_phases(self) -> dict[str, Any]:
        """Returns what the phases that have ended returned, by name."""

    @abstractmethod
    def note_phase(self, name: str, notes: Any) -> None:
        """Notes a phase that has ended."""

    @abstractmethod
    def read(self, files: Sequence[Path], columns: "Columns") -> Read:
        """Reads files into the table `raw`.

        It has the columns `user_id`, `item_id`, `category` (text or null),
        `whole`, `billionths` (see `BlockTimes`), `kept`, `part` and `row`,
        which grows over all files.

        Raises:
            DataError: see `read_log`.
        """

    @abstractmethod
    def make(self, name: str, query: str) -> None:
        """Makes a table of a query, in the place of one of its name."""

    @abstractmethod
    def number(self, name: str, query: str, column: str, order: str) -> None:
        """Does `make` with one more column: 1 to n, in an order."""

    @abstractmethod
    def rename(self, old: str, new: str) -> None:
        """Gives a table another name, in the place of one that has it."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Removes a table, if it is there."""

    @abstractmethod
    def has_table(self, name: str) -> bool:
        """Returns whether there is a table of a name."""

    @abstractmethod
    def rows(self, sql: str, values: list | None = None) -> list[tuple]:
        """Returns the rows of a query, which are to be few."""

    @abstractmethod
    def batches(self, sql: str) -> Iterator["pa.RecordBatch"]:
        """Yields the rows of a query in their order, a batch at a time."""

    @abstractmethod
    def quotient(self, number: str, divisor: int) -> str:
        """Returns the SQL of a whole number's quotient, rounded down."""

    @abstractmethod
    def epoch(self, number: str, form: str) -> str:
        """Returns the SQL of the seconds since 1970 of a date.

        Args:
            number: SQL of a whole number that is a date in digits.
            form: how, of `CALENDAR`.
        """
