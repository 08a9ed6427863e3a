"""What a node hears from its predecessors, in the order of the clicks."""

import keras
from keras import ops

from baselines.lessr.session_nodes import leaky
from baselines.lessr.session_nodes import linear
from baselines.lessr.session_nodes import node_norm
from baselines.lessr.session_nodes import node_places
from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import uniform_of_width
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class EdgeOrderAggregation(keras.layers.Layer):
    """Lets a GRU of each node run over the node's predecessors in order.

    The graph has an edge for each step of a session, from the item before to
    the item after, as often as it is taken:

    ```
    f = BN(x)
    n_v = last state of GRU(f_u: u -> v, in the order of the clicks)
    y_v = PReLU(f_v W_self + n_v W_neigh)
    ```

    n_v is zero without a predecessor. All GRUs have the same weights and walk
    along the session together: at each click that of the clicked node takes
    one step, the others wait, which is exactly the same.

    Args:
        units: width D of the result.
        dropout: share of what the GRUs read that training sets to zero.
            Defaults to `0.0`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        nodes: float, (batch, length, d), in the slots of `SessionGraph`.
        alias: int32, (batch, length), the slot of each position.
        valid_mask: bool, (batch, length), the positions, True first.
        training: whether dropout acts and the normalisation learns.

    Returns:
        float, (batch, length, units), in the same slots.

    Masking: slots without a node are zero, and change nothing, the
    statistics of the normalisation neither.

    Parameters: `2 d + 6 d^2 + 6 d + 2 d D + D`, and 2 d statistics.

    Raises:
        ValueError: `units` or `dropout` is out of its range.

    Example: the second click hears the first one.

    >>> import numpy as np
    >>> from baselines.lessr.edge_order_aggregation import EdgeOrderAggregation
    >>> layer = EdgeOrderAggregation(3)
    >>> nodes = np.ones((1, 2, 4), "float32")
    >>> alias, mask = np.array([[0, 1]]), np.array([[True, True]])
    >>> layer(nodes, alias=alias, valid_mask=mask).shape
    TensorShape([1, 2, 3])

    Reference: Chen and Wong, "Handling information loss of graph neural
    networks for session-based recommendation", KDD 2020, section 4.3,
    https://doi.org/10.1145/3394486.3403170. Code: twchen/lessr.

    Differences: PyTorch's running variance, in the code, is the unbiased one.
    """

    def __init__(self, units: int, dropout: float = 0.0, **kwargs):
        check_positive_int(units, "units")
        check_range(dropout, "dropout", 0.0, 1.0)
        super().__init__(**kwargs)
        self.units = units
        self.dropout = dropout

    def build(self, nodes_shape, alias_shape=None, valid_mask_shape=None):
        dim = nodes_shape[-1]
        policy = {"dtype": self.dtype_policy}
        self.norm = node_norm((None, None, dim), "norm", **policy)
        self.node_dropout = keras.layers.Dropout(
            self.dropout, name="node_dropout", **policy
        )
        self.cell = keras.layers.GRUCell(
            dim,
            kernel_initializer=uniform_of_width(dim),
            recurrent_initializer=uniform_of_width(dim),
            bias_initializer=uniform_of_width(dim),
            name="cell",
            **policy,
        )
        self.cell.build((None, dim))
        self.of_self = linear(dim, self.units, "of_self", **policy)
        self.of_neighbors = linear(dim, self.units, "of_neighbors", **policy)
        self.activation = leaky(self.units, "activation", **policy)
        self.built = True

    def call(self, nodes, alias, valid_mask, training=False):
        places = node_places(ops.convert_to_tensor(alias), valid_mask)
        node_mask = ops.any(places, axis=1)
        normed = self.norm(nodes, mask=node_mask, training=training)
        heard = self._walk(
            self.node_dropout(normed, training=training),
            ops.cast(places, nodes.dtype),
        )
        output = self.activation(
            self.of_self(normed) + self.of_neighbors(heard)
        )
        return zero_invalid(output, node_mask)

    def _walk(self, nodes, places):
        """Returns the last state of each node's GRU, (B, m, d)."""
        kernel, recurrent, bias = (
            ops.cast(weight, nodes.dtype)
            for weight in (
                self.cell.kernel,
                self.cell.recurrent_kernel,
                self.cell.bias,
            )
        )
        # What each step reads, the node before, is projected once a node.
        projected = ops.matmul(nodes, kernel) + bias[0]
        before = ops.matmul(places[:, :-1], projected)
        before = ops.pad(before, [(0, 0), (1, 0), (0, 0)])
        # Nobody hears anything at the first click.
        after = ops.pad(places[:, 1:], [(0, 0), (1, 0), (0, 0)])
        # One tensor: Keras's scan takes several of known length alone.
        joined = ops.concatenate([before, after], axis=-1)
        width = kernel.shape[-1]

        def step(states, inputs):
            projected, place = inputs[:, :width], inputs[:, width:]
            place = ops.expand_dims(place, -1)
            state = ops.sum(place * states, axis=1)
            x_update, x_reset, x_new = ops.split(projected, 3, axis=-1)
            inner = ops.matmul(state, recurrent) + bias[1]
            h_update, h_reset, h_new = ops.split(inner, 3, axis=-1)
            update = ops.sigmoid(x_update + h_update)
            reset = ops.sigmoid(x_reset + h_reset)
            proposal = ops.tanh(x_new + reset * h_new)
            change = (1.0 - update) * (proposal - state)
            states = states + place * ops.expand_dims(change, 1)
            return states, states

        states, _ = ops.scan(
            step,
            ops.zeros_like(nodes),
            ops.transpose(joined, (1, 0, 2)),
        )
        return states

    def compute_output_shape(
        self, nodes_shape, alias_shape=None, valid_mask_shape=None
    ):
        return (*nodes_shape[:2], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "dropout": self.dropout,
        }
