"""MGNM: many interests at many granularities."""

import inspect

from keras import ops

from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.mgnm_layers import WITHOUT_ATTENTION
from mgnm_tf.models.mgnm_layers import check_options
from mgnm_tf.models.mgnm_layers import create_layers
from mgnm_tf.models.mgnm_penalties import candidate_penalty
from mgnm_tf.models.mgnm_penalties import penalties
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import check_history_length
from mgnm_tf.utils.masking import normalize_rows
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.target_interest import distillation_loss
from mgnm_tf.utils.target_interest import interest_shares
from mgnm_tf.utils.target_interest import mix_interests


@register
class MGNM(SequentialRecommender):
    """Multi-grained neural model for sequential recommendation.

    A user-aware graph over the history spreads the items over L layers; on
    each of the levels 0 to L a capsule network with a sequence encoder reads
    off K interests; a candidate is scored by attention over the interests of
    a level and takes the best level:

    ```
    A = UserAwareAdjacency(x, u)                        (equation 1)
    H^0 .. H^L = GraphPropagation(x, A)                 (2 to 4)
    q^l_1 .. q^l_K = SequentialCapsule(H^l)             (5 to 11)
    y^l = InterestAttention(q^l, x_t)                   (12 to 14)
    y = max_l y^l                                       (15)
    ```

    The loss of a positive (equations 16 and 17) is the loss of every level,
    summed, `+ adjacency_l1 * sum_ij A_ij + l2 * |parameters|^2 / batch`. The
    last two are added here, whatever loss the model is compiled with. The
    division keeps the paper's balance: its loss is a sum over the batch, that
    of Keras a mean.

    With a `distillation_temperature` T no candidate asks the interests. As in
    TiMiRec, a recurrent network predicts from the history which of all
    (L + 1) K interests is wanted now, and their mixture scores:

    ```
    z = InterestPredictor(history),    y = sum_lk softmax(z)_lk q^l_k . x_t
    ```

    Training adds `distillation_loss`, which teaches z how near each interest
    is to the positive; `level_pooling` and `level_supervision` decide
    nothing. A first stage gives the weights of all other layers.

    Args:
        num_users: number of known users; user 0 is "unknown".
        num_items: number of items; item 0 is padding.
        embedding_dim: width d. Defaults to `16`.
        num_interests: interests K of a level. Defaults to `4`.
        num_layers: graph layers L; there are L + 1 levels, and 0 means no
            graph. Defaults to `3`.
        max_length: longest history accepted. Defaults to `100`.
        user_aware: whether the user takes part in the graph. Defaults to
            `True`.
        adjacency_normalization: see `GraphPropagation`. Defaults to
            `"symmetric"`.
        graph_bias: whether the graph layers have a bias. Defaults to
            `False`.
        graph_weights: whether the graph layers learn, or only spread. Defaults
            to `True`.
        history_encoder: `"bilstm"`, `"gru"`, `"transformer"`, `"hstu"` or
            `None`: what is added to the items of a history before the graph,
            see `SequenceEncoder`; not in the paper. Defaults to `None`.
        dropout: share of the numbers of all levels that training sets to
            zero; with a `history_encoder`, of what it reads instead.
            Defaults to `0.0`.
        interest_extractor: `"capsule"`, or, one interest a level, `"bilstm"`
            (the states at the newest item; that of the backward direction has
            read this item alone), `"sum"` (the sum of the items), or
            `"self_attention"` (the candidate attends to the items
            themselves). Defaults to `"capsule"`.
        sequence_encoder: of the same kinds, or `None`; this and the next
            ten are those of `SequentialCapsule`. Defaults
            to `"bilstm"`.
        encoder_initializer: an initializer. Defaults to
            `"glorot_uniform"`.
        encoder_input: `"each"` or `"joint"`. Defaults to `"each"`.
        encoded_iterations: `"remaining"` or `"second"`. Defaults to
            `"remaining"`.
        routing_iterations: tau. Defaults to `3`.
        routing_softmax: `"items"` or `"interests"`. Defaults to `"items"`.
        routing_gradient: `"all"` or `"last"`. Defaults to `"all"`.
        routing_noise: see `SequentialCapsule`. Defaults to `1.0`.
        routing_prior: `"recency"` or `None`. Defaults to `None`.
        capsule_projection: `"shared"` or `"position"`. Defaults to
            `"shared"`.
        squash: whether capsules are squashed. Defaults to `True`.
        interest_activation: activation of the interests; `None` leaves the
            last projection out. Defaults to `"relu"`.
        projection_initializer: initializer of the capsule projections.
            Defaults to `"glorot_uniform"`.
        embeddings_initializer: initializer of both tables; a number is the
            standard deviation of a normal draw. Defaults to `0.1`.
        temperature: `None` scores by inner products; a number by cosines
            divided by it, see `InterestScale`. Defaults to `None`.
        interest_bias: whether one learned vector is added to all interests,
            see `InterestScale`. Defaults to `False`.
        level_pooling: `"max"`, `"sum"`, `"mean"` or `"last"`. Defaults to
            `"max"`.
        level_supervision: whether the loss sees every level (equation 16)
            or the pooled score alone. Defaults to `True`.
        adjacency_l1: theta_1. Defaults to `1e-06`.
        l2: theta_2. Defaults to `1e-05`.
        l2_scope: `"batch"` regularises the embedding rows that the batch
            reads, each time, so that updates stay sparse; `"all"` the whole
            tables, as the letter of the paper. Defaults to `"batch"`.
        user_dropout: share of users that training turns into user 0. With 0,
            user 0 is the mean of the known users. Defaults to `0.0`.
        seed: seed of tables and noise. Defaults to `None`.
        distillation_temperature: `None`, or the temperature T of a target
            interest that is predicted, see below. Defaults to `None`.
        adjacency_scale: `None`, or the first value of a learned factor in
            equation 1, see `UserAwareAdjacency`; not in the paper. Defaults
            to `None`.
        adjacency_offset: first value of the learned offset beside it.
            Defaults to `0.0`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `user` and `history` are read.
        training: bool.

    Returns:
        Scores (batch, C); (batch, L + 1, C) with `training=True` and
        `level_supervision`.

    Raises:
        ValueError: an option is unknown or out of range, a history is
            longer than `max_length`, or a target interest is to be predicted
            of one interest, or of `interest_extractor="self_attention"`.

    Masking: padding (item 0) changes nothing; an empty history scores 0
    without `interest_bias`.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf import MGNM
    >>> model = MGNM(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Tian et al., "When Multi-Level Meets Multi-Interest: A
    Multi-Grained Neural Model for Sequential Recommendation", SIGIR 2022,
    https://doi.org/10.1145/3477495.3532081.

    Differences: the paper leaves open the initial tables (normal, 0.1, here)
    and unknown users (see `user_dropout`). "The last hidden state" of its
    BiLSTM for capsules is read at the newest item in both directions.
    Differences of single equations stand at the layers. The recipe
    `mgnm:released` has the choices in which the published code (WHUIR/MGNM)
    departs from the paper. The target interest is that of TiMiRec (CIKM 2022),
    whose interests have no levels.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        num_interests: int = 4,
        num_layers: int = 3,
        max_length: int = 100,
        user_aware: bool = True,
        adjacency_normalization: str = "symmetric",
        graph_bias: bool = False,
        graph_weights: bool = True,
        history_encoder: str | None = None,
        dropout: float = 0.0,
        interest_extractor: str = "capsule",
        sequence_encoder: str | None = "bilstm",
        encoder_initializer: str = "glorot_uniform",
        encoder_input: str = "each",
        encoded_iterations: str = "remaining",
        routing_iterations: int = 3,
        routing_softmax: str = "items",
        routing_gradient: str = "all",
        routing_noise: float = 1.0,
        routing_prior: str | None = None,
        capsule_projection: str = "shared",
        squash: bool = True,
        interest_activation: str | None = "relu",
        projection_initializer: str = "glorot_uniform",
        embeddings_initializer: float | str = 0.1,
        temperature: float | None = None,
        interest_bias: bool = False,
        level_pooling: str = "max",
        level_supervision: bool = True,
        adjacency_l1: float = 1e-6,
        l2: float = 1e-5,
        l2_scope: str = "batch",
        user_dropout: float = 0.0,
        seed: int | None = None,
        distillation_temperature: float | None = None,
        adjacency_scale: float | None = None,
        adjacency_offset: float = 0.0,
        **kwargs,
    ):
        super().__init__(num_users, num_items, **kwargs)
        self.embedding_dim = embedding_dim
        self.num_interests = num_interests
        self.num_layers = num_layers
        self.max_length = max_length
        self.user_aware = user_aware
        self.adjacency_normalization = adjacency_normalization
        self.graph_bias = graph_bias
        self.graph_weights = graph_weights
        self.history_encoder = history_encoder
        self.dropout = dropout
        self.interest_extractor = interest_extractor
        self.sequence_encoder = sequence_encoder
        self.encoder_initializer = encoder_initializer
        self.encoder_input = encoder_input
        self.encoded_iterations = encoded_iterations
        self.routing_iterations = routing_iterations
        self.routing_softmax = routing_softmax
        self.routing_gradient = routing_gradient
        self.routing_noise = routing_noise
        self.routing_prior = routing_prior
        self.capsule_projection = capsule_projection
        self.squash = squash
        self.interest_activation = interest_activation
        self.projection_initializer = projection_initializer
        self.embeddings_initializer = embeddings_initializer
        self.temperature = temperature
        self.interest_bias = interest_bias
        self.level_pooling = level_pooling
        self.level_supervision = level_supervision
        self.adjacency_l1 = adjacency_l1
        self.l2 = l2
        self.l2_scope = l2_scope
        self.user_dropout = user_dropout
        self.seed = seed
        self.distillation_temperature = distillation_temperature
        self.adjacency_scale = adjacency_scale
        self.adjacency_offset = adjacency_offset
        check_options(self)
        create_layers(self)
        self.built = True

    @property
    def capabilities(self):
        capabilities = super().capabilities
        if self.interest_extractor in WITHOUT_ATTENTION:
            capabilities -= {"attention"}
        if self.predictor is None:
            return capabilities - {"interest_distribution"}
        return capabilities - {"levels"}

    @classmethod
    def options_of_first_stage(cls, options):
        own = "distillation_temperature"
        given = tuple(name for name in options if name != own)
        return () if options.get(own) is None else given

    def encode(self, features, training=False):
        """Returns `interests` (B, L + 1, K, d) and `valid` (B, K).

        `valid` says which interests exist; it is all true but for
        `interest_extractor="self_attention"`, where K is the history length.
        With a predicted target interest `interests` is their mixture (B, 1,
        1, d), beside `mixed` (B, (L + 1) K, d), the interests, and `logits`
        (B, (L + 1) K).
        """
        interests, _, exist = self._extract(features, training)
        interests = self.scale(interests)
        if self.predictor is None:
            return {"interests": interests, "valid": exist}
        mixed = self._in_a_row(interests)
        logits = self.predictor(features["history"], training=training)
        user = ops.expand_dims(mix_interests(logits, mixed), 1)
        return {"interests": user, "mixed": mixed, "logits": logits}

    def _extract(self, features, training=False):
        """Returns what the `InterestExtractor` says of the histories."""
        history = ops.convert_to_tensor(features["history"])
        check_history_length(history, self.max_length)
        valid_mask = valid_positions(history)
        items = states = self.item_embedding(history)
        if self.encoder is not None:
            states = self.history_dropout(items, training=training)
            states = states + self.encoder(states, valid_mask=valid_mask)
        users = None
        if self.user_embedding is not None:
            users = ops.convert_to_tensor(features["user"])
            users = self.user_embedding(users, training=training)
        levels = ops.expand_dims(states, 1)
        adjacency = None
        if self.num_layers:
            adjacency = self.adjacency(states, users, valid_mask=valid_mask)
            levels = self.propagation(states, adjacency, valid_mask=valid_mask)
        if training:
            for loss in penalties(self, history, items, users, adjacency):
                self.add_loss(loss)
        if self.encoder is None:
            levels = self.history_dropout(levels, training=training)
        return self.extractor(levels, valid_mask, training=training)

    def guide(self, encoded, positive):
        """Adds the loss of the distillation, if any; changes nothing."""
        if self.distillation_temperature is not None:
            loss = distillation_loss(
                encoded["logits"],
                encoded["mixed"],
                self.item_embedding(positive, training=True),
                self.distillation_temperature,
            )
            self.add_loss(loss)
        return encoded

    def score(self, encoded, candidates, training=False):
        ids = ops.convert_to_tensor(candidates)
        candidates = self.item_embedding(ids, training=training)
        if training and self.l2 and self.l2_scope == "batch":
            interests = encoded["interests"]
            self.add_loss(candidate_penalty(self, interests, candidates))
        scores = self._attend(encoded, candidates)
        if training and self.level_supervision:
            return scores
        return self.pool_levels(scores)

    def score_vectors(self, encoded, vectors):
        return self.pool_levels(self._attend(encoded, vectors))

    @property
    def scores_within_products(self):
        return self.level_pooling != "sum"

    def pool_levels(self, scores):
        return self.pooling(scores)

    def interests(self, features):
        """Returns the (B, (L + 1) * K, d) interests, level by level.

        With a predicted target interest, their mixture (B, 1, d).
        """
        return self._in_a_row(self.encode(features)["interests"])

    def interest_distribution(self, features):
        if self.predictor is None:
            return super().interest_distribution(features)
        return interest_shares(self.predictor(features["history"]))

    def mixed_interests(self, features):
        if self.predictor is None:
            return super().mixed_interests(features)
        return self.encode(features)["mixed"]

    def history_attention(self, features):
        """Returns the last couplings as shares, (B, (L + 1) * K, m)."""
        if not self.extractor.gives_weights:
            return super().history_attention(features)
        _, weights, _ = self._extract(features)
        shape = (-1, len(self.interest_labels()), ops.shape(weights)[-1])
        return normalize_rows(ops.reshape(weights, shape))

    def interest_labels(self):
        count = self.extractor.interests_per_level
        if count is None:
            return super().interest_labels()
        levels, numbers = range(self.num_layers + 1), range(1, count + 1)
        return [(level, number) for level in levels for number in numbers]

    def item_vectors(self):
        return self.item_embedding.vectors()

    def _in_a_row(self, interests):
        """Returns (B, levels, K, d) interests as (B, levels * K, d)."""
        count = interests.shape[1] * ops.shape(interests)[2]
        return ops.reshape(interests, (-1, count, self.embedding_dim))

    def _attend(self, encoded, vectors):
        all_exist = self.extractor.interests_per_level is not None
        mask = None if all_exist else encoded["valid"]
        return self.attention(encoded["interests"], vectors, valid_mask=mask)

    def get_config(self):
        names = list(inspect.signature(MGNM).parameters)[:-1]
        config = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **config}
