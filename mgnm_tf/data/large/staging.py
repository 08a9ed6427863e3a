"""From files to one table: every row, checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mgnm_tf.data.large.file_blocks import Columns
from mgnm_tf.data.large.workspace import Workspace
from mgnm_tf.data.log import no_rows
from mgnm_tf.data.reading.source_files import rows_of_files


def stage(
    work: Workspace, files: Sequence[Path], columns: Columns, where: str
) -> dict[str, Any]:
    """Reads all files into the table `raw`.

    Args:
        work: where it is made.
        files: the files.
        columns: what to read of them.
        where: the source, for messages.

    Returns:
        `rows`: the rows of each file; `kept`: how many rows have a rating
        above the threshold; `time`: the SQL expression of a time;
        `time_unit`; `order_only`.

    Raises:
        DataError: see `read_log`.
    """
    read = work.read(files, columns)
    if not sum(read.rows):
        raise no_rows(where)
    with rows_of_files(files, read.spans):
        time, unit = read.times.finish(work, where)
    return {
        "rows": read.rows,
        "kept": read.kept,
        "time": time,
        "time_unit": unit,
        "order_only": columns.time_unit == "auto"
        and unit == "s"
        and _is_order_only(work, time),
    }


def _is_order_only(work: Workspace, time: str) -> bool:
    """Whether the times of each user are 0 to n - 1, or 1 to n."""
    top, most = work.rows(f"SELECT max({time}), count(*) FROM raw")[0]
    if top > most:
        return False
    return not work.one(
        f"""
        SELECT count(*) FROM (
            SELECT min({time}) AS low, max({time}) AS top, count(*) AS n,
                   count(DISTINCT {time}) AS different
              FROM raw GROUP BY user_id)
         WHERE low > 1 OR top - low + 1 <> n OR different <> n
        """
    )
