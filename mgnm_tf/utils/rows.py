"""Reads rows of a table without copying the table."""

import keras
from keras import ops

from mgnm_tf.types import Tensor


def take_rows(table: keras.Variable | Tensor, ids: Tensor) -> Tensor:
    """Looks rows up, as `keras.ops.take(table, ids, axis=0)` does.

    On the TensorFlow backend `keras.ops.take` reads the whole variable and
    gathers from what it read. That costs nothing until an optimizer scatters
    into rows of the variable: from then on TensorFlow copies the variable at
    each such read, so that the reader does not see half an update. A table of
    292,286 x 40 is 47 MB at each look-up. Gathering from the variable itself
    copies the rows alone. Values and gradients (`tf.IndexedSlices`) are the
    same. Keras has no operation for it, hence these lines of TensorFlow.

    Args:
        table: a variable or a tensor, (rows, ...).
        ids: integers from 0 to rows - 1, any shape. Negative ids do not
            count from the end.

    Returns:
        The shape of `ids`, then that of a row; the dtype of the table.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # No `tf.Variable` where Keras casts it or keeps it apart (stateless
        # calls).
        value = getattr(table, "value", table)
        if isinstance(value, tf.Variable):
            return tf.gather(value, ids)
    return ops.take(table, ids, axis=0)


def take_positions(values: Tensor, index: Tensor) -> Tensor:
    """Looks positions up in each row of a batch.

    What `keras.ops.take_along_axis(values, index[..., None], axis=1)` does,
    but whole vectors are copied, not their numbers one by one.

    Args:
        values: (B, n, d).
        index: integers from 0 to n - 1, (B, m).

    Returns:
        (B, m, d).
    """
    batch, length = ops.shape(values)[:2]
    index = ops.cast(index, "int32")
    starts = ops.arange(batch, dtype="int32") * length
    return take_flat(values, index + ops.expand_dims(starts, 1))


def take_flat(values: Tensor, index: Tensor) -> Tensor:
    """Looks positions up in the flattened rows of a batch.

    Args:
        values: (B, n, d).
        index: integers from 0 to B * n - 1, row * n + column, any shape.

    Returns:
        The shape of `index`, then d.
    """
    flat = ops.reshape(values, (-1, values.shape[-1]))
    return ops.take(flat, index, axis=0)
