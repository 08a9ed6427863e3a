"""MIND: interests by dynamic routing with one projection for all."""

import keras
from keras import ops

from mgnm_tf.layers.interest.dynamic_routing import DynamicRouting
from mgnm_tf.models.multi_interest import MultiInterestRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import history_length
from mgnm_tf.utils.masking import newest_first
from mgnm_tf.utils.masking import reverse_valid
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_positive_int


@register
class MIND(MultiInterestRecommender):
    """Routes a history to K interests; the nearest one scores an item.

    ```
    u_i = x_i S                          x: item vectors of the history
    v = routing of u from noise logits b        see `DynamicRouting`; with
        `recency_prior` items count exp(r_k) by their age
    v_k = ReLU(v_k W + w)                       with `relu_layer`
    score(j) = max_k v_k . x_j
    training: v . x_j with v = sum_k softmax_k(pow(v_k . x_+, p)) v_k
    ```

    where x_+ is the positive.

    All interests see an item alike (one S), so nothing but the noise in the
    first logits tells them apart. Training draws it anew at each step. At
    inference it is a table that is drawn once and saved with the model, one
    column for the newest item, one for the one before, and so on: the same
    history always has the same scores.

    Without the item table it has d^2 trainable parameters, and d^2 + d more
    with `relu_layer`; the noise table has K `max_length` entries that are not
    trained.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d. Defaults to `16`.
        num_interests: number of interests K. Defaults to `4`.
        routing_iterations: how often coupling and interests are computed.
            Defaults to `3`.
        relu_layer: whether a dense layer with ReLU stands behind the
            routing. Defaults to `True`.
        dynamic_interests: whether a history of n items has no more than
            log2(n) interests, but at least one. Defaults to `False`.
        fixed_noise: whether training, too, takes the noise from the table.
            Defaults to `False`.
        max_length: columns of the noise table; still older items share the
            last one. Defaults to `100`.
        seed: seed of the noise. Defaults to `None`.
        temperature: see `MultiInterestRecommender`. Defaults to `None`.
        dropout: see `MultiInterestRecommender`. Defaults to `0.0`.
        interest_bias: see `MultiInterestRecommender`. Defaults to `False`.
        training_interests: `"label"`, the label-aware attention of the
            paper, or `"max"`, see `MultiInterestRecommender`. Defaults to
            `"label"`.
        label_aware_power: the power p of that attention, see
            `LabelAwareAttention`. Defaults to `None`, infinity: the nearest
            interest alone, which the paper found best.
        recency_prior: whether each interest learns how much it looks at new
            and at old items, see `RecencyPrior`; not in the paper. Defaults
            to `False`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether dropout acts and, unless `fixed_noise`, noise is
            drawn.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding changes nothing. After an empty history the routing ends
    in zero vectors, before `interest_bias`.

    Example:

    >>> import numpy as np
    >>> from baselines.mind import MIND
    >>> model = MIND(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model.interests(features).shape
    TensorShape([2, 4, 16])

    Reference: Li et al., "Multi-Interest Network with Dynamic Routing for
    Recommendation at Tmall", CIKM 2019, https://arxiv.org/abs/1904.08030.

    Differences: the paper feeds user profiles to the layers behind the
    routing; the data here have none. As in THUDM/ComiRec that part is one
    ReLU layer, which its authors leave out on some data. The code's
    projection has a bias, drawn as large as a weight, that the paper has not;
    and the code draws noise at test, so that its scores differ from run to
    run. In the paper the number of interests follows from the length of the
    history, in the code not (`dynamic_interests`); interests that a user does
    not have take no part in the routing and return as copies of the first, so
    that they never win with a score of 0.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        num_interests: int = 4,
        routing_iterations: int = 3,
        relu_layer: bool = True,
        dynamic_interests: bool = False,
        fixed_noise: bool = False,
        max_length: int = 100,
        seed: int | None = None,
        temperature: float | None = None,
        dropout: float = 0.0,
        interest_bias: bool = False,
        training_interests: str = "label",
        label_aware_power: float | None = None,
        recency_prior: bool = False,
        **kwargs,
    ):
        check_positive_int(routing_iterations, "routing_iterations")
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
            label_aware_power,
            recency_prior=recency_prior,
            **kwargs,
        )
        self.routing_iterations = routing_iterations
        self.relu_layer = relu_layer
        self.dynamic_interests = dynamic_interests
        self.fixed_noise = fixed_noise
        self.seed = seed
        self.label_aware_power = label_aware_power
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim = self.embedding_dim
        self.projection = keras.layers.Dense(
            dim, use_bias=False, name="projection", **policy
        )
        self.projection.build((None, None, dim))
        self.routing = DynamicRouting(
            self.num_interests,
            self.routing_iterations,
            name="routing",
            **policy,
        )
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.noise = self.add_weight(
            name="noise",
            shape=(self.num_interests, self.max_length),
            initializer=keras.initializers.TruncatedNormal(
                stddev=1.0, seed=self.seed
            ),
            trainable=False,
        )
        self.output_layer = None
        if self.relu_layer:
            self.output_layer = keras.layers.Dense(
                dim, activation="relu", name="output_layer", **policy
            )
            self.output_layer.build((None, None, dim))

    def extract_interests(self, features, training=False):
        """Returns interests (B, K, d) and couplings (B, K, m)."""
        history = newest_first(ops.convert_to_tensor(features["history"]))
        valid_mask = valid_positions(history)
        active_mask = self._active(valid_mask)
        interests, coupling = self.routing(
            self.projection(self.embed_history(history, training)),
            valid_mask=valid_mask,
            logits=self._first_logits(history, training),
            active_mask=active_mask,
            weights=self._recency_weights(valid_mask),
            return_coupling=True,
        )
        coupling = reverse_valid(coupling, valid_mask)  # oldest first again
        if self.output_layer is not None:
            interests = self.output_layer(interests)
        if active_mask is not None:
            interests = ops.where(
                active_mask[:, :, None], interests, interests[:, :1]
            )
            coupling = ops.where(
                active_mask[:, :, None], coupling, coupling[:, :1]
            )
        return interests, coupling

    def _recency_weights(self, valid_mask):
        """Returns what items count by their age, (B, K, m), or `None`."""
        logits = self.recency_logits(valid_mask, newest_first=True)
        return None if logits is None else ops.exp(logits)

    def _active(self, valid_mask):
        """Returns which of the K interests each row has, (B, K)."""
        if not self.dynamic_interests:
            return None
        # Interest k exists from 2^k items on, the first one always.
        needed = [0] + [2**k for k in range(2, self.num_interests + 1)]
        lengths = history_length(valid_mask)
        return ops.greater_equal(lengths[:, None], ops.array(needed, "int32"))

    def _first_logits(self, history, training):
        """Returns noise (B, K, m), or (K, m) from the table."""
        length = ops.shape(history)[1]
        if training and not self.fixed_noise:
            return keras.random.truncated_normal(
                (ops.shape(history)[0], self.num_interests, length),
                dtype="float32",
                seed=self.seed_generator,
            )
        columns = ops.minimum(ops.arange(length), self.max_length - 1)
        return ops.take(self.noise, columns, axis=1)

    def get_config(self):
        return {
            **super().get_config(),
            "routing_iterations": self.routing_iterations,
            "relu_layer": self.relu_layer,
            "dynamic_interests": self.dynamic_interests,
            "fixed_noise": self.fixed_noise,
            "seed": self.seed,
            "label_aware_power": self.label_aware_power,
            "recency_prior": self.recency_prior,
        }
