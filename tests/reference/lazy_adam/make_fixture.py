"""Writes lazy_adam.npz: 100 steps of tensorflow-addons' LazyAdam.

Runs in the environment of requirements.txt, not in that of this project.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

STEPS = 100
ROWS = 12
DIM = 2
SLICES = 6
LEARNING_RATE = 0.05


def run(indices, gradients, initial, learning_rate):
    """Returns the table and its moments after 1, 10 and all steps."""
    optimizer = tfa.optimizers.LazyAdam(
        learning_rate, beta_1=0.9, beta_2=0.99, epsilon=1e-6
    )
    table = tf.Variable(initial)
    dense = tf.Variable(initial[0])
    kept = {}
    for step in range(STEPS):
        sparse = tf.IndexedSlices(
            tf.constant(gradients[step]),
            tf.constant(indices[step], tf.int32),
            tf.constant([ROWS, DIM]),
        )
        optimizer.apply_gradients(
            [(sparse, table), (tf.constant(gradients[step, 0]), dense)]
        )
        if step + 1 in (1, 10, STEPS):
            kept[f"table_{step + 1}"] = table.numpy()
            kept[f"dense_{step + 1}"] = dense.numpy()
    kept["momentum"] = optimizer.get_slot(table, "m").numpy()
    kept["velocity"] = optimizer.get_slot(table, "v").numpy()
    return kept


def main():
    random = np.random.default_rng(2022)
    # Drawn from few rows, so that rows repeat within a step; the last rows
    # are never touched.
    indices = random.integers(0, ROWS - 3, (STEPS, SLICES)).astype(np.uint8)
    gradients = random.normal(size=(STEPS, SLICES, DIM)).astype(np.float32)
    initial = random.normal(size=(ROWS, DIM)).astype(np.float32)
    constant = run(indices, gradients, initial, LEARNING_RATE)
    decayed = run(
        indices,
        gradients,
        initial,
        tf.keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, 30, 0.5),
    )
    np.savez_compressed(
        Path(__file__).with_name("lazy_adam.npz"),
        indices=indices,
        gradients=gradients,
        initial=initial,
        **{f"constant_{key}": value for key, value in constant.items()},
        **{f"decayed_{key}": value for key, value in decayed.items()},
    )


if __name__ == "__main__":
    main()
