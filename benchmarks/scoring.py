"""Recommending to all users of a folder: one process, and workers of Ray."""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import significant
from benchmarks.process_tree import cpu_seconds
from benchmarks.serving import made_model
from benchmarks.settings import Settings
from benchmarks.vectors import made_items
from mgnm_tf.export.export import export
from mgnm_tf.export.vocabularies import Vocabularies

ROOT = Path(__file__).parents[1]
USERS, QUICK_USERS = 1_000_000, 20_000
FILES, QUICK_FILES = 50, 20
ITEMS, QUICK_ITEMS = 20_000, 2_000
EVENTS = 20
"""Events of a history, in the mean; also what the model reads."""
DIM = 64
KNOWN_USERS = 1_000
WORKERS = 2
MANY = 100_000_000
"""Users of the estimate."""


def run(settings: Settings) -> dict[str, dict]:
    """Measures `mgnm recommend` of a folder of a million made users.

    GRU4Rec, unless models are named, as constructed, of width 64, 20,000
    items, histories of 1 to 39 events, 50 files. One process has one core;
    of two workers each has one, and what Ray does besides has to fit on the
    same two; without Ray there is only the one.

    Returns:
        "model, what" -> `seconds` with start and model, `users_per_second`
        after the first file, `cpu_seconds` of all its processes and
        `workers_cpu_seconds` of Ray's workers among them,
        `peak_memory_mib` of the command's own process (of one process also
        with a tenth of the files: it should be the same). "model" ->
        `speedup`, of `users_per_second`, and `speedup_with_start`;
        `speedup_by_cpu`, what it would be if all processor time were on
        cores that nobody else uses, which tells it on a busy machine, too;
        whether all files are `equal`; and the hours that 100 million users
        take (`hours_of_100_million_*`).
    """
    report = {}
    for label in settings.labels(("gru4rec",)):
        with tempfile.TemporaryDirectory() as folder:
            report |= measure_scoring(label, Path(folder), settings)
    return report


def measure_scoring(label: str, folder: Path, settings: Settings) -> dict:
    """Makes an export and histories in a folder; recommends by turns."""
    items = QUICK_ITEMS if settings.quick else ITEMS
    vectors, counts = made_items(items, DIM)
    names = [f"item-{number}" for number in range(items)]
    known = [f"user-{number}" for number in range(KNOWN_USERS)]
    words = Vocabularies(known, names, counts.astype(np.int64))
    model = made_model(label, vectors)
    export(model, words, folder / "export", max_length=EVENTS)
    users = QUICK_USERS if settings.quick else USERS
    files = QUICK_FILES if settings.quick else FILES
    write_histories(folder / "all", names, users, files)
    write_histories(folder / "tenth", names, users // 10, max(1, files // 10))
    cores = sorted(os.sched_getaffinity(0))
    alone = score(folder, "all", "alone", [], cores[:1])
    tenth = score(folder, "tenth", "alone-tenth", [], cores[:1])
    report = {
        f"{label}, one process": alone,
        f"{label}, one process, a tenth": tenth,
    }
    figures = {"users": users, "hours_of_100_million_one_core": hours(alone)}
    if importlib.util.find_spec("ray") is not None:
        options = ["--workers", str(WORKERS)]
        together = score(folder, "all", "together", options, cores[:WORKERS])
        report[f"{label}, {WORKERS} workers"] = together
        figures |= {
            "speedup": significant(
                together["users_per_second"] / alone["users_per_second"]
            ),
            "speedup_with_start": significant(
                alone["seconds"] / together["seconds"]
            ),
            "speedup_by_cpu": significant(
                WORKERS * alone["cpu_seconds"] / together["cpu_seconds"]
            ),
            "equal": str(same(folder / "alone", folder / "together")),
            "hours_of_100_million_two_cores": hours(together),
        }
    return {**report, label: figures}


def hours(found: dict) -> float:
    """Returns the hours of 100 million users at the speed of a run."""
    return significant(MANY / found["users_per_second"] / 3600)


def write_histories(
    folder: Path, names: list[str], users: int, files: int
) -> None:
    """Writes made histories, a file after the other; users in one file."""
    random = np.random.default_rng(0)
    folder.mkdir()
    words = pa.array(names)
    for number in range(files):
        count = users // files
        lengths = random.integers(1, 2 * EVENTS, count)
        codes = random.integers(0, len(names), lengths.sum(), np.int32)
        ids = [f"u{number * count + user}" for user in range(count)]
        repeats = np.repeat(np.arange(count, dtype=np.int32), lengths)
        table = pa.table(
            {
                "user_id": pa.DictionaryArray.from_arrays(repeats, ids),
                "item_id": pa.DictionaryArray.from_arrays(codes, words),
            }
        )
        pq.write_table(table, folder / f"part-{number:03d}.parquet")


def score(
    folder: Path, histories: str, out: str, options: list, cores: list[int]
) -> dict:
    """Runs the command on some cores, one thread a process."""
    command = [sys.executable, "-m", "mgnm_tf", "recommend", folder / "export"]
    command += ["--history", folder / histories, "--out", folder / out]
    one = dict.fromkeys(
        ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
    )
    before = {**os.environ, **one, "PYTHONPATH": str(ROOT)}
    begin = time.time()
    process = subprocess.Popen(
        [*map(str, command), *options],
        env=before,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    with cpu_seconds(process.pid) as used:
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.time() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, "mgnm recommend has failed"
    # Workers of Ray are called by the class that works in them.
    workers = [spent for name, spent in used.values() if "_Worker" in name]
    return {
        "seconds": significant(seconds),
        "users_per_second": significant(speed(folder / out)),
        "cpu_seconds": significant(sum(one for _, one in used.values())),
        "workers_cpu_seconds": significant(sum(workers)),
        "peak_memory_mib": round(usage.ru_maxrss / 1024),
    }


def speed(out: Path) -> float:
    """Returns users a second between the first file and the last one."""
    files = sorted(out.iterdir(), key=lambda path: path.stat().st_mtime)
    if len(files) == 1:
        return float("nan")
    # The first one bears the start; each holds as many users.
    users = len(set(pq.read_table(files[0])["user_id"].to_pylist()))
    times = [path.stat().st_mtime for path in (files[0], files[-1])]
    return users * (len(files) - 1) / (times[1] - times[0])


def same(first: Path, second: Path) -> bool:
    """Returns whether two folders hold the same recommendations."""
    names = sorted(path.name for path in first.iterdir())
    return names == sorted(path.name for path in second.iterdir()) and all(
        pq.read_table(first / name).equals(pq.read_table(second / name))
        for name in names
    )
