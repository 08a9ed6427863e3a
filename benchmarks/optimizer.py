"""Milliseconds per training step of SGD, LazyAdam and Keras Adam.

    python benchmarks/optimizer.py [--rows 292286] [--dim 40] [--touched 6000]

One compiled step looks `touched` distinct rows of a table up, some of them
twice, takes the gradient of a scalar and applies it. The optimizers take
turns in one process, so that a busy machine hits all of them alike. Prints
JSON: medians, and the ratio to SGD.
"""

import argparse
import json
import platform
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

from mgnm_tf.optimizers import LazyAdam

OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "lazy_adam": LazyAdam,
    "adam": keras.optimizers.Adam,
}


def make_step(optimizer, rows: int, dim: int):
    """Returns a compiled function of ids (n,) that trains a table once."""
    table = keras.Variable(
        np.random.default_rng(0).normal(size=(rows, dim)).astype("float32")
    )
    optimizer.build([table])

    @tf.function
    def step(ids):
        with tf.GradientTape() as tape:
            # Reads the rows only; `keras.ops.take` would copy the table.
            looked_up = tf.gather(table.value, ids)
            loss = tf.reduce_sum(tf.square(looked_up))
        optimizer.apply([tape.gradient(loss, table.value)], [table])

    return step


def measure(
    rows: int, dim: int, touched: int, repeats: int
) -> dict[str, list[float]]:
    """Returns seconds per step of each optimizer, one entry a repeat."""
    random = np.random.default_rng(1)
    steps = {
        name: make_step(optimizer(1e-3), rows, dim)
        for name, optimizer in OPTIMIZERS.items()
    }
    seconds = {name: [] for name in steps}
    for repeat in range(repeats + 3):
        distinct = random.choice(rows, touched, replace=False)
        ids = tf.constant(
            np.concatenate([distinct, distinct[: touched // 10]]), tf.int32
        )
        for name, step in steps.items():
            start = time.perf_counter()
            step(ids)
            if repeat >= 3:  # The first calls trace and warm up.
                seconds[name].append(time.perf_counter() - start)
    return seconds


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=292_286)
    parser.add_argument("--dim", type=int, default=40)
    parser.add_argument("--touched", type=int, default=6_000)
    parser.add_argument("--repeats", type=int, default=50)
    arguments = parser.parse_args()
    seconds = measure(**vars(arguments))
    medians = {
        name: round(1000 * statistics.median(values), 3)
        for name, values in seconds.items()
    }
    result = {
        **vars(arguments),
        "ms_per_step": medians,
        "times_sgd": {
            name: round(value / medians["sgd"], 2)
            for name, value in medians.items()
        },
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "devices": [d.name for d in tf.config.list_physical_devices()],
        "machine": platform.platform(),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
