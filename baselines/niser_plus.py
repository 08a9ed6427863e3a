"""NISER+: SR-GNN with vectors of one length, positions and dropout."""

import keras
from keras import ops

from mgnm_tf.layers.graph.session_graph_encoder import SessionGraphEncoder
from mgnm_tf.layers.sequence.soft_attention_readout import SoftAttentionReadout
from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import uniform_of_width
from mgnm_tf.utils.masking import check_history_length
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.unit_vectors import unit_vectors
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class NISERPlus(SingleVectorRecommender):
    """Scores an item by its cosine with a vector read off a graph.

    ```
    e_i = N(dropout(x_i))                          N(v) = v / |v|
    h = gated graph steps on the graph of the history's distinct items
    h_i = h_i + p_i                                p: by position, from 1
    u = N(W_3 [sum_i a_i h_i ; h_n] + b_3)         a as in SR-GNN
    score(j) = u . N(x_j) / temperature
    ```

    So the length of a vector, which grows with how often an item is seen,
    says nothing. See `SessionGraph`, `GatedGraphStep` and
    `SoftAttentionReadout`. Without the item table it has `15 d^2 + 14 d +
    max_length d` parameters. Tables and weights are drawn uniformly between
    -1 / sqrt(d) and 1 / sqrt(d).

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of items and states. Defaults to `100`.
        num_steps: number of steps on the graph, which share their weights.
            Defaults to `1`.
        dropout: share of the numbers of the vectors of a history that
            training sets to zero; all occurrences of an item share them.
            Defaults to `0.1`.
        max_length: the longest history. Defaults to `100`.
        temperature: what cosines are divided by, the paper's scale is 16;
            `None` scores by inner products. Defaults to `0.0625`.
        **kwargs: arguments of `SingleVectorRecommender`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether dropout acts.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding changes nothing; after an empty history the user vector
    is zero.

    Raises:
        ValueError: an argument is out of its range, or a history is longer
            than `max_length`.

    Example:

    >>> import numpy as np
    >>> from baselines.niser_plus import NISERPlus
    >>> model = NISERPlus(num_users=10, num_items=50, embedding_dim=8)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 3], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Gupta et al., "NISER: Normalized item and session
    representations to handle popularity bias", 2019,
    https://arxiv.org/abs/1909.04276. Code: RUCAIBox/RecBole-GNN.

    Differences: the graph network has the biases of the code of SR-GNN, see
    `GatedGraphStep`, which RecBole-GNN leaves out in part. Dropout comes
    before the normalisation, as in RecBole-GNN. The code
    johnny12150/NISER is that of NISER, without positions and dropout; it
    overwrites the table with unit vectors, through which no gradient flows,
    and does not normalise sessions.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 100,
        num_steps: int = 1,
        dropout: float = 0.1,
        max_length: int = 100,
        temperature: float | None = 0.0625,
        **kwargs,
    ):
        check_positive_int(embedding_dim, "embedding_dim")
        check_positive_int(max_length, "max_length")
        check_range(dropout, "dropout", 0.0, 1.0)
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            temperature,
            embeddings_initializer=uniform_of_width(embedding_dim),
            **kwargs,
        )
        self.num_steps = num_steps
        self.dropout = dropout
        self.max_length = max_length
        policy = {"dtype": self.dtype_policy}
        self.history_dropout = keras.layers.Dropout(
            dropout, name="history_dropout", **policy
        )
        self.encoder = SessionGraphEncoder(num_steps, name="encoder", **policy)
        self.position_embedding = keras.layers.Embedding(
            max_length,
            embedding_dim,
            embeddings_initializer=uniform_of_width(embedding_dim),
            name="position_embedding",
            **policy,
        )
        self.position_embedding.build()
        self.readout = SoftAttentionReadout(name="readout", **policy)
        for layer in (self.encoder, self.readout):
            layer.build((None, None, embedding_dim))
        self.built = True

    def user_vector(self, features, training=False):
        history = ops.convert_to_tensor(features["history"])
        check_history_length(history, self.max_length)
        items = self.item_embedding(history)
        items = self.history_dropout(items, training=training)
        states = self.encoder(unit_vectors(items), history)
        places = ops.arange(ops.shape(history)[1], dtype="int32")
        states = states + self.position_embedding(places)
        return self.readout(states, valid_mask=valid_positions(history))

    def get_config(self):
        return {
            **super().get_config(),
            "num_steps": self.num_steps,
            "dropout": self.dropout,
            "max_length": self.max_length,
        }
