"""LESSR: a session graph that keeps the order and has shortcuts."""

import keras
from keras import ops

from baselines.lessr.edge_order_aggregation import EdgeOrderAggregation
from baselines.lessr.session_nodes import leaky
from baselines.lessr.session_nodes import linear
from baselines.lessr.session_nodes import node_norm
from baselines.lessr.session_nodes import node_places
from baselines.lessr.shortcut_attention import ShortcutAttention
from mgnm_tf.layers.graph.session_graph import SessionGraph
from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import last_valid
from mgnm_tf.utils.masking import masked_softmax
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class LESSR(SingleVectorRecommender):
    """Scores by what layers of two kinds find in the graph of a session.

    The nodes are the items of the session. Each layer reads all that the
    ones before it made, layer l a width of d (1 + l):

    ```
    x_0 = item vectors
    x_{l+1} = [layer_l(x_l) ; x_l]       l even: `EdgeOrderAggregation`
                                         l odd:  `ShortcutAttention`
    f = BN(x_L)
    e_i = w . sigmoid(f_i W_u + f_last W_v + b)
    s_g = (sum_i softmax_i(e) f_i) W_out        over nodes
    u = BN([x_last ; s_g]) W_s
    score(j) = u . x_0j
    ```

    Besides the (M + 1) d numbers of the item table it has the weights of the
    layers and, with D = d (1 + `num_layers`), `2 D + 2 D d + 2 d + D d` of
    the readout and `2 (D + d) + (D + d) d` behind it; the normalisations have
    `2 D + 2 (D + d)` statistics.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the item vectors. Defaults to `32`.
        num_layers: number of layers L. Defaults to `3`.
        dropout: share of what the normalisations return that training sets
            to zero, for the GRUs, the attention, the readout and W_s.
            Defaults to `0.0`.
        readout_activation: whether s_g passes a PReLU, as in the published
            code. Defaults to `False`.
        max_norm: the longest that a row of the item table may be, see
            `ItemEmbedding`; `None` for any length. Defaults to `1.0`.
        temperature: see `SingleVectorRecommender`. Defaults to `None`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether dropout acts and the normalisations learn.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding changes nothing, the statistics of the normalisations
    neither; after an empty history the user vector is zero.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> from baselines.lessr.lessr import LESSR
    >>> model = LESSR(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Chen and Wong, "Handling information loss of graph neural
    networks for session-based recommendation", KDD 2020,
    https://doi.org/10.1145/3394486.3403170. Code: twchen/lessr.

    Differences: the code shortens a row of the table when it is read; here
    it is shortened after each step of the optimizer. PyTorch's running
    variance is the unbiased one.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 32,
        num_layers: int = 3,
        dropout: float = 0.0,
        readout_activation: bool = False,
        max_norm: float | None = 1.0,
        temperature: float | None = None,
        **kwargs,
    ):
        check_positive_int(num_layers, "num_layers")
        check_range(dropout, "dropout", 0.0, 1.0)
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            temperature,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0),
            max_norm=max_norm,
            **kwargs,
        )
        self.num_layers = num_layers
        self.dropout = dropout
        self.readout_activation = readout_activation
        self.max_norm = max_norm
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim = self.embedding_dim
        self.graph = SessionGraph(name="graph", **policy)
        self.blocks = []
        for number in range(self.num_layers):
            kind = ShortcutAttention if number % 2 else EdgeOrderAggregation
            block = kind(dim, self.dropout, name=f"block_{number}", **policy)
            block.build((None, None, dim * (1 + number)))
            self.blocks.append(block)
        wide = dim * (1 + self.num_layers)
        self.node_norm = node_norm((None, None, wide), "node_norm", **policy)
        self.of_node = linear(wide, dim, "of_node", **policy)
        self.of_last = linear(wide, dim, "of_last", use_bias=True, **policy)
        self.energy = linear(dim, 1, "energy", **policy)
        self.readout = linear(wide, dim, "readout", **policy)
        self.activation = None
        if self.readout_activation:
            self.activation = leaky(dim, "activation", **policy)
        self.session_norm = node_norm(
            (None, wide + dim), "session_norm", **policy
        )
        self.decoder = linear(wide + dim, dim, "decoder", **policy)
        self.node_dropout, self.session_dropout = (
            keras.layers.Dropout(self.dropout, name=f"{name}_dropout", **policy)
            for name in ("node", "session")
        )

    def user_vector(self, features, training=False):
        history = ops.convert_to_tensor(features["history"])
        valid_mask = valid_positions(history)
        alias, node_mask = self.graph(history)[:2]
        nodes = zero_invalid(self.item_embedding(history), node_mask)
        for block in self.blocks:
            output = block(
                nodes, alias=alias, valid_mask=valid_mask, training=training
            )
            nodes = ops.concatenate([output, nodes], axis=-1)
        places = ops.cast(node_places(alias, valid_mask), nodes.dtype)
        place = last_valid(places, valid_mask)
        newest = ops.einsum("bn,bnd->bd", place, nodes)
        normed = self.node_norm(nodes, mask=node_mask, training=training)
        normed = self.node_dropout(normed, training=training)
        asked = self.of_last(ops.einsum("bn,bnd->bd", place, normed))
        logits = self.energy(
            ops.sigmoid(self.of_node(normed) + ops.expand_dims(asked, 1))
        )
        weights = masked_softmax(logits[..., 0], node_mask)
        found = self.readout(ops.einsum("bn,bnd->bd", weights, normed))
        if self.activation is not None:
            found = self.activation(ops.expand_dims(found, 1))[:, 0]
        session = ops.concatenate([newest, found], axis=-1)
        any_valid = ops.any(valid_mask, axis=-1)
        session = self.session_norm(session, mask=any_valid, training=training)
        session = self.session_dropout(session, training=training)
        return zero_invalid(self.decoder(session), any_valid)

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "dropout": self.dropout,
            "readout_activation": self.readout_activation,
            "max_norm": self.max_norm,
        }
