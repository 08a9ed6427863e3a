"""Caser: convolutions over the last items of the history."""

import keras
from keras import ops

from mgnm_tf.layers.embedding.item_embedding import ItemEmbedding
from mgnm_tf.layers.embedding.user_embedding import UserEmbedding
from mgnm_tf.layers.scoring.interest_scale import InterestScale
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.inner_products import inner_products
from mgnm_tf.utils.masking import history_length
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

FORMER_VARIANT = (
    "the network that DeepRec calls Caser is the model `deeprec_caser`, "
    "baselines.deeprec_caser.DeepRecCaser."
)
"""Where the option `variant` went."""


@register
class Caser(SequentialRecommender):
    """Reads the last L items as an image with one row for each item.

    ```
    X = [x_(n-L+1); ...; x_n]                 zero rows before the first item
    v = [X^T w_f + b_f]_f                     vertical, d values each
    h = [max over time of relu(conv_(g,f)(X))]_(g,f)    heights g = 1 to L
    z = relu(W dropout([v ; h]) + b)
    score(j) = [z ; p_u] . y_j + c_j          p: user, y and c: table, bias
    ```

    Vertical filters weigh the L positions alike in every column; horizontal
    filters see g items together. Without tables there are
    `n_v (L + 1) + n_h d L (L + 1) / 2 + n_h L + d (n_v d + n_h L) + d`
    parameters.

    Args:
        num_users: number of known users; for user 0 see `UserEmbedding`.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the vectors. Defaults to `16`.
        window: L, the number of items read. Defaults to `5`.
        num_vertical: vertical filters n_v. Defaults to `4`.
        num_horizontal: horizontal filters n_h of each height. Defaults to
            `16`.
        dropout: share of `[v ; h]` that training sets to zero. Defaults to
            `0.5`.
        tied: whether candidates use the item table of the history, scored by
            `relu(W' [z ; p_u] + b') . x_j`. Defaults to `False`.
        use_user: whether there is a user vector. Defaults to `True`.
        temperature: see `GRU4Rec`. Defaults to `None`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `user` and `history` are read.
        training: whether dropout acts.

    Returns:
        Scores (batch, C); padding scores 0.

    Raises:
        ValueError: an option is out of range, or `temperature` is asked for
            without `tied`.

    Masking: padding changes nothing. At most L items are read; zero rows
    before the oldest fill up.

    Example:

    >>> import numpy as np
    >>> from baselines.caser import Caser
    >>> model = Caser(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Tang and Wang, "Personalized top-N sequential recommendation
    via convolutional sequence embedding", WSDM 2018, equations 3 to 10,
    https://doi.org/10.1145/3159652.3159656.

    Differences: the paper trains on T = 3 targets of each window, with all
    positives weighing as much as all negatives; here one target and the
    common objective. The order of v and h is that of the authors' PyTorch
    code, whose padding vector is trained and whose users are all known.
    `tied` follows RecBole. The network of this name in DeepRec is
    `DeepRecCaser`.
    """

    former_options = {"variant": FORMER_VARIANT}

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        window: int = 5,
        num_vertical: int = 4,
        num_horizontal: int = 16,
        dropout: float = 0.5,
        tied: bool = False,
        use_user: bool = True,
        temperature: float | None = None,
        **kwargs,
    ):
        check_positive_int(embedding_dim, "embedding_dim")
        check_positive_int(window, "window")
        check_positive_int(num_vertical, "num_vertical")
        check_positive_int(num_horizontal, "num_horizontal")
        check_range(dropout, "dropout", 0.0, 1.0)
        if temperature is not None and not tied:
            raise ValueError(
                "`temperature` needs `tied`: a bias has no cosine."
            )
        super().__init__(num_users, num_items, **kwargs)
        self.embedding_dim = embedding_dim
        self.window = window
        self.num_vertical = num_vertical
        self.num_horizontal = num_horizontal
        self.dropout = dropout
        self.tied = tied
        self.use_user = use_user
        self.temperature = temperature
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim, length = self.embedding_dim, self.window
        self.item_embedding = self.make_item_embedding(
            dim,
            embeddings_initializer=_normal(1 / dim),
            unit_norm=self.temperature is not None,
        )
        self.scale = InterestScale(self.temperature, name="scale", **policy)
        self.vertical = keras.layers.Dense(
            self.num_vertical, name="vertical", **_uniform(length), **policy
        )
        self.vertical.build((None, dim, length))
        self.horizontal = [
            keras.layers.Conv1D(
                self.num_horizontal,
                height,
                activation="relu",
                name=f"horizontal_{height}",
                **_uniform(height * dim),
                **policy,
            )
            for height in range(1, length + 1)
        ]
        for layer in self.horizontal:
            layer.build((None, length, dim))
        width = self.num_vertical * dim + self.num_horizontal * length
        self.filter_dropout = keras.layers.Dropout(
            self.dropout, name="filter_dropout", **policy
        )
        self.hidden = keras.layers.Dense(
            dim, activation="relu", name="hidden", **_uniform(width), **policy
        )
        self.hidden.build((None, width))
        width = dim
        self.user_embedding = None
        if self.use_user:
            width = 2 * dim
            self.user_embedding = UserEmbedding(
                self.num_users,
                dim,
                embeddings_initializer=_normal(1 / dim),
                name="user_embedding",
                **policy,
            )
        self.projection = None
        if not self.tied:
            self.output_embedding = ItemEmbedding(
                self.num_items,
                width,
                embeddings_initializer=_normal(1 / width),
                name="output_embedding",
                **policy,
            )
            self.output_bias = ItemEmbedding(
                self.num_items,
                1,
                embeddings_initializer="zeros",
                name="output_bias",
                **policy,
            )
        elif self.use_user:
            self.projection = keras.layers.Dense(
                dim, activation="relu", name="projection", **policy
            )
            self.projection.build((None, width))

    def encode(self, features, training=False):
        """Returns the vectors of the users.

        Their width is d if `tied`, else 2 d + 1 or, without `use_user`,
        d + 1, where the last entry is 1 and meets the bias of an item.
        """
        history = ops.convert_to_tensor(features["history"])
        filters = self._filters(self._last_items(history))
        vector = self.hidden(self.filter_dropout(filters, training=training))
        if self.use_user:
            users = ops.convert_to_tensor(features["user"])
            user = self.user_embedding(users, training=training)
            vector = ops.concatenate([vector, user], axis=-1)
        if self.projection is not None:
            vector = self.projection(vector)
        if self.tied:
            return self.scale(vector)
        return ops.concatenate([vector, ops.ones_like(vector[:, :1])], axis=-1)

    def _last_items(self, history):
        """Returns the vectors (B, L, d) of the newest items.

        Zero rows stand before the first item.
        """
        length = self.window
        start = history_length(valid_positions(history)) - length
        positions = start[:, None] + ops.arange(length, dtype="int32")
        last = ops.shape(history)[1] - 1
        inside = ops.logical_and(positions >= 0, positions <= last)
        items = ops.take_along_axis(
            history, ops.clip(positions, 0, last), axis=1
        )
        return self.item_embedding(ops.where(inside, items, 0))

    def _filters(self, image):
        """Returns all filters of `image` (B, L, d), one after another."""
        vertical = self.vertical(ops.transpose(image, (0, 2, 1)))
        size = self.embedding_dim * self.num_vertical
        vertical = ops.reshape(vertical, (-1, size))
        pooled = [ops.max(layer(image), axis=1) for layer in self.horizontal]
        return ops.concatenate([vertical, *pooled], axis=-1)

    def score(self, encoded, candidates, training=False):
        candidates = ops.convert_to_tensor(candidates)
        return inner_products(encoded, self._item_vectors(candidates, training))

    @property
    def scores_within_products(self):
        return True

    def score_vectors(self, encoded, vectors):
        return inner_products(encoded, vectors)

    def _item_vectors(self, items, training=False):
        """Returns the vectors of `items` that meet those of the users."""
        if self.tied:
            return self.item_embedding(items, training=training)
        return ops.concatenate(
            [self.output_embedding(items), self.output_bias(items)], axis=-1
        )

    def query_vectors(self, encoded):
        return encoded

    def interests(self, features):
        """Returns the (B, 1, w) user vectors; see `encode` for w."""
        return ops.expand_dims(self.encode(features), 1)

    def item_vectors(self):
        """Returns the (M + 1, w) vectors; see `encode` for w."""
        return self._item_vectors(ops.arange(self.num_items + 1))

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # Files of earlier versions have `variant`, `max_length`, and sizes
        # that stand for their defaults.
        config = dict(config)
        if config.pop("variant", "paper") != "paper":
            raise ValueError(
                "The file holds a Caser with variant='deeprec', which no "
                f"longer exists: {FORMER_VARIANT} Train that one anew."
            )
        config.pop("max_length", None)
        for size in ("window", "num_vertical", "num_horizontal"):
            if config.get(size, 0) is None:
                del config[size]
        return super().from_config(config, custom_objects)

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "window": self.window,
            "num_vertical": self.num_vertical,
            "num_horizontal": self.num_horizontal,
            "dropout": self.dropout,
            "tied": self.tied,
            "use_user": self.use_user,
            "temperature": self.temperature,
        }


def _normal(stddev):
    return keras.initializers.RandomNormal(stddev=stddev)


def _uniform(fan_in):
    """Initial weights and biases of PyTorch's layers."""
    limit = fan_in**-0.5
    return {
        f"{name}_initializer": keras.initializers.RandomUniform(-limit, limit)
        for name in ("kernel", "bias")
    }
