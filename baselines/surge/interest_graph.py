"""The graph that ties alike items of a history together."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.types import Tensor
from mgnm_tf.utils.validation import check_range

TOLERANCE = 1e-6
"""Similarities in [0, 1] that differ by less are equal.

A repeated item makes exact ties, which rounding would break differently in
a batch of another width.
"""


@register
class InterestGraph(keras.layers.Layer):
    """Links each item of a history with those most similar to it.

    ```
    S_ij = cos(w * x_i, w * x_j)                      (equation 1)
    S_ij <- (S_ij - min_j) / (max_j - min_j)          in each row
    A_ij = 1 if S_ij > tau or i = j, otherwise 0      (equation 3)
    ```

    `tau` is one number for each graph: entry `ceil(edge_ratio * n_e)`,
    counted from 0, of its similarities in descending order, with `n_e` the
    number of similarities above 0. So about `edge_ratio` of the links stay,
    wherever they are. A is not symmetric, because rows are scaled each by
    itself.

    A is 0 or 1, so no gradient reaches `w`, which stays as it is drawn, nor
    the items.

    Args:
        edge_ratio: share of the links that is kept. Defaults to `0.5`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d).
        valid_mask: bool, (batch, length).

    Returns:
        float, (batch, length, length), 0 or 1.

    Raises:
        ValueError: `edge_ratio` is not between 0 and 1.

    Masking: an invalid position is linked with itself alone.

    Example: items 1 and 2 are alike, item 3 is their opposite.

    >>> import numpy as np
    >>> from baselines.surge.interest_graph import InterestGraph
    >>> items = np.array([[[1.0, 2.0], [1.0, 2.0], [-1.0, -2.0]]])
    >>> layer = InterestGraph(edge_ratio=1.0)
    >>> np.asarray(layer(items, np.ones((1, 3), "bool")))[0].astype(int)
    array([[1, 1, 0],
           [1, 1, 0],
           [0, 0, 1]])

    Reference: Chang et al., "Sequential recommendation with graph neural
    networks", SIGIR 2021, section 3.1, https://arxiv.org/abs/2106.14226.

    Differences: the scaling of rows is that of the released code, the paper
    has none. There, padding takes part in the smallest similarity of a row,
    and a row whose similarities are all the same becomes NaN; here padding
    is left out, and such a row has no link but its own. Similarities that
    differ by less than 1e-6 count as equal. The paper calls `w` learned.
    """

    def __init__(self, edge_ratio: float = 0.5, **kwargs):
        check_range(edge_ratio, "edge_ratio", 0.0, 1.0)
        super().__init__(**kwargs)
        self.edge_ratio = edge_ratio

    def build(self, items_shape):
        self.metric = self.add_weight(
            name="metric",
            shape=(1, items_shape[-1]),
            initializer="glorot_uniform",
            trainable=False,
        )
        self.built = True

    def call(self, items, valid_mask=None):
        items = ops.cast(items, "float32")
        if valid_mask is None:
            valid_mask = ops.ones(ops.shape(items)[:2], "bool")
        similarity = self._similarity(items, valid_mask)
        threshold = self._threshold(similarity)
        index = ops.arange(ops.shape(items)[1])
        linked = ops.logical_or(
            similarity > threshold[:, None, None] + TOLERANCE,
            ops.equal(index[:, None], index[None, :]),
        )
        return ops.cast(linked, self.compute_dtype)

    def _similarity(self, items, valid_mask):
        """Returns S, in [0, 1], 0 where one of the two is padding."""
        weighted = items * ops.cast(self.metric, "float32")
        square = ops.sum(ops.square(weighted), axis=-1, keepdims=True)
        weighted = weighted * ops.rsqrt(ops.maximum(square, 1e-12))
        cosine = ops.matmul(weighted, ops.transpose(weighted, (0, 2, 1)))
        pairs = ops.logical_and(valid_mask[:, :, None], valid_mask[:, None])
        low = ops.where(pairs, cosine, 2.0)
        low = ops.min(low, axis=-1, keepdims=True)
        high = ops.where(pairs, cosine, -2.0)
        spread = ops.max(high, axis=-1, keepdims=True) - low
        spread = ops.where(spread > TOLERANCE, spread, 1.0)
        return ops.where(pairs, (cosine - low) / spread, 0.0)

    def _threshold(self, similarity):
        """Returns tau, (batch,), at most `TOLERANCE` too large.

        Halving the interval that holds it takes 20 passes, which is less
        than sorting: where to look differs from row to row, so all length^2
        numbers would have to be sorted.
        """
        count = _above(
            similarity, ops.full_like(similarity[:, 0, 0], TOLERANCE)
        )
        entry = ops.ceil(self.edge_ratio * count)
        low = ops.zeros_like(count)
        high = ops.ones_like(count)
        for _ in range(20):
            middle = 0.5 * (low + high)
            below = _above(similarity, middle) > entry
            low = ops.where(below, middle, low)
            high = ops.where(below, high, middle)
        return high

    def compute_output_shape(self, items_shape, valid_mask_shape=None):
        return (items_shape[0], items_shape[1], items_shape[1])

    def get_config(self):
        return {**super().get_config(), "edge_ratio": self.edge_ratio}


def _above(similarity, threshold):
    """Returns how many similarities are above the threshold, (batch,)."""
    above = similarity > threshold[:, None, None]
    return ops.sum(ops.cast(above, "float32"), axis=(1, 2))


def cluster_means(adjacency: Tensor, items: Tensor) -> Tensor:
    """Averages items over their neighbours, and those once more.

    ```
    P P X        P_ij = A_ij / ((sqrt(k_i) + 1e-7) (sqrt(k_j) + 1e-7))
    ```

    with `k_i` the number of links in row i.

    Args:
        adjacency: float, (batch, length, length), 0 or 1.
        items: float, (batch, length, d).

    Returns:
        float, (batch, length, d).
    """
    degree = ops.sum(adjacency, axis=-1, keepdims=True)
    scale = 1.0 / (ops.sqrt(degree) + 1e-7)
    for _ in range(2):
        items = scale * ops.matmul(adjacency, scale * items)
    return items
