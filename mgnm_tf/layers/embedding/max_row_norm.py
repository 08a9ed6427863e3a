"""A bound for the lengths of the rows of a table."""

import keras
from keras import ops

from mgnm_tf.serialization import register


@register
class MaxRowNorm(keras.constraints.Constraint):
    """Shortens the rows that are longer than a bound.

    ```
    w_i <- w_i * min(1, max_norm / |w_i|)
    ```

    Other than `keras.constraints.MaxNorm`, which shrinks every row by a
    rounding at each step, it leaves the rows that are short enough as they
    are, to the bit.

    Args:
        max_norm: the bound.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers.embedding.max_row_norm import MaxRowNorm
    >>> rows = MaxRowNorm(1.0)(np.array([[3.0, 4.0], [0.0, 0.5]], "float32"))
    >>> print(np.asarray(rows).round(6).tolist())
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.5]]
    """

    def __init__(self, max_norm: float):
        self.max_norm = max_norm

    def __call__(self, value):
        value = ops.convert_to_tensor(value)
        square = ops.sum(ops.square(value), axis=-1, keepdims=True)
        # No root of 0, and a factor of 1 there.
        length = ops.sqrt(ops.maximum(square, self.max_norm**2))
        return value * (self.max_norm / length)

    def get_config(self):
        return {"max_norm": self.max_norm}
