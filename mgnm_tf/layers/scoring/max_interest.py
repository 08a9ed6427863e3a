"""Scores of candidates by the interest that is nearest."""

import keras
from keras import ops

from mgnm_tf.serialization import register


@register
class MaxInterest(keras.layers.Layer):
    """Scores a candidate `x` by the best of the interests `v_k` of a user.

    ```
    score = max_k v_k . x
    ```

    Retrieval can then be done interest by interest: the best items of the
    union of all lists are the best items.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        interests: float, (batch, K, d).
        candidates: float, (batch, C, d), or (C, d) for candidates that all
            rows share.

    Returns:
        float, (batch, C).

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import MaxInterest
    >>> interests = np.array([[[1.0, 0.0], [0.0, 2.0]]])
    >>> np.asarray(MaxInterest()(interests, np.array([[3.0, 1.0]])))
    array([[3.]], dtype=float32)

    Reference: Cen et al., "Controllable Multi-Interest Framework for
    Recommendation", KDD 2020, aggregation module.

    Differences: in training, the paper scores the negatives of a sample with
    the interest that is nearest to the positive, see `LabelAwareAttention`;
    a layer that is given this interest alone does so.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def call(self, interests, candidates):
        _, count, dim = interests.shape
        if len(candidates.shape) == 2:
            # One product of matrices for the whole batch.
            flat = ops.reshape(interests, (-1, dim))
            products = ops.matmul(flat, ops.transpose(candidates))
            shape = (-1, count, ops.shape(candidates)[0])
            return ops.max(ops.reshape(products, shape), axis=1)
        products = ops.matmul(
            interests, ops.transpose(candidates, (0, 2, 1))
        )  # (batch, K, C)
        return ops.max(products, axis=1)

    def compute_output_shape(self, interests_shape, candidates_shape):
        return (interests_shape[0], candidates_shape[-2])
