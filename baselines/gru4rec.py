"""GRU4Rec: the last state of a recurrent network over the history."""

import keras
from keras import ops

from mgnm_tf.layers.embedding.row_embedding import RowEmbedding
from mgnm_tf.layers.scoring.interest_scale import InterestScale
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.inner_products import inner_products
from mgnm_tf.utils.masking import last_valid
from mgnm_tf.utils.masking import never_empty
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.rows import take_flat
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class GRU4Rec(SequentialRecommender):
    """Scores an item by its inner product with the state of a GRU.

    ```
    h = GRU(x_1, ..., x_n)        x: item vectors of the history
    score(j) = h . x_j            or (W h + b) . x_j, see `projection`
    ```

    One layer, trained with the objective that every model here is trained
    with. Without the item table it has `3 (d h + h^2 + 2 h)` parameters, plus
    `h d + d` with W and b.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the item vectors. Defaults to `16`.
        hidden_dim: width h of the state; `None` for `embedding_dim`.
            Defaults to `None`.
        dropout: share of the inputs of the GRU that training sets to zero.
            Defaults to `0.0`.
        tied: whether history and candidates share one item table. Otherwise
            candidates have a table and a bias of their own. Defaults to
            `True`.
        reset_after: the variant of the GRU cell that cuDNN runs; `False` is
            the cell of TensorFlow 1. Defaults to `True`.
        temperature: `None` scores by inner products; a number, with `tied`,
            by cosines divided by it, see `InterestScale`. Defaults to
            `None`.
        projection: whether a linear layer W, b stands behind the GRU; where
            the widths d and h differ, it always does. Defaults to `False`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether dropout acts.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding changes nothing; after an empty history the state is
    zero.

    Example:

    >>> import numpy as np
    >>> from baselines.gru4rec import GRU4Rec
    >>> model = GRU4Rec(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Hidasi et al., "Session-based recommendations with recurrent
    neural networks", ICLR 2016, https://arxiv.org/abs/1511.06939.

    Differences: the paper carries the state over mini-batches of parallel
    sessions, has a separate output matrix and trains on the other items of
    the batch (BPR, TOP1); here, as in later comparisons, every sample starts
    afresh, the tables are tied, and the objective is the common one. With
    `every_position` in the training every state learns, as in the paper.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        hidden_dim: int | None = None,
        dropout: float = 0.0,
        tied: bool = True,
        reset_after: bool = True,
        temperature: float | None = None,
        projection: bool = False,
        **kwargs,
    ):
        check_positive_int(embedding_dim, "embedding_dim")
        if hidden_dim is not None:
            check_positive_int(hidden_dim, "hidden_dim")
        check_range(dropout, "dropout", 0.0, 1.0)
        if temperature is not None and not tied:
            raise ValueError(
                "`temperature` needs `tied`: a bias has no cosine."
            )
        super().__init__(num_users, num_items, **kwargs)
        self.embedding_dim = embedding_dim
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.tied = tied
        self.reset_after = reset_after
        self.temperature = temperature
        self.use_projection = projection
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim, num_rows = self.embedding_dim, self.num_items + 1
        units = self.hidden_dim or dim
        self.item_embedding = self.make_item_embedding(
            dim,
            unit_norm=self.temperature is not None,
        )
        self.scale = InterestScale(self.temperature, name="scale", **policy)
        self.input_dropout = keras.layers.Dropout(
            self.dropout, name="input_dropout", **policy
        )
        self.gru = keras.layers.GRU(
            units,
            reset_after=self.reset_after,
            return_sequences=True,
            name="gru",
            **policy,
        )
        self.gru.build((None, None, dim))
        self.projection = None
        if self.use_projection or units != dim:
            self.projection = keras.layers.Dense(
                dim, name="projection", **policy
            )
            self.projection.build((None, units))
        self.output_embedding = None
        if not self.tied:
            self.output_embedding = RowEmbedding(
                num_rows, dim, name="output_embedding", **policy
            )
            self.output_embedding.build()
            self.output_bias = RowEmbedding(
                num_rows,
                1,
                embeddings_initializer="zeros",
                name="output_bias",
                **policy,
            )
            self.output_bias.build()

    def encode(self, features, training=False):
        """Returns the user vectors (B, d), or (B, d + 1) if not `tied`.

        The last entry of the latter is 1 and meets the bias of an item.
        """
        if "positions" in features:
            vectors = self.position_vectors(features, training)
            return take_flat(vectors, features["positions"])
        states, valid_mask = self._states(features, training)
        newest = last_valid(states, valid_mask)
        return self._finish(newest, ops.any(valid_mask, axis=-1))

    def position_vectors(self, features, training=False):
        """Returns (B, m, d) vectors, or (B, m, d + 1) if not `tied`."""
        return self._finish(*self._states(features, training))

    def _states(self, features, training):
        """Returns the states (B, m, h) and which are valid (B, m)."""
        history = ops.convert_to_tensor(features["history"])
        valid_mask = valid_positions(history)
        inputs = self.item_embedding(history)
        inputs = self.input_dropout(inputs, training=training)
        states = self.gru(
            inputs, mask=never_empty(valid_mask), training=training
        )
        return states, valid_mask

    def _finish(self, states, valid_mask):
        """Turns states (..., h) into the vectors that items meet."""
        if self.projection is not None:
            states = self.projection(states)
        vectors = zero_invalid(states, valid_mask)
        if self.tied:
            return self.scale(vectors)
        ones = ops.ones_like(vectors[..., :1])
        return ops.concatenate([vectors, ones], axis=-1)

    def score(self, encoded, candidates, training=False):
        candidates = ops.convert_to_tensor(candidates)
        if self.tied:
            vectors = self.item_embedding(candidates, training=training)
        else:
            vectors = ops.concatenate(
                [
                    self.output_embedding(candidates),
                    self.output_bias(candidates),
                ],
                axis=-1,
            )
        vectors = zero_invalid(vectors, valid_positions(candidates))
        return inner_products(encoded, vectors)

    @property
    def scores_within_products(self):
        return True

    def score_vectors(self, encoded, vectors):
        return inner_products(encoded, vectors)

    def query_vectors(self, encoded):
        return encoded

    def interests(self, features):
        """Returns the (B, 1, d) user vectors, (B, 1, d + 1) if not `tied`."""
        return ops.expand_dims(self.encode(features), 1)

    def item_vectors(self):
        """Returns the (M + 1, d) vectors, (M + 1, d + 1) if not `tied`."""
        if self.tied:
            return self.item_embedding.vectors()
        return ops.concatenate(
            [
                self.output_embedding.embeddings,
                self.output_bias.embeddings,
            ],
            axis=-1,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout,
            "tied": self.tied,
            "reset_after": self.reset_after,
            "temperature": self.temperature,
            "projection": self.use_projection,
        }
