"""What a node hears from all items before it, at one hop."""

import keras
from keras import ops

from baselines.lessr.session_nodes import leaky
from baselines.lessr.session_nodes import linear
from baselines.lessr.session_nodes import node_norm
from baselines.lessr.session_nodes import node_places
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import masked_softmax
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class ShortcutAttention(keras.layers.Layer):
    """Lets each node attend to itself and to all that came before it.

    The graph has an edge u -> v if u was clicked at or before a click of v:

    ```
    f = BN(x);  q = f W_q + b;  k = f W_k;  z = f W_v
    a_uv = softmax over u -> v of w . sigmoid(q_u + k_v)
    y_v = PReLU(sum_u a_uv z_u)
    ```

    Args:
        units: width D of attention and result.
        dropout: share of f that training sets to zero. Defaults to `0.0`.
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

    Parameters: `2 d + 3 d D + 3 D`, and 2 d statistics.

    Raises:
        ValueError: `units` or `dropout` is out of its range.

    Example:

    >>> import numpy as np
    >>> from baselines.lessr.shortcut_attention import ShortcutAttention
    >>> layer = ShortcutAttention(3)
    >>> nodes = np.ones((1, 2, 4), "float32")
    >>> alias, mask = np.array([[0, 1]]), np.array([[True, True]])
    >>> layer(nodes, alias=alias, valid_mask=mask).shape
    TensorShape([1, 2, 3])

    Reference: Chen and Wong, "Handling information loss of graph neural
    networks for session-based recommendation", KDD 2020, section 4.4,
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
        dim, units = nodes_shape[-1], self.units
        policy = {"dtype": self.dtype_policy}
        self.norm = node_norm((None, None, dim), "norm", **policy)
        self.node_dropout = keras.layers.Dropout(
            self.dropout, name="node_dropout", **policy
        )
        self.query = linear(dim, units, "query", use_bias=True, **policy)
        self.key = linear(dim, units, "key", **policy)
        self.value = linear(dim, units, "value", **policy)
        self.energy = linear(units, 1, "energy", **policy)
        self.activation = leaky(units, "activation", **policy)
        self.built = True

    def call(self, nodes, alias, valid_mask, training=False):
        places = node_places(ops.convert_to_tensor(alias), valid_mask)
        node_mask = ops.any(places, axis=1)
        normed = self.norm(nodes, mask=node_mask, training=training)
        normed = self.node_dropout(normed, training=training)
        # (batch, from u, to v, units)
        queries = ops.expand_dims(self.query(normed), 2)
        keys = ops.expand_dims(self.key(normed), 1)
        logits = self.energy(ops.sigmoid(queries + keys))[..., 0]
        weights = masked_softmax(logits, self._edges(places), axis=1)
        output = ops.einsum("buv,bud->bvd", weights, self.value(normed))
        return zero_invalid(self.activation(output), node_mask)

    @staticmethod
    def _edges(places):
        """Returns which u -> v there are, bool (B, m, m).

        The slot of u is its first click: u comes before v's last one or not.
        """
        clicks = ops.arange(1, ops.shape(places)[1] + 1, dtype="int32")
        last = ops.max(
            ops.where(places, ops.expand_dims(clicks, -1), 0), axis=1
        )
        early = ops.expand_dims(clicks, -1) <= ops.expand_dims(last, 1)
        node_mask = ops.any(places, axis=1)
        return ops.logical_and(early, ops.expand_dims(node_mask, -1))

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
