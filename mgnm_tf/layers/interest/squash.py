"""The non-linearity of capsule networks."""

import keras
from keras import ops

from mgnm_tf.serialization import register


@register
class Squash(keras.layers.Layer):
    """Shrinks vectors to a length below 1 and keeps their direction.

    ```
    squash(v) = |v|^2 / (|v|^2 + 1) * v / |v|         (MGNM, equation 7)
    ```

    Computed in float32; the gradient at the zero vector is finite.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        vectors: float, (..., d).

    Returns:
        float, (..., d); zero stays zero.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import Squash
    >>> np.asarray(Squash()(np.array([[3.0, 4.0]]))).round(4)
    array([[0.5769, 0.7692]], dtype=float32)

    Reference: Sabour et al., "Dynamic Routing Between Capsules", 2017,
    equation 1. The 1e-9 under the root is that of the ComiRec code.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def call(self, vectors):
        values = ops.cast(vectors, "float32")
        square = ops.sum(ops.square(values), axis=-1, keepdims=True)
        scale = square / (1.0 + square) * ops.rsqrt(square + 1e-9)
        return ops.cast(scale * values, vectors.dtype)

    def compute_output_shape(self, vectors_shape):
        return vectors_shape
