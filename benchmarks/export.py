"""Size of the SavedModel, and what a process needs that serves it."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.data import load_data
from benchmarks.evaluate import fresh_model
from benchmarks.measure import figure
from benchmarks.measure import seconds_of
from benchmarks.measure import significant
from benchmarks.settings import Settings
from mgnm_tf.data.batches.pipeline import make_dataset

ROOT = Path(__file__).parents[1]
ROWS, CANDIDATES = 8, 1001
"""The request that is served: histories, and candidates of each."""


def run(settings: Settings) -> dict[str, dict]:
    """Exports every model and serves it in a process of its own.

    Returns:
        label -> `export_seconds`; `disk_mib` of the folder; `load_seconds`;
        `request_ms` for 8 histories with 1,001 candidates each; and
        `memory_mib` of the process, of which `tensorflow_mib` are
        TensorFlow's before it loads the model.
    """
    data = load_data(settings)
    return {
        label: measure_export(label, data, settings)
        for label in settings.labels()
    }


def measure_export(label, data, settings: Settings) -> dict:
    """Exports a model that has not trained, and serves it."""
    model = fresh_model(label, data, settings)
    batches = make_dataset(
        data,
        "test",
        batch_size=ROWS,
        max_length=settings.max_length,
        negatives=CANDIDATES - 1,
        features=tuple(model.required_features),
    )
    features, _ = next(batches.as_numpy_iterator())
    with tempfile.TemporaryDirectory() as folder:
        served, request = Path(folder, "served"), Path(folder, "request.npz")
        np.savez(request, **features)
        seconds = seconds_of(lambda: model.export(served, verbose=False))
        size = sum(f.stat().st_size for f in served.rglob("*") if f.is_file())
        done = subprocess.run(
            [
                *(sys.executable, "-m", "benchmarks.serve"),
                *(served, request, str(settings.windows)),
            ],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    cost = json.loads(done.stdout)
    return {
        "export_seconds": significant(seconds),
        "disk_mib": significant(size / 2**20),
        "load_seconds": significant(cost["load_seconds"]),
        "request_ms": figure(cost["request_ms"]),
        "memory_mib": round(cost["memory_mib"]),
        "tensorflow_mib": round(cost["tensorflow_mib"]),
    }
