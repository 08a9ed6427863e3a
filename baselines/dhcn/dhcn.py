"""DHCN: sessions as hyperedges, and a second view of each session."""

import keras
from keras import ops

from baselines.dhcn.hypergraph_convolution import HypergraphConvolution
from baselines.dhcn.line_graph import average_along
from baselines.dhcn.line_graph import overlaps
from mgnm_tf.layers.embedding.row_embedding import RowEmbedding
from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.types import Tensor
from mgnm_tf.utils.initializers import uniform_of_width
from mgnm_tf.utils.inner_products import inner_products
from mgnm_tf.utils.masking import TINY
from mgnm_tf.utils.masking import check_history_length
from mgnm_tf.utils.masking import places_from_newest
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class DHCN(SingleVectorRecommender):
    """Scores an item by vectors averaged along the training sessions.

    With E the item table, P the hypergraph of the training histories and t
    the places of a session, t = 0 the newest,

    ```
    X = mean of E, P E, ..., P^L E                         (equations 2, 3)
    y_t = tanh(W_1 [r_t ; x_t] + b_1)                      (equation 4)
    a_t = w_2 . sigmoid(G_1 y_t + b_2 + G_2 mean(x))       (equation 5)
    s = sum of a_t x_t,   score(j) = s . X_j               (equations 5, 6)
    ```

    In training, each session p of the batch has a second vector z: the mean
    of its items' rows of E, averaged `num_layers` times over the sessions
    that share items with it (the line graph, equations 8 and 9), and the loss
    gets `ssl_weight` times

    ```
    sum over p of -log sigmoid(s_p . z_p) - log(1 - sigmoid(s'_p . z_p))
    ```

    (equation 10), where s' has the rows and the columns of s in a random
    order. It is a sum over the batch, the cross-entropy is a mean.

    P E costs as much as all items' softmax, so inference reads X from the
    weight `propagated`. `fit` and `train_on_batch` keep it up to date; who
    sets weights by hand calls `refresh`.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        num_entries: entries of the hypergraph's matrix; `from_data` knows
            them. Defaults to `0`.
        embedding_dim: width d. Defaults to `100`.
        num_layers: L, of both graphs. Defaults to `3`.
        ssl_weight: weight of the second view. Defaults to `0.01`.
        max_length: longest history. Defaults to `200`.
        use_positions: whether y has places; otherwise it is `tanh(x)`, as in
            the published code for Tmall. Defaults to `True`.
        detach_line: whether z is a constant for the gradient, as in the
            published code. Defaults to `False`.
        seed: seed of the random orders. Defaults to `None`.
        **kwargs: arguments of `SingleVectorRecommender`, such as
            `temperature`, and of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether X is computed, and the second view counts.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding changes nothing; after an empty history s is zero.

    Parameters: `(M + 1) d + max_length d + 4 d^2 + 3 d`, and as constants P
    and X.

    Raises:
        ValueError: a size is out of its range, or a history is longer than
            `max_length`.

    Example:

    >>> import numpy as np
    >>> from baselines.dhcn.dhcn import DHCN
    >>> model = DHCN(num_users=10, num_items=50, embedding_dim=8)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Xia et al., "Self-supervised hypergraph convolutional networks
    for session-based recommendation", AAAI 2021,
    https://arxiv.org/abs/2012.06852; code
    https://github.com/xiaxin1998/DHCN.

    Differences: the published code cuts the gradient of the second view, the
    paper and this class do not; its last batch repeats samples of the one
    before; its logarithms have 1e-8 added; its table of places has 200 rows.
    It drops entries of P below 0.05 for Nowplaying; here none is dropped. The
    line graph of a batch serves the loss alone, so that a score does not
    depend on the batch.
    """

    required_tables = ("session_hypergraph",)
    options_of_the_data = ("num_entries",)

    def __init__(
        self,
        num_users: int,
        num_items: int,
        num_entries: int = 0,
        embedding_dim: int = 100,
        num_layers: int = 3,
        ssl_weight: float = 0.01,
        max_length: int = 200,
        use_positions: bool = True,
        detach_line: bool = False,
        seed: int | None = None,
        **kwargs,
    ):
        check_positive_int(embedding_dim, "embedding_dim")
        check_range(ssl_weight, "ssl_weight")
        check_positive_int(max_length, "max_length")
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            embeddings_initializer=uniform_of_width(embedding_dim),
            **kwargs,
        )
        # XLA has no sparse products.
        self.supports_jit = keras.backend.backend() != "tensorflow"
        self.num_entries = num_entries
        self.num_layers = num_layers
        self.ssl_weight = ssl_weight
        self.max_length = max_length
        self.use_positions = use_positions
        self.detach_line = detach_line
        self.seed = seed
        self._create_layers()
        self._of_this_step = None
        self.built = True
        self.refresh()

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim = self.embedding_dim
        self.convolution = HypergraphConvolution(
            self.num_items,
            self.num_entries,
            self.num_layers,
            name="convolution",
            **policy,
        )
        self.propagated = self.add_weight(
            name="propagated",
            shape=(self.num_items + 1, dim),
            dtype="float32",
            initializer="zeros",
            trainable=False,
            autocast=False,
        )
        self.position_embedding = None
        if self.use_positions:
            self.position_embedding = RowEmbedding(
                self.max_length,
                dim,
                embeddings_initializer=uniform_of_width(dim),
                name="position_embedding",
                **policy,
            )
            self.position_embedding.build()
            self.place = self._dense("place", 2 * dim, dim)
        self.key = self._dense("key", dim, dim)
        self.context = self._dense("context", dim, dim, use_bias=False)
        self.weight = self._dense("weight", dim, 1, use_bias=False)
        self.orders = keras.random.SeedGenerator(self.seed)

    def _dense(self, name, inputs, units, use_bias=True):
        layer = keras.layers.Dense(
            units,
            use_bias=use_bias,
            kernel_initializer=uniform_of_width(self.embedding_dim),
            bias_initializer=uniform_of_width(self.embedding_dim),
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build((None, inputs))
        return layer

    # === The hypergraph ===

    @classmethod
    def data_arguments(cls, data):
        return {
            **super().data_arguments(data),
            "num_entries": len(data.session_hypergraph["rows"]),
        }

    def load_tables(self, tables):
        """Takes `session_hypergraph`, see `mgnm_tf.make_tables`.

        Raises:
            ValueError: it is missing or not of the size of the model.
        """
        if "session_hypergraph" not in tables:
            raise ValueError(
                "DHCN reads the table 'session_hypergraph'. Received: "
                f"{', '.join(map(repr, tables)) or 'none'}"
            )
        self.convolution.assign(tables["session_hypergraph"])
        self.refresh()

    def has_tables(self):
        values = self.convolution.values
        return self.num_entries == 0 or float(values[0]) > 0

    def propagate(self) -> Tensor:
        """Computes X from the weights as they are, (M + 1, d) float32."""
        return self.convolution(self.item_embedding.vectors())

    def refresh(self) -> None:
        """Brings `propagated`, which inference reads, up to date."""
        self.propagated.assign(self.propagate())

    def fit(self, x=None, *args, callbacks=None, **kwargs):
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.append(_Refresh())
        else:
            # Before those that evaluate or save the model.
            callbacks = [_Refresh(), *_as_list(callbacks)]
        return super().fit(x, *args, callbacks=callbacks, **kwargs)

    def train_on_batch(self, x, *args, **kwargs):
        logs = super().train_on_batch(x, *args, **kwargs)
        self.refresh()
        return logs

    # === Scores ===

    def call(self, features, training=False):
        if not training:
            return super().call(features, training=False)
        # Sessions and candidates of a step share one product with P.
        self._of_this_step = self._as_scored(self.propagate())
        try:
            return super().call(features, training=True)
        finally:
            self._of_this_step = None

    def item_vectors(self):
        return self._vectors()

    def scored_vectors(self, training=False):
        vectors = self._vectors(training)
        return self.candidate_dropout(vectors, training=training)

    def _vectors(self, training=False):
        """Returns X, which histories read and scores are made of."""
        if training and self._of_this_step is not None:
            return self._of_this_step
        if training:
            return self._as_scored(self.propagate())
        return self._as_scored(ops.convert_to_tensor(self.propagated))

    def _as_scored(self, vectors):
        if self.temperature is not None:
            lengths = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
            vectors = vectors * ops.rsqrt(ops.maximum(lengths, TINY))
        return ops.cast(vectors, self.compute_dtype)

    def score(self, encoded, candidates, training=False):
        candidates = ops.convert_to_tensor(candidates)
        vectors = ops.take(self._vectors(training), candidates, axis=0)
        vectors = zero_invalid(vectors, valid_positions(candidates))
        vectors = self.candidate_dropout(vectors, training=training)
        return inner_products(encoded, vectors)

    def user_vector(self, features, training=False):
        history = ops.convert_to_tensor(features["history"])
        check_history_length(history, self.max_length)
        valid_mask = valid_positions(history)
        count = ops.sum(ops.cast(valid_mask, "float32"), axis=1, keepdims=True)
        count = ops.maximum(count, 1.0)
        items = ops.take(self._vectors(training), history, axis=0)
        items = zero_invalid(items, valid_mask)
        mean = ops.sum(items, axis=1) / ops.cast(count, items.dtype)
        states = items
        if self.use_positions:
            places = ops.maximum(places_from_newest(valid_mask), 0)
            places = ops.minimum(places, self.max_length - 1)
            states = self.place(
                ops.concatenate(
                    [self.position_embedding(places), items], axis=-1
                )
            )
        asked = ops.expand_dims(self.context(mean), 1)
        gate = ops.sigmoid(self.key(ops.tanh(states)) + asked)
        session = ops.sum(
            zero_invalid(self.weight(gate), valid_mask) * items, axis=1
        )
        if training and self.ssl_weight:
            rows = zero_invalid(self.item_embedding(history), valid_mask)
            line = ops.sum(ops.cast(rows, "float32"), axis=1) / count
            self.add_loss(self._second_view(history, session, line))
        return session

    def _second_view(self, history, sessions, line):
        """Returns the weighted loss of the second view, a number."""
        line = average_along(overlaps(history), line, self.num_layers)
        if self.detach_line:
            line = ops.stop_gradient(line)
        sessions = ops.cast(sessions, "float32")
        rows = ops.arange(ops.shape(sessions)[0], dtype="int32")
        columns = ops.arange(self.embedding_dim, dtype="int32")
        mixed = ops.take(
            sessions, keras.random.shuffle(rows, seed=self.orders), axis=0
        )
        mixed = ops.take(
            mixed, keras.random.shuffle(columns, seed=self.orders), axis=1
        )
        agreed = ops.log_sigmoid(ops.sum(sessions * line, axis=1))
        refused = ops.log_sigmoid(-ops.sum(mixed * line, axis=1))
        return -self.ssl_weight * ops.sum(agreed + refused)

    def get_config(self):
        return {
            **super().get_config(),
            "num_entries": self.num_entries,
            "num_layers": self.num_layers,
            "ssl_weight": self.ssl_weight,
            "max_length": self.max_length,
            "use_positions": self.use_positions,
            "detach_line": self.detach_line,
            "seed": self.seed,
        }


class _Refresh(keras.callbacks.Callback):
    """Lets what follows an epoch see the vectors of its last weights."""

    def on_test_begin(self, logs=None):
        self.model.refresh()

    def on_epoch_end(self, epoch, logs=None):
        self.model.refresh()


def _as_list(callbacks):
    if callbacks is None:
        return []
    return callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
