"""Milliseconds of the exact softmax over a catalogue, with its gradients."""

import time

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from benchmarks.measure import figure
from benchmarks.settings import Settings
from mgnm_tf.utils.catalogue_softmax import catalogue_log_probability

ITEMS, DIM, BATCH = 43_097, 100, 512
"""The items of Diginetica, cut as for SR-GNN, and the width of its models."""

WARM_UP = 2
"""First calls, which trace, are not counted."""


def run(settings: Settings) -> dict[str, dict]:
    """Measures three ways by turns, so that a busy machine hits all alike.

    - `products`: the three products of matrices that no way can do without;
    - `by_hand`: `catalogue_log_probability`, in chunks;
    - `plain`: all scores at once, and the gradients that TensorFlow finds.

    Returns:
        way -> `step_ms`, `times_products`.
    """
    random = np.random.default_rng(0)
    users = keras.Variable(random.normal(size=(BATCH, DIM)).astype("float32"))
    table = keras.Variable(
        random.normal(scale=0.1, size=(ITEMS + 1, DIM)).astype("float32")
    )
    positives = tf.constant(random.integers(1, ITEMS + 1, BATCH), tf.int32)

    def plain():
        scores = ops.matmul(users, ops.transpose(table[1:]))
        own = ops.take_along_axis(scores, positives[:, None] - 1, axis=1)
        return own[:, 0] - ops.logsumexp(scores, axis=1)

    def by_hand():
        return catalogue_log_probability(users, table, positives)

    @tf.function
    def products():
        scores = tf.matmul(users.value, table.value, transpose_b=True)
        return (
            tf.reduce_sum(tf.matmul(scores, table.value)),
            tf.reduce_sum(tf.matmul(scores, users.value, transpose_a=True)),
        )

    def with_gradients(way):
        @tf.function
        def step():
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(way())
            found = tape.gradient(loss, [users.value, table.value])
            return [tf.reduce_sum(tf.convert_to_tensor(one)) for one in found]

        return step

    steps = {
        "products": products,
        "by_hand": with_gradients(by_hand),
        "plain": with_gradients(plain),
    }
    seconds = {name: [] for name in steps}
    for repeat in range(WARM_UP + (3 if settings.quick else 20)):
        for name, step in steps.items():
            begin = time.perf_counter()
            tf.nest.map_structure(lambda one: one.numpy(), step())
            if repeat >= WARM_UP:
                seconds[name].append(time.perf_counter() - begin)
    least = np.array(seconds["products"])
    return {
        name: {
            "step_ms": figure(1000 * np.array(values)),
            "times_products": figure(np.array(values) / least),
        }
        for name, values in seconds.items()
    }
