"""The database beside the target in which a preparation works."""

import json
import os
import shutil
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.utils.disk import disk_error
from mgnm_tf.utils.files import atomic_write
from mgnm_tf.utils.files import move_folder

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_KEY = "preparation.json"
_BATCH_ROWS = 1 << 18


def import_duckdb() -> Any:
    """Returns the module.

    Raises:
        UserError: it is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise UserError(
            "The engine 'duckdb' needs DuckDB: pip install 'mgnm-tf[large]'"
        ) from error
    return duckdb


class Workspace:
    """A DuckDB database whose phases are done once, whatever happens.

    A phase that has ended is noted in the database. A preparation that was
    killed and is started again with the same key goes on after the last such
    phase; with another key it starts from the beginning.

    Args:
        out: the data folder that will be made; the database is a hidden
            folder beside it.
        key: what decides the result: options, files and their sizes.
        memory: the memory of DuckDB in bytes; what needs more goes to files
            beside the database.
        progress: called with a few words at the start of each phase.

    Raises:
        UserError: another process works on the same target.
    """

    def __init__(
        self,
        out: Path,
        key: dict[str, Any],
        memory: int,
        progress: Callable[[str], None],
    ):
        self.out = out
        self.memory = memory
        self.progress = progress
        self.folder = out.absolute().parent / f".{out.name}.prepare"
        self._duckdb = import_duckdb()
        self._doing = "opening its files"
        text = json.dumps(key, indent=1, sort_keys=True)
        same = (self.folder / _KEY).is_file() and (
            self.folder / _KEY
        ).read_text(encoding="utf-8") == text
        with self.told():
            if not same:
                self._refuse_if_open()
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.mkdir(parents=True)
            self.database = self._connect()
            if not same:
                atomic_write(self.folder / _KEY, text)
        self.run_sql(
            "CREATE TABLE IF NOT EXISTS done (phase VARCHAR, notes VARCHAR)"
        )
        done = self.rows("SELECT phase, notes FROM done")
        self._done = {phase: json.loads(notes) for phase, notes in done}
        if done:
            progress(
                f"going on after {len(done)} phases of an earlier, "
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
            self._doing = words
            notes = work()
            self.run_sql(
                "INSERT INTO done VALUES (?, ?)", [name, json.dumps(notes)]
            )
            self._done[name] = json.loads(json.dumps(notes))
        if drop:
            self.run_sql(f"DROP TABLE IF EXISTS {drop}")
        return self._done[name]

    def run_sql(self, sql: str, values: list | None = None) -> None:
        """Runs a statement."""
        self.rows(sql, values)

    def rows(self, sql: str, values: list | None = None) -> list[tuple]:
        """Returns the rows of a query, which are to be few."""
        with self.told():
            return self.database.execute(sql, values).fetchall()

    def one(self, sql: str, values: list | None = None) -> Any:
        """Returns the first value of a query."""
        return self.rows(sql, values)[0][0]

    def has_table(self, name: str) -> bool:
        """Returns whether there is a table of a name."""
        sql = "SELECT count(*) FROM duckdb_tables() WHERE table_name = ?"
        return bool(self.one(sql, [name]))

    def batches(self, sql: str) -> Iterator["pa.RecordBatch"]:
        """Yields the rows of a query in their order, a batch at a time."""
        # Otherwise the batches of a sorted query come in any order.
        self.run_sql("SET preserve_insertion_order = true")
        with self.told():
            relation = self.database.sql(sql)
            yield from relation.to_arrow_reader(_BATCH_ROWS)
        self.run_sql("SET preserve_insertion_order = false")

    @contextmanager
    def target(self, overwrite: bool) -> Iterator[Path]:
        """Gives a folder to write into that becomes `out` at the end.

        It is inside the folder of the database, so that one that was left
        half-written goes with it.

        Args:
            overwrite: whether a folder at `out` is replaced.
        """
        folder = self.folder / "data"
        self._doing = "writing"
        with self.told():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            yield folder
            move_folder(folder, self.out, overwrite)

    @contextmanager
    def table_of(self, name: str, table: "pa.Table") -> Iterator[None]:
        """Lets queries read an Arrow table by a name."""
        self.database.register(name, table)
        try:
            yield
        finally:
            self.database.unregister(name)

    def close(self, remove: bool) -> None:
        """Closes the database.

        Args:
            remove: whether its folder is removed, because nothing is to go
                on from it.
        """
        self.database.close()
        if remove:
            shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turns what DuckDB and the disk report into sentences."""
        try:
            yield
        except (self._duckdb.Error, OSError) as error:
            if isinstance(error, UserError):
                raise
            said = " ".join(str(error).split()).rstrip(".")
            full = disk_error(error)
            if full is not None:
                raise UserError(
                    f"{self.out} could not be written: "
                    f"{full.strerror or full}; nothing was left of it."
                ) from error
            if isinstance(error, self._duckdb.OutOfMemoryException):
                raise UserError(
                    f"{self.memory >> 20:,} MiB of memory are too few for "
                    f"{self._doing!r}; give more with --memory ({said})."
                ) from error
            if "lock" in said:
                raise self._in_use() from error
            raise UserError(
                f"DuckDB failed in {self._doing!r}: {said}."
            ) from error

    def _in_use(self) -> UserError:
        return UserError(
            f"{self.out} is being prepared by another process; wait for it, "
            "or give another place to write to."
        )

    def _refuse_if_open(self) -> None:
        if (self.folder / "log.duckdb").is_file():
            self._connect().close()

    def _connect(self) -> "duckdb.DuckDBPyConnection":
        spill = self.folder / "spill"
        return self._duckdb.connect(
            self.folder / "log.duckdb",
            config={
                "memory_limit": f"{self.memory >> 20}MiB",
                "temp_directory": os.fspath(spill),
                "preserve_insertion_order": "false",
            },
        )
