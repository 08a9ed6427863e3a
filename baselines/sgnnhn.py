"""SGNN-HN: a star graph network with a highway around it."""

import keras
from keras import ops

from mgnm_tf.layers.graph.star_graph_encoder import StarGraphEncoder
from mgnm_tf.layers.scoring.interest_scale import InterestScale
from mgnm_tf.layers.sequence.soft_attention_readout import SoftAttentionReadout
from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import uniform_of_width
from mgnm_tf.utils.inner_products import inner_products
from mgnm_tf.utils.masking import check_history_length
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.unit_vectors import unit_vectors
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class SGNNHN(SingleVectorRecommender):
    """Scores an item by its correlation with a vector read off a star graph.

    ```
    h, s = star graph network with a highway      see `StarGraphEncoder`
    v_i = h_i + p_i                               p: by position, from 1
    a_i = q . sigmoid(W_1 v_n + W_2 v_i + W_c s + b)
    u = W_3 [sum_i a_i v_i ; v_n] + b_3
    score(j) = N(u) . N(x_j) / temperature
    N(v) = (v - mean(v)) / |v - mean(v)|          over the numbers of v
    ```

    The star s hears from all items of a session and they from it, however
    far apart they stand. Without the item table there are `18 d^2 + 16 d +
    max_length d` parameters. Tables and weights are drawn uniformly between
    -1 / sqrt(d) and 1 / sqrt(d).

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of items and states, at least 2. Defaults to
            `256`.
        num_steps: number of steps on the graph, which share their weights.
            Defaults to `1`.
        max_length: the longest history. Defaults to `100`.
        temperature: what correlations are divided by; the paper's scale is
            12. By default `1 / 12`.
        **kwargs: arguments of `SingleVectorRecommender`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether `item_dropout` acts.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding changes nothing; after an empty history the user vector
    is zero.

    Raises:
        ValueError: an argument is out of its range, or a history is longer
            than `max_length`.

    Example:

    >>> import numpy as np
    >>> from baselines.sgnnhn import SGNNHN
    >>> model = SGNNHN(num_users=10, num_items=50, embedding_dim=8)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 3], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Pan et al., "Star graph neural networks for session-based
    recommendation", CIKM 2020, https://doi.org/10.1145/3340531.3412014. Code:
    RickySkywalker/SR-PredictAO-official (SGNNHN+NDF), RUCAIBox/RecBole-GNN.

    Differences: from the first code, none but that its exponentials may
    overflow. RecBole-GNN has no highway, two biases less in the graph network,
    and padding among the nodes that its star hears from. Neither has the
    projections of the paper in the products of nodes and star;
    `StarGraphEncoder` has them as an option.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 256,
        num_steps: int = 1,
        max_length: int = 100,
        temperature: float = 1 / 12,
        **kwargs,
    ):
        check_positive_int(embedding_dim, "embedding_dim", 2)
        check_positive_int(max_length, "max_length")
        check_range(temperature, "temperature", 1e-3, 1e3)
        # The base does not normalise: histories read the table as it is.
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            embeddings_initializer=uniform_of_width(embedding_dim),
            **kwargs,
        )
        self.temperature = temperature
        self.num_steps = num_steps
        self.max_length = max_length
        policy = {"dtype": self.dtype_policy}
        self.cosine = InterestScale(temperature, name="cosine", **policy)
        self.cosine.build((None, embedding_dim))
        self.encoder = StarGraphEncoder(num_steps, name="encoder", **policy)
        self.position_embedding = keras.layers.Embedding(
            max_length,
            embedding_dim,
            embeddings_initializer=uniform_of_width(embedding_dim),
            name="position_embedding",
            **policy,
        )
        self.position_embedding.build()
        self.readout = SoftAttentionReadout(True, name="readout", **policy)
        for layer in (self.encoder, self.readout):
            layer.build((None, None, embedding_dim))
        self.built = True

    def user_vector(self, features, training=False):
        history = ops.convert_to_tensor(features["history"])
        check_history_length(history, self.max_length)
        states, star = self.encoder(self.item_embedding(history), history)
        places = ops.arange(ops.shape(history)[1], dtype="int32")
        states = states + self.position_embedding(places)
        return self.readout(
            states, valid_mask=valid_positions(history), context=star
        )

    def encode(self, features, training=False):
        vectors = super().encode(features, training)
        return self.cosine(_centred(vectors))

    def score(self, encoded, candidates, training=False):
        candidates = ops.convert_to_tensor(candidates)
        vectors = self.item_embedding(candidates, training=training)
        vectors = unit_vectors(_centred(vectors))
        vectors = self.candidate_dropout(vectors, training=training)
        return inner_products(encoded, vectors)

    def item_vectors(self):
        return unit_vectors(_centred(super().item_vectors()))

    def get_config(self):
        return {
            **super().get_config(),
            "num_steps": self.num_steps,
            "max_length": self.max_length,
        }


def _centred(vectors):
    """Subtracts from each vector the mean of its numbers, in float32."""
    wide = ops.cast(vectors, "float32")
    wide = wide - ops.mean(wide, axis=-1, keepdims=True)
    return ops.cast(wide, vectors.dtype)
