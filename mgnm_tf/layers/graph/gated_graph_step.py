"""One step of a gated graph network on a directed graph."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import uniform_of_width
from mgnm_tf.utils.masking import zero_invalid


@register
class GatedGraphStep(keras.layers.Layer):
    """Updates the state of each node by what its neighbours send.

    ```
    a = [A_in (h W_in + b_in) + c_in ; A_out (h W_out + b_out) + c_out]
    z, r = sigmoid(a W_z + h U_z + ...), sigmoid(a W_r + h U_r + ...)
    n = tanh(a W_n + b_n + r (h U_n + b'_n))
    h' = z h + (1 - z) n                          (equations 1 to 5)
    ```

    The second half is one step of a GRU with input a and state h. Several
    steps may share the layer.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        nodes: float, (batch, n, d), the states h.
        adjacency_in: float, (batch, n, n): row v weighs the nodes that v
            hears from, see `SessionGraph`.
        adjacency_out: float, (batch, n, n): row u weighs the nodes that u
            leads to.
        node_mask: bool, (batch, n), which slots hold a node; `None` for all.

    Returns:
        float, (batch, n, d).

    Masking: empty slots are 0. What stands in them does not matter where
    the adjacencies have no edges to them.

    Parameters: `11 d^2 + 10 d`. All are drawn uniformly between
    -1 / sqrt(d) and 1 / sqrt(d).

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import GatedGraphStep
    >>> nodes = np.ones((1, 3, 4), "float32")
    >>> edges = np.eye(3, dtype="float32")[None]
    >>> GatedGraphStep()(nodes, edges, edges).shape
    TensorShape([1, 3, 4])

    Reference: Li et al., "Gated graph sequence neural networks", ICLR 2016;
    Wu et al., "Session-based recommendation with graph neural networks", AAAI
    2019, section 3.3, https://arxiv.org/abs/1811.00855.

    Differences: the paper multiplies r with h before the product with U_n,
    has no biases in the GRU, and swaps z and 1 - z. This is the published
    code, whose messages have a bias before and one behind the product with
    the adjacency.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)

    def build(
        self,
        nodes_shape,
        adjacency_in_shape=None,
        adjacency_out_shape=None,
        node_mask_shape=None,
    ):
        dim = nodes_shape[-1]
        for name, shape in (
            ("message_kernel", (dim, 2 * dim)),
            ("message_bias", (2 * dim,)),
            ("input_bias", (2 * dim,)),
            ("kernel", (2 * dim, 3 * dim)),
            ("recurrent_kernel", (dim, 3 * dim)),
            ("bias", (2, 3 * dim)),
        ):
            weight = self.add_weight(
                name=name, shape=shape, initializer=uniform_of_width(dim)
            )
            setattr(self, name, weight)
        self.built = True

    def call(self, nodes, adjacency_in, adjacency_out, node_mask=None):
        messages = ops.matmul(nodes, self.message_kernel) + self.message_bias
        arriving, leaving = ops.split(messages, 2, axis=-1)
        inputs = ops.concatenate(
            [
                ops.matmul(adjacency_in, arriving),
                ops.matmul(adjacency_out, leaving),
            ],
            axis=-1,
        )
        bias, inner_bias = ops.unstack(ops.convert_to_tensor(self.bias))
        outer = ops.matmul(inputs + self.input_bias, self.kernel) + bias
        inner = ops.matmul(nodes, self.recurrent_kernel) + inner_bias
        dim = nodes.shape[-1]
        gates = ops.sigmoid(outer[..., : 2 * dim] + inner[..., : 2 * dim])
        update, reset = ops.split(gates, 2, axis=-1)
        candidate = ops.tanh(
            outer[..., 2 * dim :] + reset * inner[..., 2 * dim :]
        )
        states = candidate + update * (nodes - candidate)
        if node_mask is None:
            return states
        return zero_invalid(states, node_mask)

    def compute_output_shape(
        self,
        nodes_shape,
        adjacency_in_shape=None,
        adjacency_out_shape=None,
        node_mask_shape=None,
    ):
        return nodes_shape
