"""The base of models that read several interests off a history."""

import keras
from keras import ops

from mgnm_tf.layers.interest.label_aware_attention import LabelAwareAttention
from mgnm_tf.layers.interest.recency_prior import RecencyPrior
from mgnm_tf.layers.scoring.interest_scale import InterestScale
from mgnm_tf.layers.scoring.max_interest import MaxInterest
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.types import Features
from mgnm_tf.types import Tensor
from mgnm_tf.utils.masking import normalize_rows
from mgnm_tf.utils.masking import reverse_valid
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


class MultiInterestRecommender(SequentialRecommender):
    """Scores an item by the nearest of K interests: `max_k v_k . x_j`.

    A subclass writes `extract_interests`, and looks the items of a history
    up with `embed_history`.

    With `training_interests="label"` a training step scores the positive and
    all negatives of a sample with one interest, the one that is nearest to
    the positive (see `LabelAwareAttention`), as the papers do; with "max"
    each candidate has its own nearest interest in training as later, so that
    what is trained is what is served. Inference is the same for both.

    Args:
        num_users: see `SequentialRecommender`.
        num_items: see `SequentialRecommender`.
        embedding_dim: width d of the item vectors. Defaults to `16`.
        num_interests: number of interests K. Defaults to `4`.
        max_length: the longest history. Defaults to `100`.
        temperature: `None` scores by inner products; a number by cosines
            divided by it, see `InterestScale`. Defaults to `None`.
        dropout: share of the numbers of the history's item vectors that
            training sets to zero. Defaults to `0.0`.
        interest_bias: whether one learned vector is added to all interests,
            see `InterestScale`. Defaults to `False`.
        training_interests: `"label"` or `"max"`. Defaults to `"label"`.
        label_aware_power: see `LabelAwareAttention`. Defaults to `None`, the
            nearest interest alone.
        recency_prior: whether each interest learns how much it looks at new
            and at old items, see `RecencyPrior`; for a subclass to use, by
            `recency_logits`. Defaults to `False`.
        embeddings_initializer: initializer of the item table, for a subclass
            to choose; not part of the configuration. Defaults to
            `"uniform"`.
        **kwargs: arguments of `keras.Model`.

    Raises:
        ValueError: a size is out of its range, or an option is unknown.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        num_interests: int = 4,
        max_length: int = 100,
        temperature: float | None = None,
        dropout: float = 0.0,
        interest_bias: bool = False,
        training_interests: str = "label",
        label_aware_power: float | None = None,
        embeddings_initializer="uniform",
        recency_prior: bool = False,
        **kwargs,
    ):
        check_choice(training_interests, "training_interests", ("label", "max"))
        check_positive_int(embedding_dim, "embedding_dim")
        check_positive_int(num_interests, "num_interests")
        check_positive_int(max_length, "max_length")
        check_range(dropout, "dropout", 0.0, 1.0)
        super().__init__(num_users, num_items, **kwargs)
        self.embedding_dim = embedding_dim
        self.num_interests = num_interests
        self.max_length = max_length
        self.temperature = temperature
        self.dropout = dropout
        self.interest_bias = interest_bias
        self.training_interests = training_interests
        self.recency_prior = recency_prior
        self.item_embedding = self.make_item_embedding(
            embedding_dim,
            embeddings_initializer=embeddings_initializer,
            unit_norm=temperature is not None,
        )
        self.input_dropout = keras.layers.Dropout(
            dropout, name="input_dropout", dtype=self.dtype_policy
        )
        self.scale = InterestScale(
            temperature, interest_bias, name="scale", dtype=self.dtype_policy
        )
        self.scale.build((None, num_interests, embedding_dim))
        self.label_attention = LabelAwareAttention(
            label_aware_power, name="label_attention", dtype=self.dtype_policy
        )
        self.readout = MaxInterest(name="readout", dtype=self.dtype_policy)
        self.prior = None
        if recency_prior:
            self.prior = RecencyPrior(
                num_interests, max_length, name="prior", dtype="float32"
            )

    def embed_history(self, history: Tensor, training: bool) -> Tensor:
        """Returns the item vectors (B, m, d) of histories (B, m)."""
        items = self.item_embedding(history)
        return self.input_dropout(items, training=training)

    def recency_logits(
        self, valid_mask: Tensor, newest_first: bool = False
    ) -> Tensor | None:
        """Returns what interests think of ages, or `None` without the prior.

        Args:
            valid_mask: bool (B, m), True first.
            newest_first: whether the newest item stands first.

        Returns:
            float32 (B, K, m) logits.
        """
        if self.prior is None:
            return None
        logits = self.prior(valid_mask)
        return reverse_valid(logits, valid_mask) if newest_first else logits

    def extract_interests(
        self, features: Features, training: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Returns interests (B, K, d) and the weights (B, K, m) behind them.

        Args:
            features: a batch; `candidates` may be missing.
            training: whether the step trains.
        """
        raise NotImplementedError

    def encode(self, features, training=False):
        """Returns the interests (B, K, d)."""
        return self.scale(self.extract_interests(features, training)[0])

    def guide(self, encoded, positive):
        """Returns the interest (B, 1, d) that the positive trains."""
        if self.training_interests == "max":
            return encoded
        vectors = self.item_embedding(positive, training=True)
        return self.label_attention(encoded, vectors)

    def score(self, encoded, candidates, training=False):
        candidates = ops.convert_to_tensor(candidates)
        vectors = self.item_embedding(candidates, training=training)
        return self.readout(encoded, vectors)

    @property
    def scores_within_products(self):
        return True

    def score_vectors(self, encoded, vectors):
        return self.readout(encoded, vectors)

    @property
    def trains_over_catalogue(self) -> bool:
        """Whether one interest alone learns from each sample."""
        one = self.training_interests == "label" or self.num_interests == 1
        return one and super().trains_over_catalogue

    def query_vectors(self, encoded):
        return encoded[:, 0]

    def interests(self, features: Features) -> Tensor:
        """Returns the interests (B, K, d)."""
        return self.encode(features)

    def history_attention(self, features: Features) -> Tensor:
        return normalize_rows(self.extract_interests(features)[1])

    def interest_labels(self) -> list[tuple[int, int]]:
        return [(0, number + 1) for number in range(self.num_interests)]

    def item_vectors(self) -> Tensor:
        return self.item_embedding.vectors()

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_interests": self.num_interests,
            "max_length": self.max_length,
            "temperature": self.temperature,
            "dropout": self.dropout,
            "interest_bias": self.interest_bias,
            "training_interests": self.training_interests,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # Files without the entry are of models that were trained so.
        config = {"training_interests": "max", **config}
        return super().from_config(config, custom_objects)
