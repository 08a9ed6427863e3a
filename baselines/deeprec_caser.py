"""The network that DeepRec calls Caser."""

import keras
from keras import ops

from mgnm_tf.layers.scoring.feed_forward import FeedForward
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import history_length
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class DeepRecCaser(SequentialRecommender):
    """Scores candidates by a network of convolutions over the history.

    Another model than `Caser`, from which it has its name:

    ```
    X = [x_1; ...; x_T]                       zero rows after the last item
    v = relu(sum over X of X * W_f + b_f)_f   vertical: full (T, d) matrices
    h = [max over time of relu(conv_(g,f)(X))]_(g,f)    heights g = 1 to G
    score(j) = FeedForward([v ; h ; x_j])
    ```

    Args:
        num_users: number of known users; they are not told apart.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the vectors. Defaults to `16`.
        window: G, the largest height of a horizontal filter. Defaults to
            `3`.
        num_vertical: vertical filters. Defaults to `128`.
        num_horizontal: horizontal filters of each height. Defaults to `128`.
        dropout: share of the hidden units of the score that training sets to
            zero. Defaults to `0.5`.
        max_length: T, the items of the history that are read, the newest
            ones. Defaults to `100`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether dropout acts and statistics are those of the batch.

    Returns:
        Scores (batch, C).

    Raises:
        ValueError: an option is out of range, or `window` is more than
            `max_length`.

    Masking: padding changes nothing; zero rows after the newest item fill
    up.

    Example:

    >>> import numpy as np
    >>> from baselines.deeprec_caser import DeepRecCaser
    >>> model = DeepRecCaser(num_users=10, num_items=50, max_length=20)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Caser in the DeepRec models of microsoft/recommenders; the
    paper behind the name is that of `Caser`.

    Differences: DeepRec convolves categories as well.
    """

    normalizes_scores = True

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        window: int = 3,
        num_vertical: int = 128,
        num_horizontal: int = 128,
        dropout: float = 0.5,
        max_length: int = 100,
        **kwargs,
    ):
        check_positive_int(embedding_dim, "embedding_dim")
        check_positive_int(window, "window")
        check_positive_int(num_vertical, "num_vertical")
        check_positive_int(num_horizontal, "num_horizontal")
        check_range(dropout, "dropout", 0.0, 1.0)
        check_positive_int(max_length, "max_length")
        if window > max_length:
            raise ValueError(
                "`window` must be at most `max_length`. Received: "
                f"window={window}, max_length={max_length}"
            )
        super().__init__(num_users, num_items, **kwargs)
        self.embedding_dim = embedding_dim
        self.window = window
        self.num_vertical = num_vertical
        self.num_horizontal = num_horizontal
        self.dropout = dropout
        self.max_length = max_length
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim, length = self.embedding_dim, self.max_length
        self.item_embedding = self.make_item_embedding(
            dim,
            embeddings_initializer=keras.initializers.TruncatedNormal(
                stddev=0.01
            ),
        )
        self.vertical = keras.layers.Dense(
            self.num_vertical, activation="relu", name="vertical", **policy
        )
        self.vertical.build((None, length * dim))
        self.horizontal = [
            keras.layers.Conv1D(
                self.num_horizontal,
                height,
                activation="relu",
                name=f"horizontal_{height}",
                **policy,
            )
            for height in range(1, self.window + 1)
        ]
        for layer in self.horizontal:
            layer.build((None, length, dim))
        width = self.num_vertical + self.num_horizontal * self.window
        self.head = FeedForward(dropout=self.dropout, name="head", **policy)
        self.head.build([(None, None, width), (None, None, dim)])

    def encode(self, features, training=False):
        """Returns all filters of the histories, (B, filters)."""
        history = ops.convert_to_tensor(features["history"])
        image = self._last_items(history)
        size = self.max_length * self.embedding_dim
        vertical = self.vertical(ops.reshape(image, (-1, size)))
        pooled = [ops.max(layer(image), axis=1) for layer in self.horizontal]
        return ops.concatenate([vertical, *pooled], axis=-1)

    def _last_items(self, history):
        """Returns the vectors (B, T, d) of the newest items, oldest first."""
        start = history_length(valid_positions(history)) - self.max_length
        start = ops.maximum(start, 0)
        positions = start[:, None] + ops.arange(self.max_length, dtype="int32")
        last = ops.shape(history)[1] - 1
        items = ops.take_along_axis(
            history, ops.minimum(positions, last), axis=1
        )
        return self.item_embedding(ops.where(positions <= last, items, 0))

    def score(self, encoded, candidates, training=False):
        candidates = ops.convert_to_tensor(candidates)
        items = self.item_embedding(candidates, training=training)
        if len(candidates.shape) == 1:
            items = ops.expand_dims(items, 0)
        return self.head(
            [ops.expand_dims(encoded, 1), items], training=training
        )

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "window": self.window,
            "num_vertical": self.num_vertical,
            "num_horizontal": self.num_horizontal,
            "dropout": self.dropout,
            "max_length": self.max_length,
        }
