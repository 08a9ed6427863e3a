"""Batches a second that the input pipeline makes, without a model."""

import time

import numpy as np
import tensorflow as tf

from benchmarks.data import load_data
from benchmarks.measure import figure
from benchmarks.measure import seconds_of
from benchmarks.measure import significant
from benchmarks.settings import Settings
from mgnm_tf.data.batches.batch_plan import plan_batches
from mgnm_tf.data.batches.pipeline import make_dataset

WARM_UP = 20
"""Batches that are not counted."""

CASES = {
    "train": {},
    "train_one_width": {"bucket_widths": ()},
    "train_shared": {"negatives": 0, "shared_negatives": 1000},
    "train_popularity": {"sampling": "popularity"},
    "test": {"part": "test", "negatives": 1000},
}


def run(settings: Settings) -> dict[str, dict]:
    """Measures the plan of an epoch and the batches of several kinds.

    Returns:
        kind -> `rows_per_second` and `rows_per_cpu_second`; `plan` ->
        `seconds`.
    """
    data = load_data(settings)
    plan = seconds_of(plan_batches, data, "train", settings.max_length)
    report = {"plan": {"seconds": significant(plan)}}
    for name, case in CASES.items():
        dataset = make_dataset(data, max_length=settings.max_length, **case)
        # An endless stream, so that small data do not end it.
        report[name] = rows_per_second(dataset.repeat(), settings)
    return report


def rows_per_second(dataset: tf.data.Dataset, settings: Settings) -> dict:
    """Counts the rows of `dataset` that are made in a second."""
    batches = iter(dataset)
    for _ in range(WARM_UP):
        next(batches)
    windows = []
    for _ in range(settings.windows):
        begin, cpu = time.perf_counter(), time.process_time()
        rows = next(batches)[1].shape[0]
        while time.perf_counter() - begin < settings.seconds / 2:
            rows += next(batches)[1].shape[0]
        cpu = time.process_time() - cpu
        windows.append((rows / (time.perf_counter() - begin), rows / cpu))
    walls, cpus = np.transpose(windows)
    return {
        "rows_per_second": figure(walls),
        "rows_per_cpu_second": figure(cpus),
    }
