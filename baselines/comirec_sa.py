"""ComiRec-SA: interests by self-attention with several heads."""

import keras
from keras import ops

from mgnm_tf.models.multi_interest import MultiInterestRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import check_history_length
from mgnm_tf.utils.masking import masked_softmax
from mgnm_tf.utils.masking import newest_first
from mgnm_tf.utils.masking import reverse_valid
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int


@register
class ComiRecSA(MultiInterestRecommender):
    """Weighs a history in K ways; the nearest of K interests scores an item.

    ```
    a_k = softmax_i(tanh((x_i + p_i) W + w) . s_k + t_k + r_k[age of i])
    v_k = sum_i a_ki x_i
    score(j) = max_k v_k . x_j                  training: k of the positive
    ```

    with the item vectors x of the history and, if `positions`, vectors p of
    their places; r only with `recency_prior`. An interest is a weighted mean
    of item vectors, without p.

    Without the item table it has `max_length` d + d h + h + h K + K
    parameters; the K biases t have no effect, for the softmax removes them.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d. Defaults to `16`.
        num_interests: number of interests K. Defaults to `4`.
        hidden_dim: width h of the attention; `None` for `4 * embedding_dim`.
            Defaults to `None`.
        positions: whether the attention knows the places of the items.
            Defaults to `True`.
        position_from: `"start"` counts places from the oldest item of the
            history, `"end"` from the newest. Defaults to `"start"`.
        max_length: the longest history, if `positions`. Defaults to `100`.
        temperature: see `MultiInterestRecommender`. Defaults to `None`.
        dropout: see `MultiInterestRecommender`. Defaults to `0.0`.
        interest_bias: see `MultiInterestRecommender`. Defaults to `False`.
        training_interests: `"label"` or `"max"`, see
            `MultiInterestRecommender`. Defaults to `"label"`.
        recency_prior: whether each interest learns how much it looks at new
            and at old items, see `RecencyPrior`; not in the paper. Defaults
            to `False`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether dropout acts.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding gets no weight; after an empty history all interests
    are zero, before `interest_bias`.

    Raises:
        ValueError: with `positions`, a history is longer than `max_length`.

    Example:

    >>> import numpy as np
    >>> from baselines.comirec_sa import ComiRecSA
    >>> model = ComiRecSA(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model.interests(features).shape
    TensorShape([2, 4, 16])

    Reference: Cen et al., "Controllable Multi-Interest Framework for
    Recommendation", KDD 2020, https://arxiv.org/abs/2005.09347.

    Differences: the paper has no biases; they are those of THUDM/ComiRec. The
    re-ranking of the paper, which trades accuracy for diversity, is not part
    of the model.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        num_interests: int = 4,
        hidden_dim: int | None = None,
        positions: bool = True,
        position_from: str = "start",
        max_length: int = 100,
        temperature: float | None = None,
        dropout: float = 0.0,
        interest_bias: bool = False,
        training_interests: str = "label",
        recency_prior: bool = False,
        **kwargs,
    ):
        if hidden_dim is not None:
            check_positive_int(hidden_dim, "hidden_dim")
        check_choice(position_from, "position_from", ("start", "end"))
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            num_interests,
            max_length,
            temperature,
            dropout,
            interest_bias,
            training_interests,
            recency_prior=recency_prior,
            **kwargs,
        )
        self.hidden_dim = hidden_dim
        self.positions = positions
        self.position_from = position_from
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim = self.embedding_dim
        units = self.hidden_dim or 4 * dim
        self.position_embedding = None
        if self.positions:
            self.position_embedding = keras.layers.Embedding(
                self.max_length,
                dim,
                embeddings_initializer="glorot_uniform",
                name="position_embedding",
                **policy,
            )
            self.position_embedding.build()
        self.hidden_layer = keras.layers.Dense(
            units, activation="tanh", name="hidden_layer", **policy
        )
        self.hidden_layer.build((None, None, dim))
        self.attention = keras.layers.Dense(
            self.num_interests, name="attention", **policy
        )
        self.attention.build((None, None, units))

    def extract_interests(self, features, training=False):
        """Returns interests (B, K, d) and attention (B, K, m)."""
        history = ops.convert_to_tensor(features["history"])
        if self.position_from == "end":
            history = newest_first(history)
        valid_mask = valid_positions(history)
        items = self.embed_history(history, training)
        placed = items
        if self.position_embedding is not None:
            check_history_length(history, self.max_length)
            places = ops.arange(ops.shape(history)[1])
            placed = items + self.position_embedding(places)
        logits = self.attention(self.hidden_layer(placed))  # (batch, m, K)
        logits = ops.transpose(logits, (0, 2, 1))
        prior = self.recency_logits(valid_mask, self.position_from == "end")
        if prior is not None:
            logits = logits + ops.cast(prior, logits.dtype)
        weights = masked_softmax(logits, valid_mask[:, None, :])
        interests = ops.matmul(weights, items)
        if self.position_from == "end":
            weights = reverse_valid(weights, valid_mask)
        return interests, weights

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "positions": self.positions,
            "position_from": self.position_from,
            "recency_prior": self.recency_prior,
        }
