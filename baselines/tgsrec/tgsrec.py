"""TGSRec: attention over the temporal graph of users and items."""

import math

import keras
from keras import ops

from baselines.tgsrec.temporal_attention import TemporalAttention
from baselines.tgsrec.temporal_attention import check_heads
from baselines.tgsrec.temporal_neighbors import TemporalNeighbors
from baselines.tgsrec.time_encoding import TimeEncoding
from mgnm_tf.layers.embedding.row_embedding import RowEmbedding
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

HEADS = ("mlp", "dot")
MEMORY = 2**26
"""How many numbers the largest tensor of a batch may hold."""


@register
class TGSRec(SequentialRecommender):
    """Infers a user and an item as of now from whom they met before.

    Users and items are nodes, an event is an edge with a time. The vector of
    a node v at a time t comes from S neighbours (v_j, t_j) with t_j < t, and
    theirs from their own, each from before t_j:

    ```
    h^0(v, t) = e_v
    h^l(v, t) = TemporalAttention_l(h^(l-1)(v, t), [h^(l-1)(v_j, t_j)],
                                    [phi(t - t_j)])        l = 1 to L
    score(u, i) = w . relu(W [h^L(u, now); h^L(i, now)] + b) + c    "mlp"
                  h^L(u, now) . h^L(i, now)                         "dot"
    ```

    with phi of `TimeEncoding`. The first neighbours of a user are the items
    of its visible history, so that an unknown user is read like any other;
    all others come from a graph of training events, which the model holds in
    weights that do not train (`load_tables`).

    Besides the (users + items + 1) d node vectors there are 11,073
    parameters with `head="mlp"` and 10,528 with `"dot"` at widths 16 and 16:
    `2 d_T + L (4 D'^2 + 3 D' + (D' + d) d + d + d^2 + d)`, D' = d + d_T, and
    `2 d^2 + 2 d + 1` for the former. Work and memory grow with S^L.

    Args:
        num_users: number of known users.
        num_items: number of items M; item 0 is padding.
        num_events: number of training events, the size of the graph. Without
            any, items have no neighbours. Defaults to `0`.
        embedding_dim: width d of the node vectors. Defaults to `16`.
        time_dim: width d_T of the time codes. Defaults to `16`.
        num_layers: number of layers L, which is how many steps the model
            looks into the graph. Defaults to `2`.
        num_heads: heads of the attention; they divide d + d_T. Defaults to
            `2`.
        num_neighbors: number of neighbours S of a node. Defaults to `20`.
        sampling: `"uniform"` or `"recent"` neighbours, see
            `TemporalNeighbors`. Defaults to `"uniform"`.
        head: `"mlp"`, the score of the published code, or `"dot"`, that of
            the paper. Defaults to `"mlp"`.
        dropout: share of the attention weights and of what they sum up to
            that training sets to zero. Defaults to `0.1`.
        time_scale: unit of time of `TimeEncoding`, in seconds. Defaults to
            `1.0`.
        seed: seed of neighbours and dropout. Defaults to `None`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `user`, `history`,
            `history_time` and the first column of `candidate_time`, now, are
            read.
        training: whether neighbours are drawn and dropout acts.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding changes nothing. Events of the history after now are not
    read. The unknown user has the zero vector for its own; a node without
    neighbours keeps what it has.

    Raises:
        ValueError: `num_heads` does not divide d + d_T, `sampling` or `head`
            is unknown, or a size is out of its range.

    Example:

    >>> import numpy as np
    >>> from baselines.tgsrec.tgsrec import TGSRec
    >>> model = TGSRec(num_users=10, num_items=50, num_neighbors=3)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "history_time": np.array([[10, 20, 30], [15, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ...     "candidate_time": np.array([[40, 40], [50, 50]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Fan et al., "Continuous-Time Sequential Recommendation with
    Temporal Graph Collaborative Transformer", CIKM 2021,
    https://arxiv.org/abs/2108.06625.

    Differences: neighbours are drawn once for a node and a time, the
    published code draws again for each layer. In inference they are spread
    evenly over the past instead of drawn, so that scores can be reproduced.
    A user's first neighbours are the visible history, with events of the same
    second as now that stand before it; in inference the graph of the
    published code also holds events after the training, here it never does.
    A node without neighbours keeps its own vector instead of attending to
    the null node. Biases start at 0. The objective is the common one; the
    paper's is BPR with a penalty on the node vectors.
    """

    required_features = ("history_time", "candidate_time")
    required_tables = ("temporal_graph",)

    def __init__(
        self,
        num_users: int,
        num_items: int,
        num_events: int = 0,
        embedding_dim: int = 16,
        time_dim: int = 16,
        num_layers: int = 2,
        num_heads: int = 2,
        num_neighbors: int = 20,
        sampling: str = "uniform",
        head: str = "mlp",
        dropout: float = 0.1,
        time_scale: float = 1.0,
        seed: int | None = None,
        **kwargs,
    ):
        check_positive_int(embedding_dim, "embedding_dim")
        check_positive_int(time_dim, "time_dim")
        check_positive_int(num_layers, "num_layers", 0)
        check_positive_int(num_heads, "num_heads")
        check_positive_int(num_neighbors, "num_neighbors")
        check_heads(embedding_dim + time_dim, num_heads)
        check_choice(head, "head", HEADS)
        check_range(dropout, "dropout", 0.0, 1.0)
        super().__init__(num_users, num_items, **kwargs)
        self.num_events = num_events
        self.embedding_dim = embedding_dim
        self.time_dim = time_dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.num_neighbors = num_neighbors
        self.sampling = sampling
        self.head = head
        self.dropout = dropout
        self.time_scale = time_scale
        self.seed = seed
        largest = num_neighbors**num_layers * (embedding_dim + time_dim)
        self.max_pairs = max(1, MEMORY // largest)
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim = self.embedding_dim
        self.node_embedding = RowEmbedding(
            self.num_users + self.num_items + 1,
            dim,
            embeddings_initializer=keras.initializers.RandomUniform(-1.0, 1.0),
            name="node_embedding",
            **policy,
        )
        self.node_embedding.build()
        self.temporal_neighbors = TemporalNeighbors(
            self.num_users + self.num_items + 1,
            self.num_events,
            self.num_neighbors,
            self.sampling,
            self.seed,
            name="temporal_neighbors",
            **policy,
        )
        self.time_encoding = None
        if self.num_layers:
            self.time_encoding = TimeEncoding(
                self.time_dim, self.time_scale, name="time_encoding", **policy
            )
        self.attention_layers = []
        for i in range(self.num_layers):
            layer = TemporalAttention(
                self.num_heads,
                self.dropout,
                seed=self.seed,
                name=f"temporal_attention_{i}",
                **policy,
            )
            layer.build((None, dim), (None, self.time_dim))
            self.attention_layers.append(layer)
        if self.head == "mlp":
            # One product with [user; item], as a sum of two, so that users
            # are multiplied once and not once for each candidate.
            self.user_layer = self._dense("affinity_user", dim, False)
            self.item_layer = self._dense("affinity_item", dim)
            self.output_layer = self._dense("affinity_output", 1)

    def _dense(self, name, units, use_bias=True):
        dim = self.embedding_dim
        inputs = dim if units == 1 else 2 * dim
        layer = keras.layers.Dense(
            units,
            use_bias=use_bias,
            kernel_initializer=keras.initializers.RandomNormal(
                stddev=math.sqrt(2.0 / (inputs + units))
            ),
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build((None, dim))
        return layer

    options_of_the_data = ("num_events",)

    @classmethod
    def data_arguments(cls, data):
        return {
            **super().data_arguments(data),
            "num_events": data.num_training_events,
        }

    def load_tables(self, tables):
        """Takes `temporal_graph`, see `TemporalNeighbors.assign`.

        Raises:
            ValueError: it is missing or not of the size of the model.
        """
        if "temporal_graph" not in tables:
            raise ValueError(
                "TGSRec reads the table 'temporal_graph'. Received: "
                f"{', '.join(map(repr, tables)) or 'none'}"
            )
        self.temporal_neighbors.assign(tables["temporal_graph"])

    def has_tables(self):
        # The last offset is the number of entries, two for each event.
        offsets = self.temporal_neighbors.offsets
        return int(offsets[-1]) == 2 * self.num_events

    def encode(self, features, training=False):
        """Returns a dict: `user` (B, d) and `now` (B,), int.

        `now` is in seconds since the first training event. With
        `head="mlp"`, `user` has met its half of the first kernel.
        """
        relative = self.temporal_neighbors.relative
        users = ops.convert_to_tensor(features["user"])
        now = relative(ops.convert_to_tensor(features["candidate_time"])[:, 0])
        vectors = self._infer(
            users, now, self._history_events(features, now, training), training
        )
        if self.head == "mlp":
            vectors = self.user_layer(vectors)
        return {"user": vectors, "now": now}

    def _history_events(self, features, now, training):
        """Picks S events of each history; results as `TemporalNeighbors`."""
        if not self.num_layers:
            return None
        history = ops.convert_to_tensor(features["history"])
        times = self.temporal_neighbors.relative(features["history_time"])
        past = ops.logical_and(valid_positions(history), times <= now[:, None])
        places, valid_mask = self.temporal_neighbors.sample(
            ops.sum(ops.cast(past, "int32"), axis=-1), training
        )
        places = ops.where(valid_mask, places, 0)
        items = ops.take_along_axis(history, places, axis=1)
        gaps = now[:, None] - ops.take_along_axis(times, places, axis=1)
        return (
            ops.where(valid_mask, self.num_users + items, 0),
            ops.where(valid_mask, gaps, 0),
            valid_mask,
        )

    def _infer(self, nodes, times, events, training):
        """Returns h^L of nodes (n,) at times (n,), float (n, d).

        Nodes of one hop stand in one flat list: those S that belong to node
        k are rows S k to S k + S - 1 of the next.

        Args:
            nodes: int (n,).
            times: int (n,), since the origin of the graph.
            events: neighbours, gaps and mask of the first hop, or `None`:
                they are those of the graph.
            training: whether the step trains.
        """
        vectors, hops = [self._vectors(nodes)], []
        for _ in range(self.num_layers):
            if events is None:
                events = self.temporal_neighbors(
                    nodes, times, training=training
                )
            neighbors, gaps, valid_mask = events
            events = None
            query_codes = self.time_encoding(ops.zeros_like(nodes))
            hops.append((query_codes, self.time_encoding(gaps), valid_mask))
            times = ops.reshape(ops.expand_dims(times, -1) - gaps, (-1,))
            nodes = ops.reshape(neighbors, (-1,))
            vectors.append(self._vectors(nodes))
        shape = (-1, self.num_neighbors, self.embedding_dim)
        for layer in self.attention_layers:
            # Each layer needs one hop less than the one before.
            vectors = [
                layer(
                    near,
                    query_codes,
                    ops.reshape(far, shape),
                    time_codes,
                    valid_mask,
                    training=training,
                )
                for near, far, (query_codes, time_codes, valid_mask) in zip(
                    vectors[:-1], vectors[1:], hops, strict=False
                )
            ]
        return vectors[0]

    def _vectors(self, nodes):
        return zero_invalid(self.node_embedding(nodes), valid_positions(nodes))

    def score(self, encoded, candidates, training=False):
        candidates = ops.convert_to_tensor(candidates)
        now = encoded["now"]
        if len(candidates.shape) == 1:
            candidates = ops.broadcast_to(
                candidates, (ops.shape(now)[0], ops.shape(candidates)[0])
            )
        count = ops.shape(candidates)[1]
        valid_mask = valid_positions(candidates)
        nodes = ops.where(valid_mask, candidates + self.num_users, 0)
        times = ops.broadcast_to(now[:, None], ops.shape(nodes))
        items = self._infer(
            ops.reshape(nodes, (-1,)),
            ops.reshape(times, (-1,)),
            None,
            training,
        )
        items = ops.reshape(items, (-1, count, self.embedding_dim))
        if self.head == "dot":
            scores = ops.einsum("bd,bcd->bc", encoded["user"], items)
        else:
            users = ops.expand_dims(encoded["user"], 1)
            hidden = ops.relu(users + self.item_layer(items))
            scores = ops.squeeze(self.output_layer(hidden), -1)
        return ops.where(valid_mask, scores, ops.zeros_like(scores))

    def get_config(self):
        return {
            **super().get_config(),
            "num_events": self.num_events,
            "embedding_dim": self.embedding_dim,
            "time_dim": self.time_dim,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "num_neighbors": self.num_neighbors,
            "sampling": self.sampling,
            "head": self.head,
            "dropout": self.dropout,
            "time_scale": self.time_scale,
            "seed": self.seed,
        }
