"""Spark as the engine of a preparation."""

import json
import os
import shutil
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import pyarrow.parquet as pq

from mgnm_tf.data.large.file_blocks import Columns
from mgnm_tf.data.large.spark_reading import read_by_spark
from mgnm_tf.data.large.workspace import Read
from mgnm_tf.data.large.workspace import Workspace
from mgnm_tf.errors import UserError
from mgnm_tf.utils.disk import disk_error
from mgnm_tf.utils.files import atomic_write
from mgnm_tf.utils.lock import locked

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 1 << 18
# Within a partition Spark counts from here on; see `number`.
_PARTITION_BITS = 33
# Patterns of Python in those of Java.
_FORMS = {"%Y": "yyyy", "%m": "MM", "%d": "dd", "%H": "HH", "%M": "mm"}
_FORMS["%S"] = "ss"


def import_spark() -> Any:
    """Returns the module `pyspark.sql`.

    Raises:
        UserError: it, or Java, is not installed.
    """
    try:
        import pyspark.sql
    except ImportError as error:
        raise UserError(
            "The engine 'spark' needs PySpark: pip install 'mgnm-tf[spark]'"
        ) from error
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        raise UserError(
            "The engine 'spark' needs Java 17 or later on the path, or "
            "JAVA_HOME; found neither."
        )
    return pyspark.sql


class SparkWorkspace(Workspace):
    """A Spark session and tables as Parquet folders.

    The session is the one that is there, or is made as the settings of Spark
    say (`spark-submit`, `spark-defaults.conf`); without any it is of this
    machine's cores. The folder of the tables has to be seen by all hosts.

    Args:
        out: see `Workspace`; so are the key and `progress`.
        key: see `Workspace`.
        progress: see `Workspace`.
    """

    name = "Spark"

    def __init__(
        self,
        out: Path,
        key: dict[str, Any],
        progress: Callable[[str], None],
    ):
        self._open = ExitStack()
        builder = import_spark().SparkSession.builder.appName("mgnm prepare")
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")
        # Dates are those of the way in memory, wherever this runs.
        self.session.conf.set("spark.sql.session.timeZone", "UTC")
        super().__init__(out, key, progress)

    def refuse_if_open(self) -> None:
        if self.folder.is_dir():
            with locked(self.folder):
                pass

    def open(self) -> None:
        self._open.enter_context(locked(self.folder))
        self._tables.mkdir(exist_ok=True)
        for path in self._tables.iterdir():
            if (path / "_SUCCESS").is_file():
                self._show(path.name)

    def shut(self) -> None:
        self._open.close()

    def notes_of_phases(self) -> dict[str, Any]:
        if not self._notes.is_file():
            return {}
        return json.loads(self._notes.read_text(encoding="utf-8"))

    def note_phase(self, name: str, notes: Any) -> None:
        noted = {**self.notes_of_phases(), name: notes}
        atomic_write(self._notes, json.dumps(noted, indent=1))

    def read(self, files: Sequence[Path], columns: Columns) -> Read:
        with self.told():
            return read_by_spark(self, files, columns)

    def make(self, name: str, query: str) -> None:
        with self.told():
            self._write(name, self.session.sql(query))

    def number(self, name: str, query: str, column: str, order: str) -> None:
        """Does `Workspace.number`, without one task that sees all rows.

        A sorted table is in partitions; each counts its own rows, and the
        rows of those before it come on top.
        """
        from pyspark.sql import functions

        with self.told():
            ordered = self.session.sql(
                f"SELECT * FROM ({query}) ORDER BY {order}"
            )
            place = functions.monotonically_increasing_id()
            unnumbered = f"{name}_in_order"
            self._write(unnumbered, ordered.withColumn("_place", place))
            part = f"shiftright(_place, {_PARTITION_BITS})"
            counts = dict(
                self.rows(
                    f"SELECT {part}, count(*) FROM {unnumbered} GROUP BY {part}"
                )
            )
            starts, before = ["(0L, 0L)"] if not counts else [], 0
            for number in sorted(counts):
                starts.append(f"({number}L, {before}L)")
                before += counts[number]
            own = f"(_place & {(1 << _PARTITION_BITS) - 1}L)"
            self.make(
                name,
                "SELECT * EXCEPT (_part, _before, _place), "
                f"CAST(_before + {own} + 1 AS INTEGER) AS {column} "
                f"FROM {unnumbered} JOIN (VALUES {', '.join(starts)}) "
                f"AS starts (_part, _before) ON _part = {part}",
            )
            self.drop(unnumbered)

    def rename(self, old: str, new: str) -> None:
        self.drop(new)
        self._path(old).rename(self._path(new))
        self.session.catalog.dropTempView(old)
        self._show(new)

    def drop(self, name: str) -> None:
        self.session.catalog.dropTempView(name)
        shutil.rmtree(self._path(name), ignore_errors=True)

    def has_table(self, name: str) -> bool:
        return self._path(name).is_dir()

    def rows(self, sql: str, values: list | None = None) -> list[tuple]:
        with self.told():
            found = self.session.sql(sql, args=values).collect()
        return [tuple(row) for row in found]

    def batches(self, sql: str) -> Iterator["pa.RecordBatch"]:
        # The files of a sorted table are numbered in its order.
        self.make("sorted", sql)
        with self.told():
            for path in sorted(self._path("sorted").glob("part-*.parquet")):
                with pq.ParquetFile(path) as file:
                    yield from file.iter_batches(_BATCH_ROWS)
        self.drop("sorted")

    def quotient(self, number: str, divisor: int) -> str:
        return f"({number} DIV {divisor})"

    def epoch(self, number: str, form: str) -> str:
        for theirs, ours in _FORMS.items():
            form = form.replace(theirs, ours)
        return f"unix_timestamp(CAST({number} AS STRING), '{form}')"

    def begin(self, name: str) -> Path:
        """Returns an empty folder for a table that others write."""
        self.drop(name)
        self._path(name).mkdir()
        return self._path(name)

    def finish(self, name: str) -> None:
        """Ends what `begin` began."""
        (self._path(name) / "_SUCCESS").touch()
        self._show(name)

    def _write(self, name: str, frame: Any) -> None:
        """Makes a table of a data frame, in the place of one of its name."""
        made = self._path(f"{name}_made")
        frame.write.mode("overwrite").parquet(made.as_uri())
        shutil.rmtree(self._path(name), ignore_errors=True)
        made.rename(self._path(name))
        self._show(name)

    @contextmanager
    def told(self) -> Iterator[None]:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            yield
        except (PySparkException, Py4JError, OSError) as error:
            if isinstance(error, UserError):
                raise
            full = disk_error(error)
            if full is not None or "No space left on device" in str(error):
                raise UserError(
                    f"{self.out} could not be written: No space left on "
                    "device; nothing was left of it."
                ) from error
            said = str(error).strip().split("\n")[0].rstrip(".")
            raise UserError(
                f"Spark failed in {self.doing!r}: {said}."
            ) from error

    @property
    def _tables(self) -> Path:
        return self.folder / "tables"

    @property
    def _notes(self) -> Path:
        return self.folder / "phases.json"

    def _path(self, name: str) -> Path:
        return self._tables / name

    def _show(self, name: str) -> None:
        """Lets queries read a table by its name."""
        path = self._path(name).as_uri()
        self.session.read.parquet(path).createOrReplaceTempView(name)
