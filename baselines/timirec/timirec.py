"""TiMiRec: interests, mixed by how much each is expected now."""

import keras
from keras import ops

from baselines.timirec.self_attentive_extractor import SelfAttentiveExtractor
from mgnm_tf.layers.interest.interest_predictor import InterestPredictor
from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import get_initializer
from mgnm_tf.utils.masking import normalize_rows
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.target_interest import distillation_loss
from mgnm_tf.utils.target_interest import interest_shares
from mgnm_tf.utils.target_interest import mix_interests
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

DISTILLATION = ("stop_gradient", "full_gradient", "none")


@register
class TiMiRec(SingleVectorRecommender):
    """Mixes K interests by a distribution that is predicted from the history.

    ```
    v_k = SelfAttentiveExtractor(x_1, ..., x_n)
    z = InterestPredictor(history)
    u = sum_k softmax(z)_k v_k
    score(j) = u . x_j
    ```

    Training adds, for the positive t, the divergence from the distribution
    of its interests, with temperature T:

    ```
    p = stop_gradient(softmax_k(cos(v_k, x_t) / T)),    q = softmax(z / T)
    T^2 sum_k p_k (log p_k - log q_k)
    ```

    so that a history predicts which interest is wanted now. It does not move
    the interests: these learn from the scores alone.

    The paper trains in two stages, and so do the recipes: first the
    extractor alone (`ComiRecPlus` without its block), then, from the best
    epoch of that and with a new optimizer, all of it. Of the first stage
    `item_embedding` and `extractor` are taken.

    With the item table it has (M + 1) d + (`max_length` + 1) d + d h + h + h K
    + K numbers in the extractor, and in the predictor (M + 2) d + 6 d^2 + 6 d
    + (`num_layers` - 1) (d^2 + d) + d K + K.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d. Defaults to `64`.
        num_interests: number of interests K. Defaults to `4`.
        hidden_dim: width h of the attention. Defaults to `8`.
        num_layers: linear maps behind the predictor's state. Defaults to
            `2`.
        distillation: whether the divergence is added and where its gradient
            goes: `"stop_gradient"` to the predictor alone; `"full_gradient"`
            to the interests and the positive as well; `"none"` leaves it
            out. Defaults to `"stop_gradient"`.
        distillation_temperature: T. Cosines are at most 1, so that with T = 1
            p is nearly uniform. Defaults to `0.1`.
        positions: whether the items know their places. Defaults to `True`.
        max_length: the longest history, if `positions`. Defaults to `20`.
        temperature: `None` scores by inner products; a number by those of
            items and interests of length 1, divided by it, see
            `InterestScale`. Defaults to `None`.
        dropout: share of the numbers of the extractor's item vectors that
            training sets to zero. Defaults to `0.0`.
        predictor_dropout: share of what the predictor's hidden maps give that
            training sets to zero. Defaults to `0.5`.
        interest_bias: whether one learned vector is added to all interests,
            see `InterestScale`. Defaults to `False`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether dropout acts.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding changes nothing; after an empty history the user vector
    is zero, before `interest_bias`.

    Raises:
        ValueError: an argument is out of its range; there is something to
            distil and only one interest; with `positions`, a history is
            longer than `max_length`.

    Example:

    >>> import numpy as np
    >>> from baselines.timirec.timirec import TiMiRec
    >>> model = TiMiRec(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])
    >>> model.interest_distribution(features).shape
    TensorShape([2, 4])

    Reference: Wang et al., "Target Interest Distillation for Multi-Interest
    Recommendation", CIKM 2022, https://doi.org/10.1145/3511808.3557464. Code:
    THUwangcy/ReChorus, branch CIKM22.

    Differences: the paper's loss is the cross-entropy of p and q, the code's
    the divergence, whose gradient is the same unless it is let through; the
    weight T^2 is the code's. The paper calls the extractor ComiRec; as in the
    code the interests hold the places, too. An empty history, which the code
    never sees, is scored.
    """

    _transformer = False

    first_stage = ("item_embedding", "extractor")

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 64,
        num_interests: int = 4,
        hidden_dim: int = 8,
        num_layers: int = 2,
        distillation: str = "stop_gradient",
        distillation_temperature: float = 0.1,
        positions: bool = True,
        max_length: int = 20,
        temperature: float | None = None,
        dropout: float = 0.0,
        predictor_dropout: float = 0.5,
        interest_bias: bool = False,
        **kwargs,
    ):
        check_positive_int(num_interests, "num_interests")
        check_choice(distillation, "distillation", DISTILLATION)
        check_range(
            distillation_temperature, "distillation_temperature", 1e-3, 1e3
        )
        check_range(dropout, "dropout", 0.0, 1.0)
        check_range(predictor_dropout, "predictor_dropout", 0.0, 1.0)
        if distillation != "none" and num_interests == 1:
            raise ValueError(
                "Which interest a positive wants can be distilled from two "
                "interests on; for one take distillation='none'. Received: "
                "num_interests=1"
            )
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            temperature,
            interest_bias,
            embeddings_initializer=get_initializer(0.01),
            **kwargs,
        )
        self.num_interests = num_interests
        self.distillation = distillation
        self.distillation_temperature = distillation_temperature
        self.max_length = max_length
        self.dropout = dropout
        policy = {"dtype": self.dtype_policy}
        self.input_dropout = keras.layers.Dropout(
            dropout, name="input_dropout", **policy
        )
        self.extractor = SelfAttentiveExtractor(
            num_interests,
            hidden_dim,
            max_length,
            positions,
            self._transformer,
            name="extractor",
            **policy,
        )
        self.extractor.build((None, None, embedding_dim))
        self.predictor = InterestPredictor(
            num_items,
            embedding_dim,
            num_interests,
            num_layers,
            predictor_dropout,
            name="predictor",
            **policy,
        )
        self.predictor.build()
        self.built = True

    @classmethod
    def options_of_first_stage(cls, options):
        return ("embedding_dim", "num_interests", "hidden_dim", "positions")

    def encode(self, features, training=False):
        """Returns the user vectors and what they are made of.

        Returns:
            dict of `interests` (B, d), the user vectors; `mixed` (B, K, d);
            `logits` (B, K) of the distribution, float32.
        """
        mixed, _ = self._extract(features, training)
        logits = self.predictor(features["history"], training=training)
        user = mix_interests(logits, mixed)[:, 0]
        return {"interests": user, "mixed": mixed, "logits": logits}

    def _extract(self, features, training=False):
        """Returns interests (B, K, d) as they are mixed, and their weights."""
        history = ops.convert_to_tensor(features["history"])
        items = self.item_embedding(history)
        interests, weights = self.extractor(
            self.input_dropout(items, training=training),
            valid_mask=valid_positions(history),
            return_weights=True,
        )
        return self.scale(interests), weights

    def guide(self, encoded, positive):
        """Adds the loss of the distillation; changes nothing."""
        if self.distillation != "none":
            vectors = self.item_embedding(positive, training=True)
            loss = distillation_loss(
                encoded["logits"],
                encoded["mixed"],
                vectors,
                self.distillation_temperature,
                self.distillation == "stop_gradient",
            )
            self.add_loss(loss)
        return encoded

    def score(self, encoded, candidates, training=False):
        return super().score(encoded["interests"], candidates, training)

    def score_vectors(self, encoded, vectors):
        return super().score_vectors(encoded["interests"], vectors)

    def query_vectors(self, encoded):
        return encoded["interests"]

    def interests(self, features):
        """Returns the user vectors (B, 1, d): the mixed interests as one."""
        return ops.expand_dims(self.encode(features)["interests"], 1)

    def interest_distribution(self, features):
        return interest_shares(self.predictor(features["history"]))

    def mixed_interests(self, features):
        return self._extract(features)[0]

    def history_attention(self, features):
        return normalize_rows(self._extract(features)[1])

    def interest_labels(self):
        return [(0, number + 1) for number in range(self.num_interests)]

    def get_config(self):
        return {
            **super().get_config(),
            "num_interests": self.num_interests,
            "hidden_dim": self.extractor.hidden_dim,
            "num_layers": self.predictor.num_layers,
            "distillation": self.distillation,
            "distillation_temperature": self.distillation_temperature,
            "positions": self.extractor.positions,
            "max_length": self.max_length,
            "dropout": self.dropout,
            "predictor_dropout": self.predictor.dropout,
        }
