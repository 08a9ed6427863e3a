"""The base of models that read one vector off a history."""

import keras
from keras import ops

from mgnm_tf.layers.scoring.interest_scale import InterestScale
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.types import Features
from mgnm_tf.types import Tensor
from mgnm_tf.utils.inner_products import inner_products
from mgnm_tf.utils.rows import take_flat
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


class SingleVectorRecommender(SequentialRecommender):
    """Scores an item by its inner product with the user: `u . x_j`.

    History and candidates share one item table. A subclass writes
    `user_vector` and finds `item_embedding` made.

    Args:
        num_users: see `SequentialRecommender`.
        num_items: see `SequentialRecommender`.
        embedding_dim: width d of the item vectors. Defaults to `16`.
        temperature: `None` scores by inner products; a number by cosines
            divided by it, see `InterestScale`. Defaults to `None`.
        interest_bias: whether a learned vector is added to all user vectors,
            see `InterestScale`. Defaults to `False`.
        embeddings_initializer: initializer of the item table, for a subclass
            to choose; not part of the configuration. Defaults to
            `"uniform"`.
        item_dropout: share of the numbers of the item vectors that are
            scored that training sets to zero, after they got length 1.
            Defaults to `0.0`.
        max_norm: the longest that a row of the item table may be, for a
            subclass to choose; not part of the configuration. Defaults to
            `None`, any length.
        **kwargs: arguments of `keras.Model`.

    Raises:
        ValueError: a size is out of its range.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        temperature: float | None = None,
        interest_bias: bool = False,
        embeddings_initializer="uniform",
        item_dropout: float = 0.0,
        max_norm: float | None = None,
        **kwargs,
    ):
        check_positive_int(embedding_dim, "embedding_dim")
        check_range(item_dropout, "item_dropout", 0.0, 1.0)
        super().__init__(num_users, num_items, **kwargs)
        self.embedding_dim = embedding_dim
        self.temperature = temperature
        self.interest_bias = interest_bias
        self.item_dropout = item_dropout
        self.item_embedding = self.make_item_embedding(
            embedding_dim,
            embeddings_initializer=embeddings_initializer,
            unit_norm=temperature is not None,
            max_norm=max_norm,
        )
        self.scale = InterestScale(
            temperature, interest_bias, name="scale", dtype=self.dtype_policy
        )
        self.scale.build((None, embedding_dim))
        self.candidate_dropout = keras.layers.Dropout(
            item_dropout, name="candidate_dropout", dtype=self.dtype_policy
        )

    def user_vector(self, features: Features, training: bool = False) -> Tensor:
        """Returns the user vectors (B, d), of any length.

        Args:
            features: a batch; `candidates` may be missing.
            training: whether the step trains.
        """
        raise NotImplementedError

    def encode(self, features, training=False):
        """Returns the user vectors (B, d), or those at `positions` (N, d)."""
        if "positions" in features:
            vectors = self.position_vectors(features, training)
            return take_flat(vectors, features["positions"])
        return self.scale(self.user_vector(features, training))

    def score(self, encoded, candidates, training=False):
        candidates = ops.convert_to_tensor(candidates)
        vectors = self.item_embedding(candidates, training=training)
        vectors = self.candidate_dropout(vectors, training=training)
        return inner_products(encoded, vectors)

    @property
    def scores_within_products(self):
        return True

    def score_vectors(self, encoded, vectors):
        return inner_products(encoded, vectors)

    def query_vectors(self, encoded):
        return encoded

    def scored_vectors(self, training=False):
        vectors = super().scored_vectors(training)
        return self.candidate_dropout(vectors, training=training)

    def interests(self, features: Features) -> Tensor:
        """Returns the user vectors (B, 1, d)."""
        return ops.expand_dims(self.encode(features), 1)

    def item_vectors(self) -> Tensor:
        return self.item_embedding.vectors()

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "temperature": self.temperature,
            "interest_bias": self.interest_bias,
            "item_dropout": self.item_dropout,
        }
