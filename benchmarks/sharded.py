"""A table of items cut over two processes by Keras on JAX (ModelParallel).

`python -m benchmarks.sharded` is what `measure` starts.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import ROOT
from benchmarks.workers import free_ports
from mgnm_tf.errors import UserError

LAYOUTS = ("rows", "columns")
"""How the table is cut."""

_LENGTH, _CANDIDATES, _BATCH = 20, 6, 256
_SMALL = 9_999
_SMALL_STEPS = 20


def measure(items: int, width: int, steps: int) -> dict[str, Any]:
    """Trains with a table that is cut, and compares with one that is not.

    Args:
        items: rows of the large table; one more is for the padding, and all
            of them together are to be even.
        width: numbers of a row, an even number.
        steps: steps on the large table.

    Returns:
        For each of `LAYOUTS` the greatest difference of a weight after
        20 steps of Adam on a table of 10,000 rows, of two processes against
        one; for the large table, cut by columns and trained by SGD, the seconds
        a step and, of each process, the bytes of its part of the table and
        its greatest memory.

    Raises:
        UserError: a process fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = _run(1, _SMALL, width, _SMALL_STEPS, "none", folder / "one")
        found: dict[str, Any] = {"width": width, "weights": {}}
        for layout in LAYOUTS:
            cut = folder / layout
            _run(2, _SMALL, width, _SMALL_STEPS, layout, cut)
            found["weights"][layout] = _difference(folder / "one", cut)
        del whole
        found["items"] = items
        found["processes"] = _run(2, items, width, steps, "columns")
    return found


def _difference(one: Path, other: Path) -> float:
    with np.load(f"{one}.npz") as mine, np.load(f"{other}.npz") as theirs:
        return max(
            float(np.abs(mine[name] - theirs[name]).max()) for name in mine
        )


def _run(
    count: int,
    items: int,
    width: int,
    steps: int,
    layout: str,
    out: Path | None = None,
) -> list[dict[str, float]]:
    """Returns what so many processes print."""
    (port,) = free_ports(1)
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
    }
    numbers = [count, port, items, width, steps, layout, out or ""]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sharded", str(rank)]
            + [str(one) for one in numbers],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    outputs = [process.communicate() for process in processes]
    for process, (_, errors) in zip(processes, outputs, strict=True):
        if process.returncode:
            raise UserError(f"A process failed: {errors[-600:]}")
    return [json.loads(said.splitlines()[-1]) for said, _ in outputs]


def _work(
    rank: int,
    count: int,
    port: int,
    items: int,
    width: int,
    steps: int,
    layout: str,
    out: str,
) -> None:
    """Trains as one of the processes, and prints what it took."""
    import resource

    import jax

    if count > 1:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    import keras

    if count > 1:
        keras.distribution.initialize(f"127.0.0.1:{port}", count, rank)
        devices = keras.distribution.list_devices()
        mesh = keras.distribution.DeviceMesh(
            (1, count), ("batch", "model"), devices
        )
        cuts = keras.distribution.LayoutMap(mesh)
        cuts[".*item_embedding/embeddings"] = (
            ("model", None) if layout == "rows" else (None, "model")
        )
        keras.distribution.set_distribution(
            keras.distribution.ModelParallel(
                layout_map=cuts,
                batch_dim_name="batch",
                auto_shard_dataset=False,
            )
        )
    from baselines.youtube_dnn import YouTubeDNN
    from mgnm_tf.losses import SampledSoftmax

    keras.utils.set_random_seed(0)
    model = YouTubeDNN(num_users=1, num_items=items, embedding_dim=width)
    optimizer = "adam" if out else keras.optimizers.SGD(0.1)
    model.compile(optimizer=optimizer, loss=SampledSoftmax())
    draw = np.random.default_rng(0)

    def ids(*shape):
        return draw.integers(1, items + 1, (_BATCH, *shape), "int32")

    labels = np.zeros((_BATCH, _CANDIDATES), "float32")
    labels[:, 0] = 1.0
    seconds = []
    for _ in range(steps):
        features = {
            "user": np.ones(_BATCH, "int32"),
            "history": ids(_LENGTH),
            "candidates": ids(_CANDIDATES),
        }
        begin = time.perf_counter()
        model.train_on_batch(features, labels)
        seconds.append(time.perf_counter() - begin)
    (table,) = (
        weight
        for weight in model.weights
        if weight.path.endswith("item_embedding/embeddings")
    )
    here = table.value.addressable_shards
    if out:
        _save(model, rank, count, out)
    found = {
        "seconds_per_step": float(np.median(seconds[1:] or seconds)),
        "table_bytes_here": sum(shard.data.nbytes for shard in here),
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    print(json.dumps(found))


def _save(model: Any, rank: int, count: int, out: str) -> None:
    """Writes the whole weights, as the first process."""
    from jax.experimental import multihost_utils

    arrays = {}
    for number, weight in enumerate(model.weights):
        value = weight.value
        if count > 1:
            value = multihost_utils.process_allgather(value, tiled=True)
        arrays[str(number)] = np.asarray(value)
    if rank == 0:
        np.savez(f"{out}.npz", **arrays)


if __name__ == "__main__":
    first, *others, layout_name, target = sys.argv[1:]
    _work(int(first), *map(int, others), layout_name, target)
