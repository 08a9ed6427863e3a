"""Two processes that train one model, against one process."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.machine import ROOT
from benchmarks.machine import describe_machine
from mgnm_tf.data.batches.pipeline import num_batches
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.errors import UserError
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.run import Run
from mgnm_tf.utils.files import write_json

CASES: dict[str, dict[str, float]] = {
    "gru4rec": {"dropout": 0.0},
    "sasrec": {"dropout": 0.0},
    "mgnm": {"dropout": 0.0, "routing_noise": 0.0},
    "mgnm:paper": {"routing_noise": 0.0},
    # The recipe whose two stages have no other dropout.
    "timirec:mgnm_paper": {"predictor_dropout": 0.0},
}
"""Recipe -> options without which each worker draws numbers of its own."""

ROUNDED = ("timirec:mgnm_paper",)
"""Recipes that choose the interest with the largest score while they train.

Where two are as good as equal, rounding chooses, and the trainings part. So
one process is compared with one that multiplies matrices by another library,
too: they part as well."""

_OTHERWISE = {"TF_ENABLE_ONEDNN_OPTS": "0"}

_UNLIKE = ("key", "bias")
"""In the path of a bias whose gradient is nothing but rounding (SASRec)."""

_BATCH_SIZE = 63
"""Odd, so that halves differ."""


def make_data(
    folder: Path, steps: int, batch_size: int = _BATCH_SIZE
) -> SequenceDataset:
    """Writes a synthetic data set of so many steps in two epochs."""
    events = steps // 2 * batch_size
    users = max(20, events // 20)
    world = make_world(users, max(600, users // 2), seed=0, num_events=events)
    log = read_log(world, category_column="category")
    data = split_log(log, "leave_one_out", name="workers")
    data.save(folder)
    return data


def run(
    labels: list[str],
    steps: int,
    folder: Path,
    out: Path | None,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Trains each recipe by one and by two processes, and compares them.

    Args:
        labels: keys of `CASES`.
        steps: about how many steps, in two epochs, the last batch short.
        folder: where data and runs are written.
        out: JSON file of the results, written after each recipe.
        progress: takes the name of what is begun.

    Raises:
        UserError: a label is unknown, or a process fails.
    """
    for label in labels:
        if label not in CASES:
            raise UserError(f"{label} is none of {', '.join(CASES)}.")
    data = make_data(folder / "data", steps)
    found: dict[str, Any] = {
        "machine": describe_machine(),
        "data": {
            "users": data.num_users,
            "items": data.num_items,
            "steps_per_epoch": num_batches(data, batch_size=_BATCH_SIZE),
        },
        "results": {},
    }
    for label in labels:
        for name, one, two in _pairs(label, folder, progress):
            found["results"][name] = compare(one, two)
            if out is not None:
                write_json(out, found)
    return found


def _pairs(
    label: str, folder: Path, progress: Callable[[str], None]
) -> Iterator[tuple[str, Path, Path]]:
    """Yields what a pair of trainings is called, and their run folders."""

    def made(name, count, flags=(), more=MappingProxyType({})):
        progress(f"{label}, {name}")
        out = folder / f"{label} {name}".replace(":", "-").replace(" ", "-")
        train_by(label, folder / "data", out, count, flags, more)
        return out

    one, two = made("one", 1), made("two", 2)
    yield label, one, two
    if label not in ROUNDED:
        return
    other = made("one rounded otherwise", 1, more=_OTHERWISE)
    yield f"{label}, one process rounded otherwise", one, other
    start = ("--after", "", "--init-from", str(one / run_folder.STAGE))
    pair = [made(f"second stage by {n}", n, start) for n in (1, 2)]
    yield f"{label}, second stage alone", *pair


def train_by(
    label: str,
    data: Path,
    out: Path,
    count: int,
    flags: Sequence[str] = (),
    more: Mapping[str, str] = MappingProxyType({}),
    batch_size: int = _BATCH_SIZE,
    pinned: bool = False,
) -> None:
    """Lets so many processes, of one thread each, train a recipe.

    Args:
        label: a key of `CASES`.
        data: the data folder.
        out: the run folder to make.
        count: how many processes.
        flags: more of the command line.
        more: more of the environment.
        batch_size: of all processes together.
        pinned: whether each process has a core that is its own.

    Raises:
        UserError: a process fails.
    """
    command = [sys.executable, "-m", "mgnm_tf", "train", label, *flags]
    command += ["--data", str(data), "--out", str(out), "--epochs", "2"]
    command += ["--batch-size", str(batch_size)]
    command += ["--validation-negatives", "100", "--max-length", "20"]
    for name, value in CASES[label].items():
        command += ["--set", f"{name}={value}"]
    if count > 1:
        command.append("--hosts")
    addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
    processes = [
        subprocess.Popen(
            [*(["taskset", "-c", str(index)] if pinned else []), *command],
            cwd=ROOT,
            env={**worker_environment(addresses, index), **more},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(count)
    ]
    errors = [process.communicate()[1] for process in processes]
    for process, text in zip(processes, errors):
        if process.returncode:
            raise UserError(f"{label} by {count} processes: {text[-400:]}")


def worker_environment(addresses: list[str], index: int) -> dict[str, str]:
    """Returns the environment of a worker of one core.

    Args:
        addresses: `host:port` of all workers.
        index: which of them it is.
    """
    config = {
        "cluster": {"worker": addresses},
        "task": {"type": "worker", "index": index},
    }
    one_core = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    return {
        **os.environ,
        **{name: "1" for name in one_core},
        "TF_CONFIG": json.dumps(config),
    }


def free_ports(count: int) -> list[int]:
    """Returns so many ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def compare(one: Path, two: Path) -> dict[str, Any]:
    """Returns how far two runs, and the stages before them, are apart.

    Args:
        one: the run folder of one process.
        two: that of two processes.
    """
    runs = Run(one), Run(two)
    first, second = (run.load_model() for run in runs)
    apart = {
        mine.path: _distance(np.array(mine), np.array(other))
        for mine, other in zip(first.weights, second.weights)
        if mine.name != "seed_generator_state"
    }
    unlike = {
        path: value
        for path, value in apart.items()
        if all(word in path for word in _UNLIKE)
    }
    alike = {path: apart[path] for path in apart if path not in unlike}
    worst = max(alike, key=alike.__getitem__)
    found: dict[str, Any] = {
        "weights": alike[worst],
        "worst": worst,
        "key_bias": max(unlike.values(), default=None),
        "metrics": max(
            _distance(row[name], other[name])
            for row, other in zip(runs[0].history, runs[1].history, strict=True)
            for name in row
            if name.startswith("val_") and name != "val_loss"
        ),
        "val_loss": max(
            _distance(row["val_loss"], other["val_loss"])
            for row, other in zip(runs[0].history, runs[1].history, strict=True)
        ),
        "positives_per_second": [
            run.timing["positives_per_second"] for run in runs
        ],
    }
    if (one / run_folder.STAGE).exists():
        found["stage"] = compare(one / run_folder.STAGE, two / run_folder.STAGE)
    return found


def table(found: dict[str, Any]) -> pd.DataFrame:
    """Returns a row a recipe, and one a stage, of what `run` found."""
    rows = []
    for label, values in found["results"].items():
        while values is not None:
            stage = values.get("stage")
            row = {name: one for name, one in values.items() if name != "stage"}
            rows.append({"recipe": label, **row})
            label, values = f"{label}, first stage", stage
    return pd.DataFrame(rows)


def _distance(left, right) -> float:
    return float(np.max(np.abs(np.subtract(left, right, dtype="float64"))))
