"""The nodes of a graph that matter most to a query."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import LOWEST
from mgnm_tf.utils.masking import masked_softmax
from mgnm_tf.utils.validation import check_positive_int

TOLERANCE = 1e-6
"""Fitness values that differ by less are equal, see `InterestGraph`."""


@register
class GraphPooling(keras.layers.Layer):
    """Keeps, for each query, the nodes of the highest fitness.

    ```
    weight_i = softmax_i(fitness)    of the `pool_length` best nodes
    weight_i = 0                     of all others
    ```

    The softmax runs over all nodes, so the weights sum to at most 1. Of equal
    nodes the newest are kept. Which nodes are kept has no gradient.

    Args:
        pool_length: number of nodes to keep; a graph that has no more keeps
            all of them.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        fitness: float, (batch, C, length).
        valid_mask: bool, (batch, length).

    Returns:
        float, (batch, C, length); above 0 exactly at the kept nodes.

    Raises:
        ValueError: `pool_length` is smaller than 1.

    Masking: an invalid position is not kept.

    Example:

    >>> import numpy as np
    >>> from baselines.surge.graph_pooling import GraphPooling
    >>> fitness = np.array([[[0.9, 0.1, 0.5, 0.0]]])
    >>> mask = np.array([[True, True, True, False]])
    >>> np.asarray(GraphPooling(2)(fitness, valid_mask=mask)).round(2)
    array([[[0.47, 0.  , 0.32, 0.  ]]], dtype=float32)

    Reference: Chang et al., "Sequential recommendation with graph neural
    networks", SIGIR 2021, https://arxiv.org/abs/2106.14226.

    Differences: the paper assigns nodes softly to clusters, with three
    regularisers; this is the hard selection of the released code. There,
    nodes as good as the first that is dropped are dropped as well, which for
    repeated items can be all; here exactly `pool_length` nodes are kept.
    """

    def __init__(self, pool_length: int, **kwargs):
        check_positive_int(pool_length, "pool_length")
        super().__init__(**kwargs)
        self.pool_length = pool_length
        self.built = True

    def call(self, fitness, valid_mask=None):
        fitness = ops.cast(fitness, "float32")
        if valid_mask is None:
            valid_mask = ops.ones_like(fitness[:, 0], dtype="bool")
        valid_mask = valid_mask[:, None]
        weights = masked_softmax(fitness, valid_mask)
        length = ops.shape(fitness)[-1]
        if isinstance(length, int) and length <= self.pool_length:
            return ops.cast(weights, self.compute_dtype)
        kept = self._kept(ops.where(valid_mask, fitness, LOWEST))
        return ops.cast(ops.where(kept, weights, 0.0), self.compute_dtype)

    def _kept(self, fitness):
        """Returns the mask of the `pool_length` largest, newest of equals."""
        length = ops.shape(fitness)[-1]
        # Free lengths, as in a served model, are not known before a call.
        count = ops.minimum(self.pool_length, length)
        if isinstance(length, int):
            count = min(self.pool_length, length)
        last = ops.top_k(fitness, count)[0][..., -1:]
        better = fitness > last + TOLERANCE
        tied = ops.logical_and(
            fitness >= last - TOLERANCE, ops.logical_not(better)
        )
        counted = ops.cast(tied, "int32")
        # How many of the equals stand behind this one.
        behind = ops.sum(counted, axis=-1, keepdims=True) - ops.cumsum(
            counted, axis=-1
        )
        room = count - ops.sum(
            ops.cast(better, "int32"), axis=-1, keepdims=True
        )
        return ops.logical_or(better, ops.logical_and(tied, behind < room))

    def compute_output_shape(self, fitness_shape, valid_mask_shape=None):
        return fitness_shape

    def get_config(self):
        return {**super().get_config(), "pool_length": self.pool_length}
