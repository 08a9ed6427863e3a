"""Vectors of length 1."""

from keras import ops

from mgnm_tf.types import Tensor


def unit_vectors(vectors: Tensor) -> Tensor:
    """Divides each vector of the last axis by its length.

    The length is computed in float32. A zero vector stays zero, with finite
    gradients.
    """
    wide = ops.cast(vectors, "float32")
    squares = ops.sum(ops.square(wide), axis=-1, keepdims=True)
    unit = wide * ops.rsqrt(ops.maximum(squares, 1e-12))
    return ops.cast(unit, vectors.dtype)
