"""Which engine prepares a log."""

import importlib.util
import zlib
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from mgnm_tf.data.large.duckdb_workspace import import_duckdb
from mgnm_tf.data.large.memory import read_memory
from mgnm_tf.data.large.spark_workspace import import_spark
from mgnm_tf.data.reading.source_files import find_files
from mgnm_tf.data.reading.source_files import open_bytes
from mgnm_tf.errors import UserError
from mgnm_tf.utils.validation import check_choice

ENGINES = ("auto", "in_memory", "duckdb", "spark")
"""The engines of `prepare`."""

LARGE_ROWS = 20_000_000
"""From here on DuckDB is chosen where it is installed.

At 5 million rows the way in memory takes half the CPU time and no more memory
(`python -m benchmarks prepare --events 5000000`); its memory grows with the
rows, to about 3 GiB here, and that of DuckDB does not.
"""

# What a row of a text file takes, about, plain and compressed by gzip.
_ROW_BYTES = {False: 32, True: 8}
_LONGEST_LINE = 1 << 16


def choose_engine(
    engine: str,
    memory: str | None,
    source: Any,
    progress: Callable[[str], None],
    unsupported: Sequence[str],
) -> str:
    """Returns the engine that prepares a log; says so where it chose DuckDB.

    Args:
        engine: one of `ENGINES`.
        memory: what is given for the memory of DuckDB.
        source: files, see `find_files`, or a table.
        progress: called with the words.
        unsupported: the options that only the engine in memory knows.

    Raises:
        UserError: DuckDB or Spark is asked for and missing, or cannot do an
            option or read the source; or a memory is given without DuckDB,
            or is none.
        ValueError: the engine is unknown.
    """
    check_choice(engine, "engine", ENGINES)
    if memory is not None:
        read_memory(memory)
        if engine != "duckdb":
            raise UserError(
                "The memory is a limit of the engine 'duckdb'; ask for it, "
                f"too. Received: memory={memory!r} with engine={engine!r}"
            )
    tabular = hasattr(source, "columns")
    if engine in ("duckdb", "spark"):
        import_duckdb() if engine == "duckdb" else import_spark()
        if tabular:
            raise UserError(
                f"The engine {engine!r} reads files. Received: a table in "
                "memory; use the engine 'in_memory'."
            )
        if unsupported:
            raise UserError(
                f"The engine {engine!r} does not know {unsupported[0]!r}; use "
                "the engine 'in_memory'."
            )
        return engine
    if engine == "in_memory" or tabular or unsupported:
        return "in_memory"
    rows = guess_rows(find_files(source))
    if rows < LARGE_ROWS or importlib.util.find_spec("duckdb") is None:
        return "in_memory"
    progress(
        f"about {rows:,} rows, so DuckDB prepares them; ask for the engine "
        "'in_memory' if you do not want that"
    )
    return "duckdb"


def guess_rows(files: Sequence[Path]) -> int:
    """Returns how many rows files have, about, without reading them.

    Parquet files say it; of text files their size does, of JSON Lines that
    and the first line. What cannot be read counts nothing.
    """
    rows = 0
    for path in files:
        try:
            if not isinstance(path, Path) or not path.is_file():
                continue
            with open(path, "rb") as file:
                magic = file.read(4)
            if magic == b"PAR1":
                rows += pa.parquet.read_metadata(path).num_rows
            else:
                compressed = magic[:2] == b"\x1f\x8b"
                rows += path.stat().st_size // _row_bytes(path, compressed)
        except (OSError, EOFError, zlib.error, pa.ArrowException):
            continue
    return rows


def _row_bytes(path: Path, compressed: bool) -> int:
    with open_bytes(path, compressed) as file:
        line = file.readline(_LONGEST_LINE)
    if not line.startswith(b"{"):
        return _ROW_BYTES[compressed]
    return len(line) * _ROW_BYTES[compressed] // _ROW_BYTES[False] or 1
