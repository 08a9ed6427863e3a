"""DuckDB as the engine of a preparation."""

import json
import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from mgnm_tf.data.large.duckdb_reading import read_by_duckdb
from mgnm_tf.data.large.file_blocks import Columns
from mgnm_tf.data.large.workspace import Read
from mgnm_tf.data.large.workspace import Workspace
from mgnm_tf.errors import UserError
from mgnm_tf.utils.disk import disk_error

if TYPE_CHECKING:
    import pyarrow as pa

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


class DuckDBWorkspace(Workspace):
    """A DuckDB database in a file.

    Args:
        out: see `Workspace`; so are the key and `progress`.
        key: see `Workspace`.
        progress: see `Workspace`.
        memory: the memory of DuckDB in bytes; what needs more goes to files
            beside the database.
    """

    name = "DuckDB"

    def __init__(
        self,
        out: Path,
        key: dict[str, Any],
        progress: Callable[[str], None],
        memory: int,
    ):
        self.memory = memory
        self._duckdb = import_duckdb()
        super().__init__(out, key, progress)

    def refuse_if_open(self) -> None:
        if self._file.is_file():
            self._connect().close()

    def open(self) -> None:
        self._database = self._connect()
        self.run_sql(
            "CREATE TABLE IF NOT EXISTS done (phase VARCHAR, notes VARCHAR)"
        )

    def shut(self) -> None:
        self._database.close()

    def notes_of_phases(self) -> dict[str, Any]:
        done = self.rows("SELECT phase, notes FROM done")
        return {phase: json.loads(notes) for phase, notes in done}

    def note_phase(self, name: str, notes: Any) -> None:
        self.run_sql(
            "INSERT INTO done VALUES (?, ?)", [name, json.dumps(notes)]
        )

    def read(self, files: Sequence[Path], columns: Columns) -> Read:
        return read_by_duckdb(self, files, columns)

    def make(self, name: str, query: str) -> None:
        self.run_sql(f"CREATE OR REPLACE TABLE {name} AS {query}")

    def number(self, name: str, query: str, column: str, order: str) -> None:
        place = f"CAST(row_number() OVER (ORDER BY {order}) AS INTEGER)"
        self.make(name, f"SELECT *, {place} AS {column} FROM ({query})")

    def rename(self, old: str, new: str) -> None:
        self.drop(new)
        self.run_sql(f"ALTER TABLE {old} RENAME TO {new}")

    def drop(self, name: str) -> None:
        self.run_sql(f"DROP TABLE IF EXISTS {name}")

    def has_table(self, name: str) -> bool:
        sql = "SELECT count(*) FROM duckdb_tables() WHERE table_name = ?"
        return bool(self.one(sql, [name]))

    def rows(self, sql: str, values: list | None = None) -> list[tuple]:
        with self.told():
            return self._database.execute(sql, values).fetchall()

    def run_sql(self, sql: str, values: list | None = None) -> None:
        """Runs a statement."""
        self.rows(sql, values)

    def batches(self, sql: str) -> Iterator["pa.RecordBatch"]:
        # Otherwise the batches of a sorted query come in any order.
        self.run_sql("SET preserve_insertion_order = true")
        with self.told():
            relation = self._database.sql(sql)
            yield from relation.to_arrow_reader(_BATCH_ROWS)
        self.run_sql("SET preserve_insertion_order = false")

    def quotient(self, number: str, divisor: int) -> str:
        return f"({number} // {divisor})"

    def epoch(self, number: str, form: str) -> str:
        text = f"CAST({number} AS VARCHAR)"
        return f"CAST(epoch(strptime({text}, '{form}')) AS BIGINT)"

    @contextmanager
    def table_of(self, name: str, table: "pa.Table") -> Iterator[None]:
        """Lets queries read an Arrow table by a name."""
        self._database.register(name, table)
        try:
            yield
        finally:
            self._database.unregister(name)

    @contextmanager
    def told(self) -> Iterator[None]:
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
                    f"{self.doing!r}; give more with --memory ({said})."
                ) from error
            if "lock" in said:
                raise self.in_use() from error
            raise UserError(
                f"DuckDB failed in {self.doing!r}: {said}."
            ) from error

    @property
    def _file(self) -> Path:
        return self.folder / "log.duckdb"

    def _connect(self) -> Any:
        return self._duckdb.connect(
            self._file,
            config={
                "memory_limit": f"{self.memory >> 20}MiB",
                "temp_directory": os.fspath(self.folder / "spill"),
                "preserve_insertion_order": "false",
            },
        )
