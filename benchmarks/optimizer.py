"""Milliseconds per step of SGD, LazyAdam and Keras Adam on a large table."""

import time

import keras
import numpy as np
import tensorflow as tf

from benchmarks.measure import figure
from benchmarks.settings import Settings
from mgnm_tf.optimizers import LazyAdam

ROWS, DIM, TOUCHED = 292_286, 40, 6_000
"""The table of the paper's micro-video data, and what a batch reads of it."""

WARM_UP = 3
"""First calls, which trace, are not counted."""

OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "lazy_adam": LazyAdam,
    "adam": keras.optimizers.Adam,
}


def run(settings: Settings) -> dict[str, dict]:
    """Measures the three by turns, so that a busy machine hits all alike.

    One compiled step looks 6,000 distinct rows of a table of 292,286 x 40
    up, a tenth of them twice, takes the gradient of a scalar and applies it.

    Returns:
        optimizer -> `step_ms`, `times_sgd`.
    """
    random = np.random.default_rng(1)
    steps = {name: make_step(make(1e-3)) for name, make in OPTIMIZERS.items()}
    seconds = {name: [] for name in steps}
    for repeat in range(WARM_UP + (10 if settings.quick else 50)):
        distinct = random.choice(ROWS, TOUCHED, replace=False)
        ids = np.concatenate([distinct, distinct[: TOUCHED // 10]])
        ids = tf.constant(ids, tf.int32)
        for name, step in steps.items():
            begin = time.perf_counter()
            step(ids)
            if repeat >= WARM_UP:
                seconds[name].append(time.perf_counter() - begin)
    sgd = np.array(seconds["sgd"])
    return {
        name: {
            "step_ms": figure(1000 * np.array(values)),
            "times_sgd": figure(np.array(values) / sgd),
        }
        for name, values in seconds.items()
    }


def make_step(optimizer: keras.optimizers.Optimizer):
    """Returns a compiled function of ids (n,) that trains a table once."""
    table = keras.Variable(
        np.random.default_rng(0).normal(size=(ROWS, DIM)).astype("float32")
    )
    optimizer.build([table])

    @tf.function
    def step(ids):
        with tf.GradientTape() as tape:
            # Reads the rows only; `keras.ops.take` would copy the table.
            looked_up = tf.gather(table.value, ids)
            loss = tf.reduce_sum(tf.square(looked_up))
        optimizer.apply([tape.gradient(loss, table.value)], [table])
        return loss

    return step
