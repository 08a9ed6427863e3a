"""`keras.layers.Embedding` that does not copy its table."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.rows import take_rows


@register
class RowEmbedding(keras.layers.Embedding):
    """Looks rows up and reads nothing else of the table.

    The same as `keras.layers.Embedding`, in values, gradients, arguments and
    weights; on TensorFlow it stays fast on a large table that `LazyAdam`
    trains, see `mgnm_tf.utils.rows.take_rows`.

    Args:
        input_dim: number of rows.
        output_dim: width of a row.
        **kwargs: arguments of `keras.layers.Embedding`.

    Call arguments:
        inputs: integers from 0 to `input_dim` - 1, any shape.

    Returns:
        float, the shape of `inputs` and `output_dim` behind it.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers.embedding.row_embedding import RowEmbedding
    >>> RowEmbedding(5, 4)(np.array([[1, 3], [2, 0]])).shape
    TensorShape([2, 2, 4])
    """

    def call(self, inputs):
        ids = ops.cast(inputs, "int32")
        return ops.cast(take_rows(self.embeddings, ids), self.compute_dtype)
