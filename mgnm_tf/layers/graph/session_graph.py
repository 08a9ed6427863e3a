"""The directed graph of the items of a session."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import valid_positions


@register
class SessionGraph(keras.layers.Layer):
    """Makes one node of each item of a session, and edges of its steps.

    The node of an item stands in the slot of its first occurrence, so that
    there are as many slots as positions and nothing is numbered anew. Slots
    of later occurrences and of padding are empty: no node, no edges.

    ```
    alias_i  = min {j: x_j = x_i}
    A_uv     = 1 if some x_{i+1} = v follows x_i = u, else 0
    A_in[v]  = A[:, v] / sum_u A_uv        mean over the predecessors of v
    A_out[u] = A[u, :] / sum_v A_uv        mean over the successors of u
    ```

    An item that follows itself has an edge to itself.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        history: int, (batch, length), padded with 0 at the end.

    Returns:
        A tuple:

        - alias: int32, (batch, length), the slot of the item of each
          position; a position of padding has its own;
        - node_mask: bool, (batch, length), which slots hold a node;
        - adjacency_in: float, (batch, length, length), rows sum to 1, or to
          0 without a predecessor;
        - adjacency_out: likewise of the successors.

    Masking: padding has no node and no edges.

    Example: item 7 comes twice and has one node.

    >>> import numpy as np
    >>> from mgnm_tf.layers import SessionGraph
    >>> graph = SessionGraph()(np.array([[7, 8, 7, 9]]))
    >>> alias, node_mask, adjacency_in, adjacency_out = map(np.asarray, graph)
    >>> alias.tolist(), node_mask.tolist()
    ([[0, 1, 0, 3]], [[True, True, False, True]])
    >>> adjacency_out[0, 0].tolist()
    [0.0, 0.5, 0.0, 0.5]

    Reference: Wu et al., "Session-based recommendation with graph neural
    networks", AAAI 2019, section 3.2, https://arxiv.org/abs/1811.00855. Code:
    CRIPAC-DIG/SR-GNN.

    Differences: the paper weighs an edge by how often it occurs; as in the
    published code, it counts once. The code numbers the distinct ids of a
    session in ascending order, and makes a node of padding, without edges.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def call(self, history):
        history = ops.convert_to_tensor(history)
        valid_mask = valid_positions(history)
        length = ops.shape(history)[1]
        slots = ops.arange(length, dtype="int32")
        same = ops.equal(history[:, :, None], history[:, None, :])
        first = ops.min(ops.where(same, slots, length), axis=-1)
        alias = ops.where(valid_mask, first, slots)
        node_mask = ops.logical_and(ops.equal(alias, slots), valid_mask)
        # Row i: which slot the item of position i has.
        places = ops.equal(alias[:, :, None], slots)
        places = ops.logical_and(places, valid_mask[:, :, None])
        places = ops.cast(places, self.compute_dtype)
        counts = ops.matmul(
            ops.transpose(places[:, :-1], (0, 2, 1)), places[:, 1:]
        )
        edges = ops.minimum(counts, 1.0)
        return (
            alias,
            node_mask,
            _mean_weights(ops.transpose(edges, (0, 2, 1))),
            _mean_weights(edges),
        )

    def compute_output_spec(self, history):
        batch, length = history.shape
        pairs = keras.KerasTensor(
            (batch, length, length), dtype=self.compute_dtype
        )
        return (
            keras.KerasTensor((batch, length), dtype="int32"),
            keras.KerasTensor((batch, length), dtype="bool"),
            pairs,
            pairs,
        )

    def compute_output_shape(self, history_shape):
        batch, length = history_shape
        pairs = (batch, length, length)
        return (batch, length), (batch, length), pairs, pairs


def _mean_weights(edges):
    """Divides each row by its sum, a row of zeros by 1."""
    degrees = ops.sum(edges, axis=-1, keepdims=True)
    return edges / ops.maximum(degrees, 1.0)
