"""A log that memory does not hold, prepared and trained on under a limit.

`python -m benchmarks.large` is what `measure` starts in a cgroup of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import ROOT
from benchmarks.measure import significant
from mgnm_tf.errors import UserError

_MEMORY = Path("/sys/fs/cgroup/memory")
_FILE_ROWS = 10_000_000
_EVENTS_PER_USER = 40
_START = 1_600_000_000


def measure(
    events: int, items: int, limit: int, memory: str, folder: Path | None
) -> dict[str, Any]:
    """Prepares a made log, and takes training steps on it.

    Args:
        events: rows of the log, in Parquet files of ten million; a user has
            40 of them on average.
        items: different items.
        limit: the most memory of each process, in bytes, with the pages of
            files that it has mapped; the system ends a process that needs
            more.
        memory: of that, the memory of DuckDB.
        folder: where log and data are made, and left. `None` is a folder
            that is removed.

    Returns:
        `prepare`: seconds, CPU seconds, rows a second; `train`: seconds to
        the first step, milliseconds a step, and `own_memory_mib`, without
        the pages of files; `arrays_bytes`, which the limit could not hold.

    Raises:
        UserError: this is no machine where limits can be set (Linux, root),
            or a process was ended.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = folder or Path(name)
        log, data = folder / "log", folder / "data"
        if not log.exists():
            _write_log(log, events, items)
        found: dict[str, Any] = {
            "events": events,
            "items": items,
            "limit_bytes": limit,
            "duckdb_memory": memory,
        }
        if not data.exists():
            found["prepare"] = _limited(limit, "prepare", log, data, memory)
        found["train"] = _limited(limit, "train", data)
        found["arrays_bytes"] = sum(
            path.stat().st_size for path in data.glob("*.npy")
        )
    return found


def _write_log(folder: Path, events: int, items: int) -> None:
    """Writes a log whose items are as unequal as those of a shop."""
    folder.mkdir(parents=True)
    users = max(1, events // _EVENTS_PER_USER)
    draw = np.random.default_rng(0)
    for part, first in enumerate(range(0, events, _FILE_ROWS)):
        rows = min(_FILE_ROWS, events - first)
        table = pa.table(
            {
                "user_id": draw.integers(0, users, rows),
                "item_id": (items * draw.random(rows) ** 3).astype(np.int64),
                "timestamp": _START + draw.integers(0, 10**8, rows),
            }
        )
        pq.write_table(table, folder / f"part-{part:04}.parquet")


def _limited(limit: int, *arguments: Any) -> dict[str, Any]:
    """Calls `main` in a process that has no more memory than a limit."""
    with _group(limit) as group:
        done = subprocess.run(
            [
                *("sh", "-c", 'echo $$ > "$0" && exec "$@"'),
                group / "cgroup.procs",
                *(sys.executable, "-m", "benchmarks.large"),
                *(str(one) for one in arguments),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise UserError(
            f"{arguments[0]!r} ended with {done.returncode} under "
            f"{limit:,} bytes: {done.stderr[-400:]}"
        )
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def _group(limit: int) -> Iterator[Path]:
    """Makes a control group with a limit of memory."""
    group = _MEMORY / f"mgnm-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(limit))
    except OSError as error:
        raise UserError(
            f"No limit of memory can be set in {_MEMORY} ({error}); expected "
            "Linux with control groups of version 1, and root."
        ) from error
    try:
        yield group
    finally:
        group.rmdir()


def main(step: str, *arguments: str) -> None:
    """Does a step and prints what it cost, as JSON."""
    found = _prepare(*arguments) if step == "prepare" else _train(*arguments)
    print(json.dumps(found))


def _prepare(log: str, out: str, memory: str) -> dict[str, float]:
    from mgnm_tf.data.prepare import prepare

    begin = time.perf_counter()
    data = prepare(
        log,
        out,
        min_user=5,
        min_item=5,
        engine="duckdb",
        memory=memory,
        progress=lambda words: print(words, file=sys.stderr, flush=True),
    )
    seconds = time.perf_counter() - begin
    return {
        "seconds": significant(seconds),
        "cpu_seconds": significant(time.process_time()),
        "rows_per_second": significant(
            data.metadata["account"]["read"] / seconds
        ),
        "events": len(data.items),
        "users": data.num_users,
        "items": data.num_items,
    }


def _train(folder: str, steps: int = 200) -> dict[str, float]:
    begin = time.perf_counter()
    from mgnm_tf.data.dataset import SequenceDataset
    from mgnm_tf.runs.config import configure
    from mgnm_tf.training.build import compile_model
    from mgnm_tf.training.build import make_batches
    from mgnm_tf.training.build import make_model

    data = SequenceDataset.load(folder, verify=False)
    config = configure("gru4rec", max_length=20)
    model = make_model(data, config)
    compile_model(model, data, config)
    batches, _ = make_batches(model, data, config)
    model.fit(batches, steps_per_epoch=1, verbose=0)
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    model.fit(batches, steps_per_epoch=steps, verbose=0)
    seconds = time.perf_counter() - begin
    return {
        "seconds_to_the_first_step": significant(first),
        "step_ms": significant(1e3 * seconds / steps),
        "batch_size": config.batch_size,
        "own_memory_mib": _own_memory(),
    }


def _own_memory() -> int:
    """Returns the memory of this process without mapped files, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "RssAnon":
            return int(value.split()[0]) >> 10
    raise RuntimeError("Linux tells RssAnon.")


if __name__ == "__main__":
    main(*sys.argv[1:])
