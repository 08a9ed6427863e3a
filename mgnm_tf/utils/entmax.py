"""Softmax with exact zeros, whose sparsity can be learned."""

import math

import keras
from keras import ops

from mgnm_tf.types import Tensor
from mgnm_tf.utils.masking import FORBIDDEN

LEAST = 1e-5
"""The least that alpha lies above 1."""
STEPS = {"float32": 30, "float64": 60}
"""Bisections after which the threshold is as exact as its type."""
SERIES = 0.05
"""Below it the gradient by alpha is a power series."""


def entmax(
    logits: Tensor, alpha: Tensor | float, valid_mask: Tensor | None = None
) -> Tensor:
    """Returns alpha-entmax over the last axis, with gradients for both.

    ```
    p_i = max((alpha - 1) z_i - tau, 0)^(1 / (alpha - 1))    sum_i p_i = 1
    ```

    Softmax as alpha goes to 1, sparsemax at 2, and the more zeros between
    them the larger alpha is. The threshold tau is found by bisection, and the
    gradients are those of the solution (equations of the reference), not of
    the bisection.

    With e = alpha - 1, u_i = z_i - max(z) and the unknown c in [0, log n] it
    is computed as

    ```
    p_i = exp(log(1 + w_i) / e - c),    w_i = e u_i exp(e c)
    ```

    which is the same and loses no digits where e is small. With
    `r_i = p_i / (1 + w_i)`, `y_i = w_i / e`:

    ```
    dp_i / dz_j     = exp(e c) r_i (1[i = j] - r_j / sum r)
    dp_i / dalpha   = r_i (m_i - sum_j r_j m_j / sum r)
    m_i = c y_i + y_i^2 (w_i - (1 + w_i) log(1 + w_i)) / w_i^2
    ```

    Args:
        logits: float, (..., n); computed in float32, or float64 if they are.
        alpha: float, broadcasts against (..., 1). Meant for [1, 2]; what is
            less than 1.00001 counts as that.
        valid_mask: bool, broadcasts against `logits`: what gets a share;
            `None` for all.

    Returns:
        A tensor like `logits`; invalid entries are 0, and rows without a
        valid entry are 0 everywhere.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.utils.entmax import entmax
    >>> logits = np.array([1.0, 0.5, -1.0], "float32")
    >>> print(np.asarray(entmax(logits, 2.0)).round(3))
    [0.75 0.25 0.  ]

    Reference: Peters, Niculae and Martins, "Sparse sequence-to-sequence
    models", ACL 2019; Correia, Niculae and Martins, "Adaptively sparse
    transformers", EMNLP 2019, proposition 1.
    """
    logits = ops.convert_to_tensor(logits)
    dtype = keras.backend.standardize_dtype(logits.dtype)
    wide = "float64" if dtype == "float64" else "float32"
    scores = ops.cast(logits, wide)
    if valid_mask is not None:
        scores = ops.where(valid_mask, scores, FORBIDDEN)
    # Each row has its alpha, so that broadcasting has a gradient of its own.
    alpha = ops.cast(alpha, wide) + ops.zeros_like(scores[..., :1])
    shares = _entmax(scores, alpha)
    if valid_mask is not None:
        shares = ops.where(valid_mask, shares, ops.zeros_like(shares))
    return ops.cast(shares, dtype)


@ops.custom_gradient
def _entmax(scores, alpha):
    """Returns the shares (..., n), and their gradient for both arguments."""
    excess = ops.maximum(alpha - 1.0, LEAST)
    below = scores - ops.max(scores, axis=-1, keepdims=True)
    offset = _bisect(below, excess)
    shares, grown = _shares(below, excess, offset)
    shares = shares / ops.sum(shares, axis=-1, keepdims=True)
    alive = shares > 0

    def gradient(*args, upstream=None):
        if upstream is None:
            (upstream,) = args
        growth = ops.exp(excess * offset)
        inner = ops.where(alive, grown, ops.zeros_like(grown))  # w
        slopes = ops.where(alive, shares / (1.0 + inner), 0.0 * shares)  # r
        total = ops.sum(slopes, axis=-1, keepdims=True)
        mean = ops.sum(slopes * upstream, axis=-1, keepdims=True) / total
        # Both derivatives are this, times something.
        centered = slopes * (upstream - mean)
        reach = inner / excess  # y
        by_alpha = offset * reach + ops.square(reach) * _curvature(inner)
        return (
            growth * centered,
            ops.sum(centered * by_alpha, axis=-1, keepdims=True),
        )

    return shares, gradient


def _shares(below, excess, offset):
    """Returns p, not yet of sum 1, and w."""
    grown = excess * below * ops.exp(excess * offset)
    alive = grown > -1.0
    inner = ops.where(alive, grown, ops.zeros_like(grown))
    shares = ops.exp(ops.log1p(inner) / excess - offset)
    return ops.where(alive, shares, ops.zeros_like(shares)), grown


def _bisect(below, excess):
    """Returns the c (..., 1) at which the shares sum to 1."""
    count = ops.cast(ops.shape(below)[-1], below.dtype)
    width = ops.log(count)
    low = ops.zeros_like(excess)

    def halve(_, state):
        low, width = state
        width = 0.5 * width
        middle = low + width
        shares, _ = _shares(below, excess, middle)
        enough = ops.sum(shares, axis=-1, keepdims=True) >= 1.0
        return ops.where(enough, middle, low), width

    steps = STEPS[keras.backend.standardize_dtype(below.dtype)]
    low, _ = ops.fori_loop(0, steps, halve, (low, width))
    return low


def _curvature(inner):
    """Returns (w - (1 + w) log(1 + w)) / w^2, for w > -1 also at 0."""
    small = ops.abs(inner) < SERIES
    near = ops.where(small, inner, ops.zeros_like(inner))
    far = ops.where(small, -0.5 * ops.ones_like(inner), inner)
    series = ops.zeros_like(near)
    for power in reversed(range(10)):
        sign = 1.0 if power % 2 else -1.0
        term = sign / math.prod((power + 1, power + 2))
        series = series * near + term
    exact = (far - (1.0 + far) * ops.log1p(far)) / ops.square(far)
    return ops.where(small, series, exact)
