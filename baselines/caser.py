"""Caser: convolutions over the last items of the history."""

import keras
from keras import ops

from mgnm_tf.layers.embedding.item_embedding import ItemEmbedding
from mgnm_tf.layers.embedding.user_embedding import UserEmbedding
from mgnm_tf.layers.scoring.feed_forward import FeedForward
from mgnm_tf.layers.scoring.interest_scale import InterestScale
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.inner_products import inner_products
from mgnm_tf.utils.masking import history_length
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

SIZES = {"paper": (5, 4, 16), "deeprec": (3, 128, 128)}
"""Variant -> `window`, `num_vertical`, `num_horizontal` where not given."""


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
    filters see g items together. Without tables the variant `"paper"` has
    `n_v (L + 1) + n_h d L (L + 1) / 2 + n_h L + d (n_v d + n_h L) + d`
    parameters.

    Args:
        num_users: number of known users; for user 0 see `UserEmbedding`.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the vectors. Defaults to `16`.
        variant: `"paper"`, or `"deeprec"` for the network of that name in
            DeepRec, which is another model: the whole history instead of a
            window, vertical filters that are full (max_length, d) matrices
            with ReLU, no user, and a `FeedForward` of `[v ; h ; x_j]` as the
            score. Defaults to `"paper"`.
        window: L, the number of items read; in `"deeprec"` the largest
            height of a horizontal filter. `None` for 5, in `"deeprec"` 3.
            Defaults to `None`.
        num_vertical: vertical filters n_v. `None` for 4, in `"deeprec"` 128.
            Defaults to `None`.
        num_horizontal: horizontal filters n_h of each height. `None` for 16,
            in `"deeprec"` 128. Defaults to `None`.
        dropout: share of `[v ; h]` that training sets to zero; in
            `"deeprec"` of the hidden units of the score. Defaults to `0.5`.
        tied: whether candidates use the item table of the history, scored by
            `relu(W' [z ; p_u] + b') . x_j`; `"paper"` only. Defaults to
            `False`.
        use_user: whether there is a user vector; `"paper"` only. Defaults to
            `True`.
        temperature: see `GRU4Rec`. Defaults to `None`.
        max_length: items of the history that `"deeprec"` reads, the newest
            ones; not used by `"paper"`. Defaults to `100`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `user` and `history` are read.
        training: whether dropout acts.

    Returns:
        Scores (batch, C). In `"paper"` padding scores 0.

    Raises:
        ValueError: an option is unknown or out of range, `tied` is asked of
            `"deeprec"`, or `temperature` without `tied`.

    Masking: padding changes nothing. `"paper"` reads at most L items and
    fills up with zero rows before the oldest, `"deeprec"` with zero rows
    after the newest.

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
    `tied` follows RecBole. DeepRec convolves categories as well.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        variant: str = "paper",
        window: int | None = None,
        num_vertical: int | None = None,
        num_horizontal: int | None = None,
        dropout: float = 0.5,
        tied: bool = False,
        use_user: bool = True,
        temperature: float | None = None,
        max_length: int = 100,
        **kwargs,
    ):
        check_positive_int(embedding_dim, "embedding_dim")
        check_choice(variant, "variant", SIZES)
        sizes = {
            "window": window,
            "num_vertical": num_vertical,
            "num_horizontal": num_horizontal,
        }
        for name, size in sizes.items():
            if size is not None:
                check_positive_int(size, name)
        check_range(dropout, "dropout", 0.0, 1.0)
        check_positive_int(max_length, "max_length")
        if tied and variant == "deeprec":
            raise ValueError(
                "`tied` is an option of the variant 'paper'. Received: "
                "variant='deeprec', tied=True"
            )
        if temperature is not None and not tied:
            raise ValueError(
                "`temperature` needs `tied`: a bias has no cosine."
            )
        super().__init__(num_users, num_items, **kwargs)
        self.embedding_dim = embedding_dim
        self.variant = variant
        self.window = window
        self.num_vertical = num_vertical
        self.num_horizontal = num_horizontal
        self.dropout = dropout
        self.tied = tied
        self.use_user = use_user
        self.temperature = temperature
        self.max_length = max_length
        self.normalizes_scores = variant == "deeprec"
        self._sizes = tuple(
            default if size is None else size
            for size, default in zip(
                sizes.values(), SIZES[variant], strict=True
            )
        )
        if variant == "paper":
            self._create_paper_layers()
        else:
            self._create_deeprec_layers()
        self.built = True

    def _create_paper_layers(self):
        """Creates and builds the layers of the variant "paper"."""
        policy = {"dtype": self.dtype_policy}
        dim = self.embedding_dim
        length, num_vertical, num_horizontal = self._sizes
        self.item_embedding = ItemEmbedding(
            self.num_items,
            dim,
            embeddings_initializer=_normal(1 / dim),
            unit_norm=self.temperature is not None,
            name="item_embedding",
            **policy,
        )
        self.scale = InterestScale(self.temperature, name="scale", **policy)
        self.vertical = keras.layers.Dense(
            num_vertical, name="vertical", **_uniform(length), **policy
        )
        self.vertical.build((None, dim, length))
        self.horizontal = [
            keras.layers.Conv1D(
                num_horizontal,
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
        width = num_vertical * dim + num_horizontal * length
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

    def _create_deeprec_layers(self):
        """Creates and builds the layers of the variant "deeprec"."""
        policy = {"dtype": self.dtype_policy}
        dim, length = self.embedding_dim, self.max_length
        heights, num_vertical, num_horizontal = self._sizes
        if heights > length:
            raise ValueError(
                "`window` must be at most `max_length`. Received: "
                f"window={heights}, max_length={length}"
            )
        self.item_embedding = ItemEmbedding(
            self.num_items,
            dim,
            embeddings_initializer=keras.initializers.TruncatedNormal(
                stddev=0.01
            ),
            name="item_embedding",
            **policy,
        )
        self.vertical = keras.layers.Dense(
            num_vertical, activation="relu", name="vertical", **policy
        )
        self.vertical.build((None, length * dim))
        self.horizontal = [
            keras.layers.Conv1D(
                num_horizontal,
                height,
                activation="relu",
                name=f"horizontal_{height}",
                **policy,
            )
            for height in range(1, heights + 1)
        ]
        for layer in self.horizontal:
            layer.build((None, length, dim))
        width = num_vertical + num_horizontal * heights
        self.head = FeedForward(dropout=self.dropout, name="head", **policy)
        self.head.build([(None, None, width), (None, None, dim)])

    def encode(self, features, training=False):
        """Returns the vectors of the users.

        Their width is d if `tied`, else 2 d + 1 or, without `use_user`,
        d + 1, where the last entry is 1 and meets the bias of an item; in
        `"deeprec"` it is the number of all filters.
        """
        history = ops.convert_to_tensor(features["history"])
        if self.variant == "deeprec":
            image = self._last_items(history, self.max_length)
            return self._filters(image, image)
        image = self._last_items(history, self._sizes[0])
        filters = self._filters(image, ops.transpose(image, (0, 2, 1)))
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

    def _last_items(self, history, length):
        """Returns the vectors (B, length, d) of the newest items.

        "paper" puts zeros before the first item, "deeprec" after the last.
        """
        start = history_length(valid_positions(history)) - length
        if self.variant == "deeprec":
            start = ops.maximum(start, 0)
        positions = start[:, None] + ops.arange(length, dtype="int32")
        last = ops.shape(history)[1] - 1
        inside = ops.logical_and(positions >= 0, positions <= last)
        items = ops.take_along_axis(
            history, ops.clip(positions, 0, last), axis=1
        )
        return self.item_embedding(ops.where(inside, items, 0))

    def _filters(self, image, columns):
        """Returns all filters of `image` (B, length, d), one after another.

        The vertical ones act on the last axis of `columns`, flattened before
        in "deeprec", where one filter sees the whole image.
        """
        size = image.shape[1] * image.shape[2]
        if self.variant == "deeprec":
            vertical = self.vertical(ops.reshape(columns, (-1, size)))
        else:
            vertical = self.vertical(columns)
            size = self.embedding_dim * vertical.shape[-1]
            vertical = ops.reshape(vertical, (-1, size))
        pooled = [ops.max(layer(image), axis=1) for layer in self.horizontal]
        return ops.concatenate([vertical, *pooled], axis=-1)

    def score(self, encoded, candidates, training=False):
        candidates = ops.convert_to_tensor(candidates)
        if self.variant == "deeprec":
            items = self.item_embedding(candidates, training=training)
            if len(candidates.shape) == 1:
                items = ops.expand_dims(items, 0)
            return self.head(
                [ops.expand_dims(encoded, 1), items], training=training
            )
        vectors = self._item_vectors(candidates, training)
        return inner_products(encoded, vectors)

    def score_vectors(self, encoded, vectors):
        if self.variant == "deeprec":
            return super().score_vectors(encoded, vectors)
        return inner_products(encoded, vectors)

    def _item_vectors(self, items, training=False):
        """Returns the vectors of `items` that meet those of the users."""
        if self.tied:
            return self.item_embedding(items, training=training)
        return ops.concatenate(
            [self.output_embedding(items), self.output_bias(items)], axis=-1
        )

    def interests(self, features):
        """Returns the (B, 1, w) user vectors; see `encode` for w."""
        if self.variant == "deeprec":
            return super().interests(features)
        return ops.expand_dims(self.encode(features), 1)

    def item_vectors(self):
        """Returns the (M + 1, w) vectors; see `encode` for w."""
        if self.variant == "deeprec":
            return super().item_vectors()
        return self._item_vectors(ops.arange(self.num_items + 1))

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "variant": self.variant,
            "window": self.window,
            "num_vertical": self.num_vertical,
            "num_horizontal": self.num_horizontal,
            "dropout": self.dropout,
            "tied": self.tied,
            "use_user": self.use_user,
            "temperature": self.temperature,
            "max_length": self.max_length,
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
