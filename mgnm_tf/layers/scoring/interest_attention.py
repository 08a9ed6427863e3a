"""Scores of candidates against the interests of a user."""

import functools

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import LOWEST
from mgnm_tf.utils.masking import TINY


@register
class InterestAttention(keras.layers.Layer):
    """Scores candidates by attention over interests.

    For every level, with interests `q_k` and a candidate `x`:

    ```
    a_k = softmax_k(q_k . x)                          (equation 13)
    score = sum_k a_k (q_k . x)                       (equations 12, 14)
    ```

    Only the K inner products of a pair are computed; the preference vector
    `sum_k a_k q_k` is never formed.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        interests: float, (batch, levels, K, d).
        candidates: float, (batch, C, d), or (C, d) for candidates that all
            rows share.
        valid_mask: bool, (batch, K), interests that count on every level;
            `None` for all.

    Returns:
        float, (batch, levels, C).

    Masking: an invalid interest gets no attention; a row without a valid
    interest scores 0.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import InterestAttention
    >>> interests = np.ones((2, 4, 3, 8), "float32")
    >>> InterestAttention()(interests, np.ones((2, 6, 8), "float32")).shape
    TensorShape([2, 4, 6])

    Reference: Tian et al., "When Multi-Level Meets Multi-Interest", SIGIR
    2022, section 3.4.1.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def call(self, interests, candidates, valid_mask=None):
        products = self._products(interests, candidates)
        if valid_mask is None and interests.shape[2] == 1:
            return products[:, :, 0]
        # The softmax is not formed either: only two sums over K are needed.
        if valid_mask is None and interests.shape[2] is not None:
            return self._attend(ops.unstack(products, axis=2))
        logits = ops.cast(products, "float32")
        if valid_mask is not None:
            valid_mask = valid_mask[:, None, :, None]
            logits = ops.where(valid_mask, logits, LOWEST)
        highest = ops.stop_gradient(ops.max(logits, axis=2, keepdims=True))
        weights = ops.exp(logits - highest)
        if valid_mask is not None:
            weights = ops.where(valid_mask, weights, 0.0)
            logits = ops.where(valid_mask, logits, 0.0)
        total = ops.maximum(ops.sum(weights, axis=2), TINY)
        scores = ops.sum(weights * logits, axis=2) / total
        return ops.cast(scores, products.dtype)

    def _products(self, interests, candidates):
        """Returns the inner products, (batch, levels, K, C)."""
        _, levels, _, dim = interests.shape
        count = ops.shape(interests)[2]
        if len(candidates.shape) == 2:
            # One product of matrices for the whole batch.
            flat = ops.reshape(interests, (-1, dim))
            products = ops.matmul(flat, ops.transpose(candidates))
        else:
            flat = ops.reshape(interests, (-1, levels * count, dim))
            products = ops.matmul(flat, ops.transpose(candidates, (0, 2, 1)))
        return ops.reshape(
            products, (-1, levels, count, ops.shape(candidates)[-2])
        )

    def _attend(self, products):
        """Returns scores from the K products (batch, levels, C) of a pair.

        They stand apart because sums over an axis in the middle are slow.
        """
        logits = [ops.cast(product, "float32") for product in products]
        highest = ops.stop_gradient(functools.reduce(ops.maximum, logits))
        weights = [ops.exp(logit - highest) for logit in logits]
        weighted = map(ops.multiply, weights, logits)
        scores = functools.reduce(ops.add, weighted) / functools.reduce(
            ops.add, weights
        )
        return ops.cast(scores, products[0].dtype)

    def compute_output_shape(
        self, interests_shape, candidates_shape, valid_mask_shape=None
    ):
        return (interests_shape[0], interests_shape[1], candidates_shape[-2])
