"""SURGE: clusters of a graph of interests, pooled for each candidate."""

import keras
from keras import ops

from baselines.surge.augru_cell import VARIANTS
from baselines.surge.augru_cell import AUGRUCell
from baselines.surge.graph_pooling import GraphPooling
from baselines.surge.interest_graph import InterestGraph
from baselines.surge.interest_graph import cluster_means
from mgnm_tf.layers.scoring.feed_forward import FeedForward
from mgnm_tf.layers.scoring.target_attention import TargetAttention
from mgnm_tf.models.categories import CategoryRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import masked_softmax
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int


@register
class SURGE(CategoryRecommender):
    """Scores an item by the core interests that a graph gathers for it.

    For a history x and a candidate t, with T_1, T_2, T_3 `TargetAttention`
    (keys, queries) and A, P the graph of `InterestGraph` and its
    normalisation:

    ```
    a = T_1(x, P P x)                                      cluster fitness
    E_ij = softmax_j(a_j) over A_ij = 1
    y = LeakyReLU(E x W + x)
    f = T_1(y, P P y) + T_2(y, t)                          fitness
    z_i = softmax_i(f_i) of the best nodes, 0 of others    `GraphPooling`
    g = sum_i z_i y_i                                      readout
    s = AUGRU(y_i of the best nodes, T_3(y, t) over them)
    score = network([s ; g ; t ; g * t])
    ```

    All up to y does not depend on the candidate and is done once.

    Without the item table, with D = `embedding_dim + category_dim` and H =
    `hidden_dim`, it has `3 (D^2 + 320 D + 3601)` parameters in T_1 to T_3,
    `D^2` in W, `3 H (D + H) + 3 H` in the AUGRU, `100 (H + 3 D) + 6957` in
    the network, and D numbers in the graph that do not train.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width of the item vectors. Defaults to `16`.
        hidden_dim: width H of the AUGRU; `None` for D. Defaults to `None`.
        max_length: the longest history. Defaults to `100`.
        pool_length: number of nodes that are kept; `None` for 0.6 of
            `max_length`, rounded up. Defaults to `None`.
        augru: what attention does to the AUGRU, see `AUGRUCell`: `"surge"`
            or `"dien"`. Defaults to `"surge"`.
        num_categories: number of item categories. Defaults to `0`.
        category_dim: width of the category vectors, 0 for none. Defaults to
            `0`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether the networks are trained.

    Returns:
        Scores (batch, C).

    Masking: padding changes nothing; after an empty history g and s are
    zero.

    Raises:
        ValueError: a size is out of its range, `augru` is unknown, or
            `category_dim` is given for data without categories.

    Example:

    >>> import numpy as np
    >>> from baselines.surge.surge import SURGE
    >>> model = SURGE(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Chang et al., "Sequential recommendation with graph neural
    networks", SIGIR 2021, https://arxiv.org/abs/2106.14226; released code:
    tsinghua-fib-lab/SIGIR21-SURGE.

    Differences: where paper and released code differ, this is the code: rows
    of similarities are scaled, nodes are selected and not assigned softly to
    clusters (so there are none of the paper's regularisers), the readout is
    over selected nodes, attention weights of the AUGRU are computed afresh.
    In both, one of the two scores in the edge weights E cancels in the
    softmax; it is not computed, and E does not depend on the candidate.
    Repaired: see `InterestGraph` and `GraphPooling`, and padding, which the
    code lets into the statistics of normalisation, stays out of them. The
    code has an L2 penalty of 1e-6 and a grouped softmax loss; here the
    objective is the common one.
    """

    max_pairs = 8192
    normalizes_scores = True

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        hidden_dim: int | None = None,
        max_length: int = 100,
        pool_length: int | None = None,
        augru: str = "surge",
        num_categories: int = 0,
        category_dim: int = 0,
        **kwargs,
    ):
        check_positive_int(max_length, "max_length")
        if hidden_dim is not None:
            check_positive_int(hidden_dim, "hidden_dim")
        if pool_length is not None:
            check_positive_int(pool_length, "pool_length")
        check_choice(augru, "augru", VARIANTS)
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            num_categories,
            category_dim,
            keras.initializers.TruncatedNormal(stddev=0.01),
            **kwargs,
        )
        self.hidden_dim = hidden_dim
        self.max_length = max_length
        self.pool_length = pool_length
        self.augru = augru
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim = self.item_embedding.output_dim
        units = self.hidden_dim or dim
        self.graph = InterestGraph(name="graph", **policy)
        self.graph.build((None, None, dim))
        self.fusion = keras.layers.Dense(
            dim, use_bias=False, name="fusion", **policy
        )
        self.fusion.build((None, dim))
        for name in ("cluster", "query", "state"):
            attention = TargetAttention(name=f"{name}_attention", **policy)
            attention.build((None, dim), (None, dim))
            setattr(self, f"{name}_attention", attention)
        # 0.6 in whole numbers: 0.6 * 15 is above 9.
        self.pooling = GraphPooling(
            self.pool_length or -(-3 * self.max_length // 5),
            name="pooling",
            **policy,
        )
        self.recurrent_input = keras.layers.Dense(
            3 * units, use_bias=False, name="recurrent_input", **policy
        )
        self.recurrent_input.build((None, dim))
        self.recurrence = keras.layers.RNN(
            AUGRUCell(units, self.augru, name="cell", **policy),
            name="recurrence",
            **policy,
        )
        self.recurrence.build((None, None, 3 * units + 1))
        self.network = FeedForward(name="network", **policy)
        self.network.build([(None, units), *[(None, dim)] * 3])

    def encode(self, features, training=False):
        """Computes the nodes of the graph.

        Returns:
            dict of `nodes` (B, m, D), `cluster_fitness` (B, m), `valid_mask`
            (B, m) and `recurrent_inputs` (B, m, 3 H).
        """
        history = ops.convert_to_tensor(features["history"])
        valid_mask = valid_positions(history)
        items = self.item_embedding(history)
        adjacency = self.graph(items, valid_mask=valid_mask)
        fitness = self.cluster_attention(
            items,
            cluster_means(adjacency, items),
            valid_mask,
            training=training,
        )
        edges = masked_softmax(fitness[:, None], adjacency > 0)
        nodes = self.fusion(ops.matmul(edges, items)) + items
        nodes = ops.leaky_relu(nodes, 0.2)
        return {
            "nodes": nodes,
            "cluster_fitness": self.cluster_attention(
                nodes,
                cluster_means(adjacency, nodes),
                valid_mask,
                training=training,
            ),
            "valid_mask": valid_mask,
            "recurrent_inputs": self.recurrent_input(nodes),
        }

    def score(self, encoded, candidates, training=False):
        candidates = ops.convert_to_tensor(candidates)
        targets = self.item_embedding(candidates, training=training)
        if len(candidates.shape) == 1:
            targets = targets[None]
        nodes, valid_mask = encoded["nodes"], encoded["valid_mask"]
        keys, queries = nodes[:, None], targets[:, :, None]
        fitness = encoded["cluster_fitness"][:, None] + self.query_attention(
            keys, queries, valid_mask[:, None], training=training
        )
        weights = self.pooling(fitness, valid_mask=valid_mask)  # (B, C, m)
        readout = ops.matmul(weights, nodes)
        kept = weights > 0
        attention = self.state_attention(keys, queries, kept, training=training)
        state = self._recur(encoded["recurrent_inputs"], attention, kept)
        return self.network(
            [state, readout, targets, readout * targets], training=training
        )

    def _recur(self, inputs, attention, kept):
        """Returns the last states (B, C, H).

        Args:
            inputs: (B, m, 3 H).
            attention: (B, C, m).
            kept: bool, (B, C, m). Other steps leave the state as it is, which
                is the same as a shorter sequence.
        """
        batch, count, length = ops.shape(attention)
        width = inputs.shape[-1]
        inputs = ops.broadcast_to(
            inputs[:, None], (batch, count, length, width)
        )
        inputs = ops.concatenate([inputs, attention[..., None]], axis=-1)
        states = self.recurrence(
            ops.reshape(inputs, (-1, length, width + 1)),
            mask=ops.reshape(kept, (-1, length)),
        )
        return ops.reshape(states, (-1, count, width // 3))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "max_length": self.max_length,
            "pool_length": self.pool_length,
            "augru": self.augru,
        }
