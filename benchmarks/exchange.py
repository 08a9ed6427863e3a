"""Bytes and time of the exchange of two workers, on a loopback of their own.

The counters of the interface hold what the two tell each other, and nothing
else. `python -m benchmarks.exchange` is what `measure` starts in there.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.workers import free_ports
from benchmarks.workers import worker_environment
from mgnm_tf.errors import UserError

_LENGTH, _CANDIDATES = 20, 6
_WARM_STEPS = 5


def measure(
    items: int, width: int, batch_size: int, steps: int
) -> dict[str, Any]:
    """Measures the steps of a model with one table of items.

    Args:
        items: rows of the table.
        width: numbers of a row.
        batch_size: positives of a batch, of both workers together.
        steps: how many steps are measured.

    Returns:
        Bytes a step, those of the dense gradient of the table, which either
        worker would have to tell the other, and milliseconds of a step by two
        workers and by one with half of the batch.

    Raises:
        UserError: no network can be made, or a worker fails.
    """
    numbers = [str(one) for one in (items, width, batch_size, steps)]
    done = subprocess.run(
        [
            *("unshare", "--net", "sh", "-c"),
            'ip link set lo up && exec "$@"',
            *("sh", sys.executable, "-m", "benchmarks.exchange", *numbers),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise UserError(f"The exchange was not measured: {done.stderr[-400:]}")
    two, one = (json.loads(line) for line in done.stdout.splitlines()[-2:])
    return {
        "items": items,
        "width": width,
        "batch_size": batch_size,
        "bytes_per_step": two["bytes"],
        "dense_gradient_bytes": 4 * (items + 1) * width,
        "step_ms": two["ms"],
        "step_ms_of_half_a_batch_alone": one["ms"],
    }


def _start(count: int, numbers: list[str]) -> str:
    """Returns what the first of so many workers prints."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.exchange", "worker", *numbers],
            env=worker_environment(addresses, index),
            stdout=subprocess.PIPE,
            text=True,
        )
        for index in range(count)
    ]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("a worker failed")
    return outputs[0].splitlines()[-1]


def _work(items: int, width: int, rows: int, steps: int) -> None:
    """Trains `rows` rows a step as a worker, and prints what it took."""
    from mgnm_tf.cluster.hosts import Hosts

    hosts = Hosts()
    import numpy as np
    import tensorflow as tf

    from baselines.youtube_dnn import YouTubeDNN
    from mgnm_tf.losses import SampledSoftmax

    with hosts.scope():
        model = YouTubeDNN(num_users=1, num_items=items, embedding_dim=width)
        model.compile(loss=SampledSoftmax())
    draw = np.random.default_rng(hosts.rank)
    count = _WARM_STEPS + steps

    def ids(*shape):
        return draw.integers(1, items + 1, (count, rows, *shape), "int32")

    features = {
        "user": np.ones((count, rows), "int32"),
        "history": ids(_LENGTH),
        "candidates": ids(_CANDIDATES),
    }
    labels = np.zeros((count, rows, _CANDIDATES), "float32")
    labels[:, :, 0] = 1.0
    data = tf.data.Dataset.from_tensor_slices((features, labels)).repeat()
    batches, _ = hosts.divided(lambda share: (data, None))
    with hosts.fitting(model):
        model.fit(batches, steps_per_epoch=_WARM_STEPS, verbose=0)
        told, begin = _told(), time.perf_counter()
        model.fit(batches, steps_per_epoch=steps, verbose=0)
    seconds = time.perf_counter() - begin
    found = {"bytes": (_told() - told) / steps, "ms": 1e3 * seconds / steps}
    print(json.dumps(found))


def _told() -> int:
    """Returns the bytes that went over the loopback so far."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, counters = line.partition(":")
        if name.strip() == "lo":
            return int(counters.split()[0])
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        _work(*map(int, sys.argv[2:]))
    else:
        table, dim, batch, number = map(int, sys.argv[1:])
        sizes = [str(one) for one in (table, dim, batch // 2, number)]
        print(_start(2, sizes))
        print(_start(1, sizes))
