"""ComiRec-DR: interests by dynamic routing, a projection for each position."""

import keras
from keras import ops

from mgnm_tf.layers.interest.dynamic_routing import DynamicRouting
from mgnm_tf.models.multi_interest import MultiInterestRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import check_history_length
from mgnm_tf.utils.masking import newest_first
from mgnm_tf.utils.masking import reverse_valid
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int


@register
class ComiRecDR(MultiInterestRecommender):
    """Routes a history to K interests; the nearest one scores an item.

    ```
    u_ik = x_i W_ik                      x: item vectors of the history
    v = routing of u from logits 0              see `DynamicRouting`; with
        `recency_prior` items count exp(r_k) by their age
    score(j) = max_k v_k . x_j                  training: k of the positive
    ```

    Each position i and interest k has a matrix of its own, drawn with
    standard deviation 1: with much smaller ones the capsules are too short
    to learn. Its authors train it with a learning rate of 0.005.

    Without the item table it has `max_length` K d^2 parameters.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d. Defaults to `16`.
        num_interests: number of interests K. Defaults to `4`.
        routing_iterations: how often coupling and interests are computed.
            Defaults to `3`.
        position_from: `"start"` counts positions from the oldest item of
            the history, `"end"` from the newest. Defaults to `"start"`.
        max_length: the longest history. Defaults to `100`.
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

    Masking: padding changes nothing; after an empty history all interests
    are zero, before `interest_bias`.

    Raises:
        ValueError: a history is longer than `max_length`.

    Example:

    >>> import numpy as np
    >>> from baselines.comirec_dr import ComiRecDR
    >>> model = ComiRecDR(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model.interests(features).shape
    TensorShape([2, 4, 16])

    Reference: Cen et al., "Controllable Multi-Interest Framework for
    Recommendation", KDD 2020, https://arxiv.org/abs/2005.09347.

    Differences: the re-ranking of the paper, which trades accuracy for
    diversity, is not part of the model.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        num_interests: int = 4,
        routing_iterations: int = 3,
        position_from: str = "start",
        max_length: int = 100,
        temperature: float | None = None,
        dropout: float = 0.0,
        interest_bias: bool = False,
        training_interests: str = "label",
        recency_prior: bool = False,
        **kwargs,
    ):
        check_positive_int(routing_iterations, "routing_iterations")
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
        self.routing_iterations = routing_iterations
        self.position_from = position_from
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim = self.embedding_dim
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.max_length, self.num_interests, dim, dim),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        self.routing = DynamicRouting(
            self.num_interests,
            self.routing_iterations,
            name="routing",
            **policy,
        )

    def extract_interests(self, features, training=False):
        """Returns interests (B, K, d) and couplings (B, K, m)."""
        history = ops.convert_to_tensor(features["history"])
        check_history_length(history, self.max_length)
        if self.position_from == "end":
            history = newest_first(history)
        valid_mask = valid_positions(history)
        items = self.embed_history(history, training)
        logits = self.recency_logits(valid_mask, self.position_from == "end")
        kernel = ops.cast(self.kernel[: ops.shape(history)[1]], items.dtype)
        interests, coupling = self.routing(
            ops.einsum("bmd,mkde->bkme", items, kernel),
            valid_mask=valid_mask,
            weights=None if logits is None else ops.exp(logits),
            return_coupling=True,
        )
        if self.position_from == "end":
            coupling = reverse_valid(coupling, valid_mask)
        return interests, coupling

    def get_config(self):
        return {
            **super().get_config(),
            "routing_iterations": self.routing_iterations,
            "position_from": self.position_from,
            "recency_prior": self.recency_prior,
        }
