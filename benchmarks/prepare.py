"""Time and memory of `mgnm prepare`, in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time

from benchmarks.measure import seconds_of
from benchmarks.measure import significant
from benchmarks.resident import peak_resident
from benchmarks.settings import Settings
from mgnm_tf.data.dataset import HEADER
from mgnm_tf.data.prepare import prepare
from mgnm_tf.data.synthetic import write_world

DUCKDB_MEMORY = "1GB"
"""The limit of DuckDB where it is measured."""

ROOT = Path(__file__).parents[1]


def run(settings: Settings) -> dict[str, dict]:
    """Measures the way from a CSV to a data folder.

    The CSV is the log of the settings, or a synthetic one. A data folder is
    prepared already, so nothing is measured.

    Returns:
        `world`, `prepare` (in memory) and `prepare_duckdb` (if it is
        installed, with `DUCKDB_MEMORY`) -> seconds, CPU seconds of the whole
        process, rows a second, memory.
    """
    if settings.log and (Path(settings.log) / HEADER).is_file():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        report, log = {}, settings.log
        if not log:
            log = str(Path(folder, "log.csv"))
            world = (settings.users, settings.items, settings.events)
            report["world"] = _in_a_process("world", log, *map(str, world))
        log, split = str(Path(log).absolute()), settings.split
        engines = {"prepare": "in_memory"}
        if importlib.util.find_spec("duckdb") is not None:
            engines["prepare_duckdb"] = "duckdb"
        for name, engine in engines.items():
            out = str(Path(folder, name))
            report[name] = _in_a_process("prepare", log, out, split, engine)
    return report


def _in_a_process(*arguments: str) -> dict:
    """Calls `main` in a fresh process, whose memory is its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.prepare", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout)


def main(step: str, log: str, *arguments: str) -> None:
    """Does a step and prints what it cost, as JSON."""
    if step == "world":
        users, items, events = map(int, arguments)
        rows = events
        seconds = seconds_of(
            lambda: write_world(log, users, items, num_events=events, seed=0)
        )
    else:
        out, split, engine = arguments
        memory = DUCKDB_MEMORY if engine == "duckdb" else None
        made = []
        seconds = seconds_of(
            lambda: made.append(
                prepare(log, out, split=split, engine=engine, memory=memory)
            )
        )
        rows = len(made[0].items)
    result = {
        "seconds": significant(seconds),
        "cpu_seconds": significant(process_time()),
        "rows_per_second": significant(rows / seconds),
        "peak_memory_mib": round(peak_resident()),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
